"""Pictures small enough to stand inside an HTML page, as `data:` addresses."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO

from reranker.core.errors import PictureError
from reranker.core.types import Candidate
from reranker.images.decoding import Limits, decode, read_bytes

QUALITY = 80
READERS = 4


def embedded_thumbnails(candidates: Sequence[Candidate], limits: Limits, max_px: int) -> list[str | None]:
    """Of each a JPEG of at most so many pixels a side; None where the picture cannot be read (any more)."""
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(partial(_thumbnail, limits=limits, max_px=max_px), candidates))


def _thumbnail(candidate: Candidate, limits: Limits, max_px: int) -> str | None:
    try:
        picture = decode(read_bytes(candidate, limits), candidate.name, limits, max_px**2)
    except PictureError:
        return None
    picture.thumbnail((max_px, max_px), reducing_gap=2.0)
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
