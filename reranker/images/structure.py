"""Refuse pictures that would take minutes to decode, by their structure, before they are decoded.

A small file can make a decoder work for very long: by many scans of one picture, many strips of the same bytes, or
millions of empty parts. Real files are far below these limits.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from reranker.core.errors import PictureUnreadable
from reranker.images.formats import ImageFormat
from reranker.images.gif_structure import gif_blocks
from reranker.images.jpeg_structure import jpeg_scans, jpeg_segments
from reranker.images.png_structure import png_chunks
from reranker.images.tiff_structure import tiff_strips
from reranker.images.webp_structure import webp_chunks

MAX_PARTS: Final = 200_000  # segments of a JPEG, chunks of a PNG or WebP, blocks of a GIF before its first frame
MAX_BLOCKS: Final = 200_000_000  # in all scans of a JPEG; a scan of 100 megapixels has 1.6 to 6.3 million
MAX_STRIPS: Final = 400_000  # and tiles; 100 megapixels are 390,625 of the smallest tiles, 16 x 16
MAX_STRIP_BYTES: Final = 2_000_000_000  # of all strips together; more only if the file has them

_PARTS: Final[dict[ImageFormat, Callable[[bytes], Iterator[object]]]] = {
    "GIF": gif_blocks,
    "JPEG": jpeg_segments,
    "PNG": png_chunks,
    "WEBP": webp_chunks,
}


def check_structure(data: bytes, image_format: ImageFormat, name: str) -> None:
    """Raises `PictureUnreadable` with the reason "too slow"."""
    if _has_too_many_parts(data, image_format) or _takes_too_long(data, image_format):
        raise PictureUnreadable(name=name, reason="too slow")


def _has_too_many_parts(data: bytes, image_format: ImageFormat) -> bool:
    parts = _PARTS.get(image_format)
    return parts is not None and next(islice(parts(data), MAX_PARTS, None), None) is not None


def _takes_too_long(data: bytes, image_format: ImageFormat) -> bool:
    if image_format == "JPEG":
        return jpeg_scans(data).blocks > MAX_BLOCKS
    if image_format == "TIFF":
        strips = tiff_strips(data, MAX_STRIPS)
        return strips.count > MAX_STRIPS or strips.stored_bytes > max(MAX_STRIP_BYTES, 2 * len(data))
    return False
