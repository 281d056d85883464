"""Encode an image as a JPEG."""

from io import BytesIO

from PIL import Image


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """Return the bytes of a JPEG file. quality: from 1 to 95."""
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
