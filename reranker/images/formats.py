"""The formats of pictures: suffixes of file names, and signatures at the start of the data."""

import struct
from pathlib import Path
from typing import Final, Literal

ImageFormat = Literal["AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP"]

PICTURE_SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)

_SIGNATURES: Final[dict[bytes, ImageFormat]] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # the last two: BigTIFF
    b"MM\0+": "TIFF",
}
_AVIF_BRANDS: Final = {b"avif", b"avis"}
_HEIF_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture by its suffix, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES


def detect_format(data: bytes) -> ImageFormat | None:
    """The format of encoded bytes by their signature; None if they are not a picture of a supported format."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _format_of_box(data)
    return next((format_ for signature, format_ in _SIGNATURES.items() if data.startswith(signature)), None)


def webp_canvas_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the first chunk of a WebP file. Raises `EOFError` if the file is truncated.

    Layout of the chunks: https://developers.google.com/speed/webp/docs/riff_container
    """
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    if len(data) < max(riff_bytes + 8, 30):
        raise EOFError
    chunk = data[12:16]
    if chunk == b"VP8X":  # 24 bits each, minus one
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", data, 24)
        return low_width + (high_width << 16) + 1, low_height + (high_height << 16) + 1
    if chunk == b"VP8L":  # 14 bits each, minus one
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)  # the lower 14 bits; the upper two are a scale
    return width & 0x3FFF, height & 0x3FFF


def _format_of_box(data: bytes) -> ImageFormat | None:
    """Tell AVIF from HEIF, which share a container, by the brands: the major one at byte 8, others from byte 16."""
    (end,) = struct.unpack_from(">I", data)
    brands = {data[at : at + 4] for at in (8, *range(16, min(end, 256), 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None
