"""The decoders of all formats, behind one function.

They get only what they need for pixels. What else a file says, such as texts, is left out where a broken part of it
would cost the whole picture; `Metadata` has what matters of it.
"""

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Final

from PIL import Image, ImageFile, _avif
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from reranker.images.formats import ImageFormat
from reranker.images.gif_structure import separate_gif
from reranker.images.jpeg_structure import separate_jpeg
from reranker.images.metadata import Metadata, limited_profile
from reranker.images.png_structure import separate_png
from reranker.images.tiff_structure import separate_tiff
from reranker.images.webp_structure import separate_webp, webp_canvas_size

# Boxes of AVIF: colour primaries and transfer characteristics; what precedes the kind of an item, if that is EXIF.
_NCLX: Final = re.compile(rb"colrnclx(.{4})", re.DOTALL)
_EXIF_ITEM: Final = re.compile(rb"infe.{8,10}(?=Exif)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class EncodedImage:
    """An image whose header was read.

    size: width and height in pixels, as they are stored. decoded_size, mode: of the image that `load` returns, once.
    """

    size: tuple[int, int]
    decoded_size: tuple[int, int]
    mode: str
    metadata: Metadata
    load: Callable[[], Image.Image]


class _Tiff(TiffImageFile):
    def load_prepare(self) -> None:
        """Allocate the pixels, whose number is checked already; Pillow would apply its own limit here."""
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size, None).im
        super().load_prepare()


def open_encoded(
    data: bytes, image_format: ImageFormat, target_pixels: int | None, *, for_square: bool = False
) -> EncodedImage:
    """Read the header of an image. target_pixels, for_square: as in `open_picture`. Raises errors of any class."""
    if image_format == "AVIF":
        return _avif_image(data)
    if image_format == "WEBP":
        return _webp_image(data)
    pixels, metadata = _SEPARATORS.get(image_format, _unseparated)(data)
    image = _DECODERS[image_format](BytesIO(pixels))
    size = image.size
    if image_format == "JPEG" and target_pixels is not None:
        image.draft(image.mode, _least_size(size, target_pixels, for_square=for_square))
    return EncodedImage(
        size=size,
        decoded_size=image.size,
        mode=image.mode,
        metadata=_heif_metadata(image.info) if image_format == "HEIF" else metadata,
        load=partial(_loaded, [image]),
    )


def _least_size(size: tuple[int, int], target_pixels: int, *, for_square: bool) -> tuple[int, int]:
    """Return the sides that are needed of a picture: those of the square, or twice those of the target."""
    if for_square:
        side = math.ceil(math.sqrt(target_pixels))
        return side, side
    width, height = size
    scale = 2 * math.sqrt(target_pixels / (width * height))
    return math.ceil(scale * width), math.ceil(scale * height)


def exif_of(data: bytes, image_format: ImageFormat) -> bytes:
    """Return the block of EXIF of an image, which may be broken; of a TIFF, which is one, all of it.

    Empty if there is none. Raises errors of any class.
    """
    if image_format == "TIFF":
        return data
    if image_format == "AVIF":
        return _avif.AvifDecoder(data, "auto", 1).get_info()[4] or b""
    if image_format == "HEIF":
        return _DECODERS[image_format](BytesIO(data)).info.get("exif") or b""
    separate = separate_webp if image_format == "WEBP" else _SEPARATORS.get(image_format, _unseparated)
    return separate(data)[1].exif


def _unseparated(data: bytes) -> tuple[bytes, Metadata]:
    return data, Metadata()


def _loaded(opened: list[ImageFile.ImageFile]) -> Image.Image:
    """Decode an opened image, which leaves the list, and return its pixels without the file."""
    image = opened.pop()
    image.load()
    return image


def _heif_metadata(info: dict[str | tuple[int, int], Any]) -> Metadata:
    """Return what a HEIF file says about its colours. It turns itself; an orientation in its EXIF block does not count.

    ISO/IEC 23008-12 leaves the turning to the boxes `irot` and `imir`, which libheif applies.
    """
    nclx = info.get("nclx_profile") or {}
    points = nclx.get("color_primaries", 0), nclx.get("transfer_characteristics", 0)
    return Metadata(profile=limited_profile(info.get("icc_profile")), code_points=points)


def _avif_image(data: bytes) -> EncodedImage:
    """Read the header without the EXIF block, which does not count; libavif and Pillow fail if it is broken."""
    if item := _EXIF_ITEM.search(data):
        view = memoryview(data)
        data = b"skip".join([view[: item.end()], view[item.end() + 4 :]])
    decoder = _avif.AvifDecoder(data, "auto", 1)
    size, _, mode, profile, _, orientation, _ = decoder.get_info()
    box = _NCLX.search(data)
    points = struct.unpack(">HH", box[1]) if box and not profile else None
    return EncodedImage(
        size=size,
        decoded_size=size,
        mode=mode,
        metadata=Metadata(orientation=orientation, profile=limited_profile(profile), code_points=points),
        load=partial(_load_avif, [decoder], mode, size),
    )


def _load_avif(opened: list[Any], mode: str, size: tuple[int, int]) -> Image.Image:
    return Image.frombytes(mode, size, opened.pop().get_frame(0)[0])


def _webp_image(data: bytes) -> EncodedImage:
    """Read the header without the decoder, which allocates the canvas when it is created."""
    size = webp_canvas_size(data)
    pixels, metadata = separate_webp(data)
    return EncodedImage(size=size, decoded_size=size, mode="RGBA", metadata=metadata, load=partial(_load_webp, pixels))


def _load_webp(data: bytes) -> Image.Image:
    """Decode the first frame. The decoder, which holds two more, is gone when its pixels are returned."""
    opened = WebPImageFile(BytesIO(data))
    pixels, _, _ = opened._get_next()
    mode = "RGBA" if opened.mode == "RGBA" else "RGBX"
    return Image.frombuffer(mode, opened.size, pixels, "raw", mode, 0, 1)


_DECODERS: Final[dict[ImageFormat, type[ImageFile.ImageFile]]] = {
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "HEIF": HeifImageFile,
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "TIFF": _Tiff,
}
_SEPARATORS: Final[dict[ImageFormat, Callable[[bytes], tuple[bytes, Metadata]]]] = {
    "GIF": separate_gif,
    "JPEG": separate_jpeg,
    "PNG": separate_png,
    "TIFF": separate_tiff,
}
