"""How much memory it takes to decode a picture, before that is done.

Measured with pictures of 25 and 100 megapixels, as the growth of the peak of a process; rounded up.
"""

import re
from typing import Final

from reranker.images.formats import ImageFormat
from reranker.images.jpeg_structure import jpeg_scans
from reranker.images.tiff_structure import tiff_strips

_FIXED_BYTES: Final = 32_000_000  # tables of decoders, rows that are converted at a time, the scaled picture
_RGB_BYTES: Final = 4  # of a pixel, as Pillow stores it

# Bytes of a pixel by mode, as Pillow stores it; the other modes take four.
_STORED_BYTES: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}

# Bytes of a pixel at the peak, opaque and with transparency, of decoders that hold more than the picture: planes of
# colour and a copy of the pixels, or the canvases of an animation.
_DECODER_BYTES: Final[dict[ImageFormat, tuple[int, int]]] = {"AVIF": (11, 14), "HEIF": (10, 12), "WEBP": (12, 12)}
_DEEP_BYTES: Final = 4  # more, if the channels of an AVIF or HEIF have more than 8 bits
_DEEP: Final = re.compile(rb"pixi.{4}[\x01-\x04][\x09-\x20]", re.DOTALL)  # a box: channels, and bits of the first


def needed_bytes(data: bytes, image_format: ImageFormat, size: tuple[int, int], mode: str) -> int:
    """Return about the most memory that decoding takes beside the encoded bytes.

    size, mode: of the image that the decoder makes.
    """
    pixels = size[0] * size[1]
    if image_format in _DECODER_BYTES:
        deep_bytes = _DEEP_BYTES if _DEEP.search(data) else 0
        return _FIXED_BYTES + len(data) + pixels * (_DECODER_BYTES[image_format][mode.endswith("A")] + deep_bytes)
    working_bytes = 0
    if image_format == "JPEG":
        working_bytes = jpeg_scans(data).coefficient_bytes
    if image_format == "TIFF":
        working_bytes = tiff_strips(data, 0).largest_bytes
    return _FIXED_BYTES + pixels * _STORED_BYTES.get(mode, 4) + max(working_bytes, pixels * _RGB_BYTES)
