"""The chunks of a WebP. Layout: https://developers.google.com/speed/webp/docs/riff_container"""

import struct
from collections.abc import Iterator
from typing import Final

from reranker.images.metadata import MAX_METADATA_BYTES, Metadata
from reranker.images.tiff_structure import exif_orientation

_SHORTEST_BYTES: Final = 30
_PIXELS: Final = {b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"}
_METADATA: Final = {b"ICCP", b"EXIF"}


def webp_chunks(data: bytes) -> Iterator[int]:
    """Yield where each chunk begins."""
    at = 12
    while len(data) >= at + 8:
        yield at
        (length,) = struct.unpack_from("<I", data, at + 4)
        at += 8 + length + length % 2


def webp_canvas_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels, from the first chunk. Raises `EOFError` if it is cut."""
    if len(data) < _SHORTEST_BYTES:
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


def separate_webp(data: bytes) -> tuple[bytes, Metadata]:
    """Return a WebP with only the chunks that its pixels need, and what the others say.

    Raises `EOFError` if a chunk with pixels is cut.
    """
    view = memoryview(data)
    kept: list[bytes | memoryview] = []
    said: dict[bytes, bytes] = {}
    for start in webp_chunks(data):
        kind, (length,) = data[start : start + 4], struct.unpack_from("<I", data, start + 4)
        end = start + 8 + length
        if kind in _PIXELS:
            if end > len(data):
                raise EOFError
            kept += [view[start:end], bytes(length % 2)]
        elif kind in _METADATA and length <= MAX_METADATA_BYTES and end <= len(data):
            said.setdefault(kind, data[start + 8 : end])
    riff = b"RIFF" + struct.pack("<I", 4 + sum(map(len, kept))) + b"WEBP"
    return b"".join([riff, *kept]), Metadata(
        orientation=exif_orientation(said.get(b"EXIF", b"")) or 1,
        profile=said.get(b"ICCP", b""),
        exif=said.get(b"EXIF", b""),
    )
