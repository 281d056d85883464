"""Labels of what a camera writes into a picture."""

from typing import Final, Literal

from reranker.core.types import CaptureKey
from reranker.i18n.error_messages import Language

CAPTURE_LABELS: Final[dict[CaptureKey | Literal["taken"], dict[Language, str]]] = {
    "taken": {"en": "Taken", "zh": "拍摄时间"},
    "camera": {"en": "Camera", "zh": "相机"},
    "lens": {"en": "Lens", "zh": "镜头"},
    "exposure": {"en": "Exposure", "zh": "曝光"},
    "iso": {"en": "ISO", "zh": "感光度（ISO）"},
    "focal_length": {"en": "Focal length", "zh": "焦距"},
    "place": {"en": "Place (latitude, longitude)", "zh": "位置（纬度，经度）"},
    "software": {"en": "Software", "zh": "软件"},
}
