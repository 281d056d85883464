"""The formats of pictures: suffixes of file names, and signatures at the start of the data."""

import struct
from pathlib import Path
from typing import Final, Literal, get_args

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


_OTHER_NAMES: Final[dict[str, ImageFormat]] = {"JPG": "JPEG", "HEIC": "HEIF", "TIF": "TIFF"}


def format_named(name: str) -> ImageFormat | None:
    """Return the format of a name such as "png" or "JPG"; None if there is none."""
    known = {each: each for each in get_args(ImageFormat)} | _OTHER_NAMES
    return known.get(name.upper())


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


def _format_of_box(data: bytes) -> ImageFormat | None:
    """Tell AVIF from HEIF, which share a container, by the brands: the major one at byte 8, others from byte 16."""
    (end,) = struct.unpack_from(">I", data)
    brands = {data[at : at + 4] for at in (8, *range(16, min(end, 256), 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None
