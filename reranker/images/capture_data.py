"""How a picture was taken: the date, the camera, the place, as its EXIF block says."""

import logging

from reranker.core.errors import PictureError
from reranker.core.types import CaptureData
from reranker.images.decoding_pool import shared_pool
from reranker.images.formats import detect_format

_log = logging.getLogger(__name__)


def capture_data(data: bytes, name: str) -> CaptureData:
    """Return how a picture was taken, from its encoded bytes; nothing if it does not say so, or cannot be read.

    It is read in a decoding process, which has limits of time and memory. name: of the picture, for the log.
    """
    if detect_format(data) == "JPEG" and b"Exif" not in data:
        return CaptureData()
    try:
        return shared_pool().capture_data(data, name)
    except PictureError as error:
        _log.debug("The EXIF block of %r cannot be read: %s", name, error)
        return CaptureData()
