"""A path or bytes -> an upright RGB picture within limits.

Formats: JPEG, PNG, WebP, BMP, GIF and TIFF (the first frame), AVIF, HEIC/HEIF (the primary picture). The first bytes
choose the decoder, never the name of the file. Decoders are called by themselves instead of through `Image.open`, whose
own guard on pixels is one setting for the whole process, and warns: here each call brings its limits, in any thread.
"""

import math
import stat
import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from reranker.core.errors import (
    PictureError,
    PictureFileTooLarge,
    PictureMissing,
    PictureTooLarge,
    PictureTooNarrow,
    PictureUnreadable,
    UnreadableReason,
)
from reranker.core.types import Candidate


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Nothing: the resolution is of no use here, and a broken EXIF would warn while it is looked for."""


class _Tiff(TiffImageFile):
    def load_prepare(self) -> None:
        """Memory for the pixels, their number checked already, where Pillow would apply its own limit once more."""
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size, None).im
        super().load_prepare()


_SIGNATURES: Final[dict[bytes, type[ImageFile.ImageFile]]] = {
    b"\xff\xd8\xff": _Jpeg,
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"BM": BmpImageFile,
    b"GIF87a": GifImageFile,
    b"GIF89a": GifImageFile,
    b"II*\0": _Tiff,
    b"MM\0*": _Tiff,
    b"II+\0": _Tiff,  # the last two: BigTIFF
    b"MM\0+": _Tiff,
}
_AVIF_BRANDS: Final = {b"avif", b"avis"}
_HEIF_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

# What the decoders write when they give up; words that none of these match mean damage.
_REASONS_BY_WORD: Final[dict[str, UnreadableReason]] = {
    "truncated": "truncated",
    "end of file": "truncated",
    "unsupported": "unsupported",
    "not supported": "unsupported",
    "not installed": "unsupported",
    "cannot handle": "unsupported",
    "unknown pixel mode": "unsupported",
    "exceeds limit": "unsupported",
}

# Values shown as white, by mode: the first that none exceeds. What is stored in 32 bits may be on any of these scales.
_WHITES: Final[dict[str, tuple[float, ...]]] = {
    "I;16": (65535,),
    "I;16L": (65535,),
    "I;16B": (65535,),
    "I;16N": (65535,),
    "I": (255, 65535),
    "F": (1, 255, 65535),
}

_ORIENTATION_TAG: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a picture may be; each limit itself is still allowed.

    max_bytes: of the encoded file; a megabyte is 1,000,000 bytes, here and in every sentence.
    max_pixels: width times height, read from the header before anything is decoded. Of WebP, Pillow reads at most
        178,956,970, whatever this says.
    max_aspect_ratio: longer side over shorter side.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 100_000_000
    max_aspect_ratio: float = 200.0


def read_bytes(candidate: Candidate, limits: Limits) -> bytes:
    """The encoded bytes of a candidate; its size is known to be within the limit before any of it is read.

    Raises PictureMissing where there is no regular file, PictureFileTooLarge, or PictureUnreadable ("no access").
    """
    if isinstance(candidate.source, bytes):
        _check_weight(len(candidate.source), candidate.name, limits)
        return candidate.source
    try:
        return _read_file(candidate.source, candidate.name, limits)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a name that no file can have
        raise PictureMissing(name=candidate.name) from error
    except OSError as error:
        raise PictureUnreadable(name=candidate.name, reason="no access") from error


def decode(data: bytes, name: str, limits: Limits, wanted_pixels: int | None = None) -> Image.Image:
    """The picture in `data` as upright RGB; transparency shows white.

    wanted_pixels: where only so many are of use, a JPEG is decoded to a half, a quarter or an eighth of its sides while
    each stays at least twice as long as is of use.

    Raises PictureUnreadable, PictureTooLarge or PictureTooNarrow with `name`, and nothing else.
    """
    try:
        return _decode(data, name, limits, wanted_pixels)
    except PictureError:
        raise
    except Exception as error:  # decoders raise whatever broken bytes lead them to
        reason = _reason(error)
    # Outside the handler, so that the decoder's error, and the pixels in its frames, do not live on as the context.
    raise PictureUnreadable(name=name, reason=reason)


def _read_file(path: Path, name: str, limits: Limits) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise PictureMissing(name=name)
    _check_weight(status.st_size, name, limits)
    with path.open("rb") as file:
        data = file.read(limits.max_bytes + 1)
    _check_weight(len(data), name, limits)  # once more: the file may have grown since
    return data


def _check_weight(size_bytes: int, name: str, limits: Limits) -> None:
    if size_bytes > limits.max_bytes:
        raise PictureFileTooLarge(name=name, size_bytes=size_bytes, max_bytes=limits.max_bytes)


def _check_pixels(size: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise PictureTooLarge(name=name, width=width, height=height, max_pixels=limits.max_pixels)


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    _check_pixels(size, name, limits)
    width, height = size
    if max(size) > limits.max_aspect_ratio * min(size):
        raise PictureTooNarrow(name=name, width=width, height=height, max_aspect_ratio=limits.max_aspect_ratio)


def _decode(data: bytes, name: str, limits: Limits, wanted_pixels: int | None) -> Image.Image:
    if not data:
        raise PictureUnreadable(name=name, reason="empty")
    decoder = _decoder(data)
    if decoder is None:
        raise PictureUnreadable(name=name, reason="not a picture")
    if decoder is WebPImageFile:  # allocates its canvas when it is made, so it must not be made for a bomb
        _check_pixels(_webp_canvas(data), name, limits)
    picture = decoder(BytesIO(data))
    _check_size(picture.size, name, limits)
    if wanted_pixels is not None and decoder is _Jpeg:
        scale = 2 * math.sqrt(wanted_pixels / (picture.width * picture.height))
        picture.draft(picture.mode, (math.ceil(scale * picture.width), math.ceil(scale * picture.height)))
    picture.load()
    _check_size(picture.size, name, limits)  # a HEIF picture may turn out larger than its header says
    upright = _upright(_rgb(picture), _orientation(picture.info.get("exif") or b""))
    upright.info = {}  # else the orientation would be there to be applied again
    return upright


def _decoder(data: bytes) -> type[ImageFile.ImageFile] | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImageFile
    if data[4:8] == b"ftyp":
        return _box_decoder(data)
    return next((decoder for signature, decoder in _SIGNATURES.items() if data.startswith(signature)), None)


def _box_decoder(data: bytes) -> type[ImageFile.ImageFile] | None:
    """AVIF and HEIF share a container; its major brand (byte 8) and compatible ones (from byte 16) tell them apart."""
    (end,) = struct.unpack_from(">I", data)
    brands = {data[at : at + 4] for at in (8, *range(16, min(end, 256), 4))}
    if brands & _AVIF_BRANDS:
        return AvifImageFile
    return HeifImageFile if brands & _HEIF_BRANDS else None


def _webp_canvas(data: bytes) -> tuple[int, int]:
    """Width and height, as the first chunk of a WebP file says; an EOFError where bytes are missing at the end."""
    (announced,) = struct.unpack_from("<I", data, 4)
    if len(data) < max(announced + 8, 30):
        raise EOFError
    chunk = data[12:16]
    if chunk == b"VP8X":  # 24 bits each, less one
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", data, 24)
        return low_width + (high_width << 16) + 1, low_height + (high_height << 16) + 1
    if chunk == b"VP8L":  # 14 bits each, less one
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)  # 14 bits each, below two of scaling
    return width & 0x3FFF, height & 0x3FFF


def _reason(error: Exception) -> UnreadableReason:
    if isinstance(error, MemoryError):
        return "no memory"
    if isinstance(error, EOFError):
        return "truncated"
    words = str(error).lower()
    return next((reason for word, reason in _REASONS_BY_WORD.items() if word in words), "damaged")


def _orientation(exif: bytes) -> int:
    """How the picture lies, 1 to 8; 1 (upright) where the EXIF block says nothing or is broken.

    Read by hand: Pillow's reader warns of broken blocks, and drops an orientation that stands before the damage.
    """
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2], "<")
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(entries):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return int(value)
    except struct.error:
        pass
    return 1


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode in _WHITES:
        return _grey(picture).convert("RGB")
    if picture.has_transparency_data:
        return _on_white(picture)
    return picture.convert("RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture.convert("RGBA"))
    return white.convert("RGB")


def _grey(picture: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits or in floating point, scaled to 8 bits (Pillow's own conversion clips at 255)."""
    stored = np.asarray(picture)
    values = stored.astype(np.float32)
    finite = np.isfinite(values)
    low = float(values.min(where=finite, initial=np.inf)) if finite.any() else 0.0
    high = float(values.max(where=finite, initial=-np.inf)) if finite.any() else 0.0
    black, white = _black_and_white(low, high, _WHITES[picture.mode])
    step = 255 / (white - black) if white - black > 1e-30 else 0.0  # steeper does not fit into float32
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    values *= step
    values -= black * step
    grey = np.clip(np.rint(values, out=values), 0, 255).astype(np.uint8)
    if isinstance(transparent := picture.info.get("transparency"), int):
        grey[stored == transparent] = 255
    return Image.fromarray(grey)


def _black_and_white(low: float, high: float, whites: tuple[float, ...]) -> tuple[float, float]:
    """The values shown black and white: 0 and the first white that holds all, else the extremes themselves."""
    if low < 0 or high > max(whites):
        return low, high
    return 0, min(white for white in whites if high <= white)
