"""Decode a picture in this process."""

from PIL import Image

from reranker.images.decoding import open_picture
from reranker.images.limits import Limits


def decode(data: bytes, name: str, limits: Limits, target_pixels: int | None = None) -> Image.Image:
    """Open and decode a picture in its own size. Arguments and errors as in `open_picture`."""
    decoded = open_picture(data, name, limits, target_pixels).decode()
    return decoded.resized(decoded.size)
