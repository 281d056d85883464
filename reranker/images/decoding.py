"""Decode the encoded bytes of a picture to upright RGB.

Formats: JPEG, PNG, WebP, BMP, GIF and TIFF (the first frame), AVIF, HEIC/HEIF (the primary picture). The signature at
the start of the data chooses the decoder; the name of the file does not. The decoders are called directly and not
through `Image.open`: the pixel limit of `Image.open` is one setting for the whole process, and it warns. Here every
call brings its own limits, in any thread.
"""

import math
import struct
from io import BytesIO
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

from reranker.core.errors import PictureError, PictureUnreadable, UnreadableReason
from reranker.images.formats import ImageFormat, detect_format, webp_canvas_size
from reranker.images.limits import Limits


class _Jpeg(JpegImageFile):
    def _read_dpi_from_exif(self) -> None:
        """Do nothing: the resolution is not needed, and Pillow would warn of a broken EXIF block while it reads it."""


class _Tiff(TiffImageFile):
    def load_prepare(self) -> None:
        """Allocate the pixels, whose number is checked already; Pillow would apply its own limit here."""
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size, None).im
        super().load_prepare()


_DECODERS: Final[dict[ImageFormat, type[ImageFile.ImageFile]]] = {
    "AVIF": AvifImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "HEIF": HeifImageFile,
    "JPEG": _Jpeg,
    "PNG": PngImageFile,
    "TIFF": _Tiff,
    "WEBP": WebPImageFile,
}

# Words in the error messages of the decoders; a message without any of them means that the data is damaged.
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

# Values that may be white, by mode; the smallest that no pixel exceeds is. 32-bit modes are stored on several scales.
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


def decode(data: bytes, name: str, limits: Limits, target_pixels: int | None = None) -> Image.Image:
    """Decode a picture to upright 8-bit RGB, with transparent parts on white. `name` is for the errors.

    target_pixels: the number of pixels that the caller will scale to. If it is given, a JPEG is decoded at a half, a
        quarter or an eighth of its size, as long as its sides stay at least twice those of the target.

    Raises `PictureUnreadable`, `PictureTooLarge` or `PictureTooNarrow`, and no other error.
    """
    try:
        return _decode(data, name, limits, target_pixels)
    except PictureError:
        raise
    except Exception as error:  # on broken data, decoders raise errors of any class
        reason = _reason(error)
    # Raised outside the handler, so that its context does not keep the decoder's error, with the pixels in its frames.
    raise PictureUnreadable(name=name, reason=reason)


def _decode(data: bytes, name: str, limits: Limits, target_pixels: int | None) -> Image.Image:
    if not data:
        raise PictureUnreadable(name=name, reason="empty")
    image_format = detect_format(data)
    if image_format is None:
        raise PictureUnreadable(name=name, reason="not a picture")
    if image_format == "WEBP":  # the decoder allocates the canvas when it is created, so check the size before
        limits.check_pixels(webp_canvas_size(data), name)
    image = _DECODERS[image_format](BytesIO(data))
    limits.check_shape(image.size, name)
    if target_pixels is not None and image_format == "JPEG":
        scale = 2 * math.sqrt(target_pixels / (image.width * image.height))
        image.draft(image.mode, (math.ceil(scale * image.width), math.ceil(scale * image.height)))
    image.load()
    limits.check_shape(image.size, name)  # a HEIF picture may be larger than its header says
    upright = _upright(_rgb(image), _orientation(image.info.get("exif") or b""))
    upright.info = {}  # otherwise the orientation could be applied a second time
    return upright


def _reason(error: Exception) -> UnreadableReason:
    if isinstance(error, MemoryError):
        return "no memory"
    if isinstance(error, EOFError):
        return "truncated"
    message = str(error).lower()
    return next((reason for word, reason in _REASONS_BY_WORD.items() if word in message), "damaged")


def _orientation(exif: bytes) -> int:
    """The orientation, 1 to 8; 1 (upright) if the EXIF block has none or is broken.

    Pillow's own parser is not used: it warns of broken blocks, and ignores an orientation that precedes the damage.
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


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _WHITES:
        return _grey(image).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image)
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


def _grey(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, 32 bits or floating point to 8 bits. Pillow's own conversion clips at 255."""
    stored = np.asarray(image)  # (height, width)
    values = stored.astype(np.float32)
    finite = np.isfinite(values)
    low = float(values.min(where=finite, initial=np.inf)) if finite.any() else 0.0
    high = float(values.max(where=finite, initial=-np.inf)) if finite.any() else 0.0
    black, white = _black_and_white(low, high, _WHITES[image.mode])
    step = 255 / (white - black) if white - black > 1e-30 else 0.0  # a larger step would overflow float32
    np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    values *= step
    values -= black * step
    grey = np.clip(np.rint(values, out=values), 0, 255).astype(np.uint8)
    if isinstance(transparent := image.info.get("transparency"), int):
        grey[stored == transparent] = 255
    return Image.fromarray(grey)


def _black_and_white(low: float, high: float, whites: tuple[float, ...]) -> tuple[float, float]:
    """The values to show as black and white: 0 and the smallest white that fits, or `low` and `high` if none does."""
    if low < 0 or high > max(whites):
        return low, high
    return 0, min(white for white in whites if high <= white)
