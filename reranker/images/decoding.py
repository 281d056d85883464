"""Decode the encoded bytes of a picture to upright RGB, in sRGB.

Formats: JPEG, PNG, WebP, BMP, GIF and TIFF (the first frame), AVIF, HEIC/HEIF (the primary picture). The signature at
the start of the data chooses the decoder; the name of the file does not. The decoders are called directly and not
through `Image.open`: the pixel limit of `Image.open` is one setting for the whole process, and it warns. Here every
call brings its own limits, in any thread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from PIL import Image

from reranker.core.errors import PictureError, PictureUnreadable, UnreadableReason
from reranker.images.colours import Conversion, conversion_of
from reranker.images.decoders import EncodedImage, exif_of, open_encoded
from reranker.images.decoding_memory import needed_bytes
from reranker.images.formats import detect_format
from reranker.images.limits import Limits
from reranker.images.rgb import opaque
from reranker.images.structure import check_structure

_Result = TypeVar("_Result")

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

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THE_SIDE: Final = (5, 6, 7, 8)


@dataclass(frozen=True, kw_only=True)
class DecodedPicture:
    """An upright picture without transparency, which can be scaled once, to RGB of 8 bits in sRGB.

    Its colours are converted after that: for the 12 megapixels of a phone it takes 400 ms before, and 35 ms after.
    """

    _image: Image.Image
    _conversion: Conversion | None
    _for_square: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._image.size

    def resized(self, size: tuple[int, int]) -> Image.Image:
        """Return the picture in this width and height, resized by bicubic interpolation.

        For a square, blocks of pixels are averaged before that, as long as the sides stay at least those of `size`.
        This takes a third of the time, and the pixels are slightly different.
        """
        if self._image.size == size:
            return self._in_srgb(self._image)
        reducing_gap = 1.0 if self._for_square else None
        return self._in_srgb(self._image.resize(size, Image.Resampling.BICUBIC, reducing_gap=reducing_gap))

    def thumbnail(self, max_px: int) -> Image.Image:
        """Return the picture with a longer side of at most `max_px`; it is never enlarged."""
        self._image.thumbnail((max_px, max_px), reducing_gap=2.0)
        return self._in_srgb(self._image)

    def _in_srgb(self, image: Image.Image) -> Image.Image:
        shown = image if self._conversion is None else self._conversion.apply(image)
        shown.info = {}
        return shown


@dataclass(frozen=True, kw_only=True)
class OpenedPicture:
    """A picture whose header and structure were read and checked, but none of its pixels.

    size: width and height in pixels, as they are stored. upright_size: those of the picture as people see it.
    needed_bytes: about the most memory that `decode` takes.
    """

    name: str
    limits: Limits
    size: tuple[int, int]
    upright_size: tuple[int, int]
    needed_bytes: int
    _encoded: EncodedImage
    _target_pixels: int | None
    _for_square: bool

    def decode(self) -> DecodedPicture:
        """Decode the picture, once. Raises as `open_picture`."""
        return guarded(self._decode, self.name)

    def _decode(self) -> DecodedPicture:
        # Each step has only the last image, so that no more than two are held.
        image = self._encoded.load()
        self.limits.check_shape(image.size, self.name)  # a HEIF picture may be larger than its header says
        metadata = self._encoded.metadata
        image, conversion = opaque(image, conversion_of(metadata, image.mode), self._target_pixels)
        image = image.transpose(_UPRIGHT[turn]) if (turn := metadata.orientation) in _UPRIGHT else image
        return DecodedPicture(_image=image, _conversion=conversion, _for_square=self._for_square)


def open_picture(
    data: bytes, name: str, limits: Limits, target_pixels: int | None = None, *, for_square: bool = False
) -> OpenedPicture:
    """Read and check the header and the structure of a picture. `name` is for the errors.

    target_pixels: the number of pixels that the caller will scale to. If it is given, a JPEG is decoded at a half, a
        quarter or an eighth of its size, as long as its sides stay at least twice those of the target. So is a picture
        with transparency whose colours are converted, but at any whole fraction.
    for_square: whether the caller will scale it to a square, whatever its shape is, for a dual encoder. A JPEG is then
        decoded at such a part as long as its sides stay at least those of the square, and see `resized`.

    Raises `PictureUnreadable`, `PictureTooLarge` or `PictureTooNarrow`, and no other error.
    """
    return guarded(partial(_open, data, name, limits, target_pixels, for_square=for_square), name)


def picture_exif(data: bytes) -> bytes:
    """Return the block of EXIF of a picture, which may be broken; empty if there is none. Raises as `open_picture`."""

    def read() -> bytes:
        image_format = detect_format(data)
        if image_format is None:
            return b""
        check_structure(data, image_format, "")
        return exif_of(data, image_format)

    return guarded(read, "")


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


def _open(data: bytes, name: str, limits: Limits, target_pixels: int | None, *, for_square: bool) -> OpenedPicture:
    if not data:
        raise PictureUnreadable(name=name, reason="empty")
    image_format = detect_format(data)
    if image_format is None:
        raise PictureUnreadable(name=name, reason="not a picture")
    check_structure(data, image_format, name)
    encoded = open_encoded(data, image_format, target_pixels, for_square=for_square)
    limits.check_shape(encoded.size, name)
    width, height = encoded.size
    return OpenedPicture(
        name=name,
        limits=limits,
        size=encoded.size,
        upright_size=(height, width) if encoded.metadata.orientation in _ON_THE_SIDE else (width, height),
        needed_bytes=needed_bytes(data, image_format, encoded.decoded_size, encoded.mode),
        _encoded=encoded,
        _target_pixels=target_pixels,
        _for_square=for_square,
    )


def _reason(error: Exception) -> UnreadableReason:
    if isinstance(error, MemoryError):
        return "no memory"
    if isinstance(error, EOFError):
        return "truncated"
    message = str(error).lower()
    return next((reason for word, reason in _REASONS_BY_WORD.items() if word in message), "damaged")
