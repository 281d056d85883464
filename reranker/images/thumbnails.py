"""Thumbnails: small JPEG versions of pictures, which may be large or in a format that browsers do not know."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw

from reranker.core.errors import PictureError
from reranker.core.types import Candidate
from reranker.images.decoding_pool import shared_pool
from reranker.images.encoding import encode_jpeg
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes

DATA_URI_QUALITY: Final = 80
DATA_URI_THREADS: Final = 4


def make_thumbnail(candidate: Candidate, limits: Limits, *, max_px: int, quality: int) -> bytes:
    """A JPEG whose longer side is at most `max_px`; a picture is never enlarged. Raises a `PictureError`.

    quality: of the JPEG, from 1 to 95.
    """
    data = read_bytes(candidate, limits)
    return shared_pool().thumbnail(data, candidate.name, limits, max_px=max_px, quality=quality)


def smaller_thumbnail(thumbnail: bytes, *, max_px: int, quality: int) -> bytes:
    """A smaller version of a thumbnail that this program has made, as a JPEG."""
    with Image.open(BytesIO(thumbnail)) as image:
        image.thumbnail((max_px, max_px))
        return encode_jpeg(image, quality)


def make_placeholder(*, quality: int) -> bytes:
    """A JPEG of a grey cross, in place of a picture that cannot be read."""
    image = Image.new("RGB", (240, 240), (236, 238, 241))
    canvas = ImageDraw.Draw(image)
    for start, end in (((90, 90), (150, 150)), ((90, 150), (150, 90))):
        canvas.line((start, end), fill=(150, 156, 166), width=8)
    return encode_jpeg(image, quality)


def thumbnail_data_uris(candidates: Sequence[Candidate], limits: Limits, max_px: int) -> list[str | None]:
    """The thumbnail of each candidate as a `data:` URI for an HTML page; None if the picture cannot be read."""

    def data_uri(candidate: Candidate) -> str | None:
        try:
            thumbnail = make_thumbnail(candidate, limits, max_px=max_px, quality=DATA_URI_QUALITY)
        except PictureError:
            return None
        return f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode('ascii')}"

    with ThreadPoolExecutor(DATA_URI_THREADS) as pool:
        return list(pool.map(data_uri, candidates))
