"""Small pictures in every format, and what is seen of them."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pillow_heif
from PIL import Image

from reranker.images.limits import Limits
from tests.support.decoding import decode

SIDE = 32
RED, GREEN, BLUE, YELLOW = (230, 20, 20), (20, 200, 40), (30, 40, 220), (240, 220, 30)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
CORNERS = ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75))  # upper left, upper right, lower left, lower right
LOSSLESS = ("PNG", "BMP", "GIF", "TIFF")
FORMATS = (*LOSSLESS, "JPEG", "WEBP", "AVIF", "HEIC")
SAVING = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}, "AVIF": {"quality": 95}}


def quarters(*colours) -> Image.Image:
    """A square with one colour in each quarter, in the order of `CORNERS`."""
    picture = Image.new("RGB", (SIDE, SIDE))
    half = SIDE // 2
    for index, colour in enumerate(colours):
        left, top = index % 2 * half, index // 2 * half
        picture.paste(colour, (left, top, left + half, top + half))
    return picture


def palette_picture(index: int) -> Image.Image:
    picture = Image.new("P", (4, 4), index)
    picture.putpalette([*RED, *GREEN, *BLUE])
    return picture


FOUR = quarters(RED, GREEN, BLUE, YELLOW)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(picture).save(buffer, quality=95, **options)
    else:
        picture.save(buffer, kind, **{**SAVING.get(kind, {}), **options})
    return buffer.getvalue()


def decoded(data: bytes, **limits) -> Image.Image:
    return decode(data, "a.png", Limits(**limits))


def corners(picture: Image.Image) -> list[tuple[int, ...]]:
    return [picture.getpixel((int(x * picture.width), int(y * picture.height))) for x, y in CORNERS]


def alike(colours, expected, tolerance: int = 12) -> bool:
    return bool(np.abs(np.asarray(colours, int) - np.asarray(expected, int)).max() <= tolerance)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def png(header: bytes, body: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand. header: the IHDR chunk. body: the raw rows. extra: chunks before the rows."""
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(body)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
