"""Decode the encoded bytes of a picture to upright RGB.

Formats: JPEG, PNG, WebP, BMP, GIF and TIFF (the first frame), AVIF, HEIC/HEIF (the primary picture). The signature at
the start of the data chooses the decoder; the name of the file does not. The decoders are called directly and not
through `Image.open`: the pixel limit of `Image.open` is one setting for the whole process, and it warns. Here every
call brings its own limits, in any thread.
"""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Final, TypeVar

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
from reranker.images.decoding_memory import needed_bytes
from reranker.images.formats import ImageFormat, detect_format, webp_canvas_size
from reranker.images.limits import Limits
from reranker.images.structure import check_structure

_Result = TypeVar("_Result")


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

_STRIP_PIXELS: Final = 1_000_000

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
class OpenedPicture:
    """A picture whose header and structure were read and checked, but none of its pixels.

    size: width and height in pixels, as they are stored. needed_bytes: about the most memory that `decode` takes.
    """

    name: str
    limits: Limits
    size: tuple[int, int]
    needed_bytes: int
    _load: Callable[[], Image.Image]

    def decode(self) -> Image.Image:
        """Decode the picture, once, to upright RGB of 8 bits with transparent parts on white.

        Raises as `open_picture`.
        """
        return guarded(self._decode, self.name)

    def _decode(self) -> Image.Image:
        # Each step has only the last image, so that no more than two are held.
        image = self._load()
        self.limits.check_shape(image.size, self.name)  # a HEIF picture may be larger than its header says
        orientation = _orientation(image.info.get("exif") or b"")
        image = _rgb(image)
        image = _upright(image, orientation)
        image.info = {}  # otherwise the orientation could be applied a second time
        return image


def open_picture(data: bytes, name: str, limits: Limits, target_pixels: int | None = None) -> OpenedPicture:
    """Read and check the header and the structure of a picture. `name` is for the errors.

    target_pixels: the number of pixels that the caller will scale to. If it is given, a JPEG is decoded at a half, a
        quarter or an eighth of its size, as long as its sides stay at least twice those of the target.

    Raises `PictureUnreadable`, `PictureTooLarge` or `PictureTooNarrow`, and no other error.
    """
    return guarded(partial(_open, data, name, limits, target_pixels), name)


def guarded(work: Callable[[], _Result], name: str) -> _Result:
    """Return the result of `work`, whose errors become those of a picture."""
    try:
        return work()
    except PictureError:
        raise
    except Exception as error:  # on broken data, decoders raise errors of any class
        reason = _reason(error)
    # Raised outside the handler, so that its context does not keep the decoder's error, with the pixels in its frames.
    raise PictureUnreadable(name=name, reason=reason)


def _open(data: bytes, name: str, limits: Limits, target_pixels: int | None) -> OpenedPicture:
    if not data:
        raise PictureUnreadable(name=name, reason="empty")
    image_format = detect_format(data)
    if image_format is None:
        raise PictureUnreadable(name=name, reason="not a picture")
    if image_format == "WEBP":  # the decoder allocates the canvas when it is created
        return _open_webp(data, name, limits)
    check_structure(data, image_format, name)
    image = _DECODERS[image_format](BytesIO(data))
    size = image.size
    limits.check_shape(size, name)
    if target_pixels is not None and image_format == "JPEG":
        scale = 2 * math.sqrt(target_pixels / (image.width * image.height))
        image.draft(image.mode, (math.ceil(scale * image.width), math.ceil(scale * image.height)))
    return OpenedPicture(
        name=name,
        limits=limits,
        size=size,
        needed_bytes=needed_bytes(data, image_format, image.size, image.mode),
        _load=partial(_loaded, [image]),
    )


def _open_webp(data: bytes, name: str, limits: Limits) -> OpenedPicture:
    size = webp_canvas_size(data)
    limits.check_pixels(size, name)
    check_structure(data, "WEBP", name)
    return OpenedPicture(
        name=name,
        limits=limits,
        size=size,
        needed_bytes=needed_bytes(data, "WEBP", size, "RGBA"),
        _load=partial(_load_webp, data),
    )


def _loaded(opened: list[ImageFile.ImageFile]) -> Image.Image:
    """Decode an opened image, which leaves the list, and return its pixels without the file."""
    image = opened.pop()
    if isinstance(image, AvifImageFile):
        pixels = image._decoder.get_frame(0)[0]
        return _with_info(Image.frombytes(image.mode, image.size, pixels), image.info)
    image.load()
    return image


def _load_webp(data: bytes) -> Image.Image:
    """Decode the first frame. The decoder, which holds two more, is gone when its pixels are returned."""
    opened = WebPImageFile(BytesIO(data))
    pixels, _, _ = opened._get_next()
    mode = "RGBA" if opened.mode == "RGBA" else "RGBX"
    return _with_info(Image.frombuffer(mode, opened.size, pixels, "raw", mode, 0, 1), opened.info)


def _with_info(image: Image.Image, info: dict[str | tuple[int, int], Any]) -> Image.Image:
    image.info = info
    return image


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
        return _grey(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image._new(image.im) if image.mode == "RGB" else image.convert("RGB")  # the pixels themselves, or a copy


def _strips(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes of whole rows that cover an image from above: what is copied of it at a time."""
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _on_white(image: Image.Image) -> Image.Image:
    shown = Image.new("RGB", image.size)
    for box in _strips(image):
        part = image.crop(box).convert("RGBA")
        white = Image.new("RGBA", part.size, "white")
        white.alpha_composite(part)
        shown.paste(white.convert("RGB"), box)
    return shown


def _grey(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, 32 bits or floating point to 8 bits. Pillow's own conversion clips at 255."""
    import numpy as np  # noqa: PLC0415 - few pictures need it, and a decoding process starts in half the time

    low, high = _range(image)
    black, white = _black_and_white(low, high, _WHITES[image.mode])
    step = 255 / (white - black) if white - black > 1e-30 else 0.0  # a larger step would overflow float32
    shown = Image.new("RGB", image.size)
    for box in _strips(image):
        stored = np.asarray(image.crop(box))  # (rows, width)
        values = np.nan_to_num(stored.astype(np.float32), copy=False, nan=low, posinf=high, neginf=low)
        values *= step
        values -= black * step
        grey = np.clip(np.rint(values, out=values), 0, 255).astype(np.uint8)
        if isinstance(transparent := image.info.get("transparency"), int):
            grey[stored == transparent] = 255
        shown.paste(Image.fromarray(grey), box)
    return shown


def _range(image: Image.Image) -> tuple[float, float]:
    """The lowest and the highest finite value of a grey image; 0 and 0 if there is none."""
    import numpy as np  # noqa: PLC0415

    low, high = math.inf, -math.inf
    for box in _strips(image):
        values = np.asarray(image.crop(box)).astype(np.float32)
        finite = values[np.isfinite(values)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _black_and_white(low: float, high: float, whites: tuple[float, ...]) -> tuple[float, float]:
    """The values to show as black and white: 0 and the smallest white that fits, or `low` and `high` if none does."""
    if low < 0 or high > max(whites):
        return low, high
    return 0, min(white for white in whites if high <= white)
