"""The chunks of a PNG. Layout: https://www.w3.org/TR/png-3/#5DataRep"""

import zlib
from collections.abc import Iterator
from typing import Final

from reranker.images.metadata import MAX_METADATA_BYTES, Metadata, limited_profile
from reranker.images.tiff_structure import exif_orientation

_SIGNATURE_BYTES: Final = 8
_COLOUR_TYPE_AT: Final = 25
_TRANSPARENCY_BYTES: Final = {0: 2, 2: 6}  # by colour type: what Pillow reads without asking
_METADATA: Final = {b"cICP", b"eXIf", b"iCCP"}


def png_chunks(data: bytes) -> Iterator[int]:
    """Yield where each chunk begins."""
    at = _SIGNATURE_BYTES
    while len(data) >= at + 8:
        yield at
        at += 12 + _length(data, at)


def separate_png(data: bytes) -> tuple[bytes, Metadata]:
    """Return a PNG with only the chunks that its pixels need, and what the others say.

    What is ancillary and broken or cut, such as a text, is left out. So is an animation: the default image remains.
    """
    view = memoryview(data)
    kept: list[memoryview] = [view[:_SIGNATURE_BYTES]]
    said: dict[bytes, bytes] = {}
    for start in png_chunks(data):
        kind, end = data[start + 4 : start + 8], start + 12 + _length(data, start)
        is_ancillary = bool(kind[0] & 0x20)
        if not is_ancillary or (kind == b"tRNS" and _has_transparency(data, start)):
            kept.append(view[start:end])
        elif kind in _METADATA and end - start <= MAX_METADATA_BYTES and _is_sound(data, start):
            said.setdefault(kind, data[start + 8 : end - 4])
    return b"".join(kept), Metadata(
        orientation=exif_orientation(said.get(b"eXIf", b"")) or 1,
        exif=said.get(b"eXIf", b""),
        profile=_profile(said.get(b"iCCP", b"")),
        code_points=_code_points(said.get(b"cICP", b"")),
    )


def _length(data: bytes, start: int) -> int:
    """Return the bytes of a chunk without its length, kind and checksum."""
    return int.from_bytes(data[start : start + 4])


def _is_sound(data: bytes, start: int) -> bool:
    """Whether a chunk is complete, and its checksum is right."""
    end = start + 8 + _length(data, start)
    checked = memoryview(data)[start + 4 : end]
    return zlib.crc32(checked).to_bytes(4) == data[end : end + 4]


def _has_transparency(data: bytes, start: int) -> bool:
    """Whether a tRNS chunk is sound, and long enough for the kind of picture."""
    return _is_sound(data, start) and _length(data, start) >= _TRANSPARENCY_BYTES.get(data[_COLOUR_TYPE_AT], 1)


def _profile(chunk: bytes) -> bytes:
    """Return the profile of an iCCP chunk, behind its name and the number of its compression, which is 0."""
    _, _, compressed = chunk.partition(b"\0")
    if not compressed.startswith(b"\0"):
        return b""
    try:
        return limited_profile(zlib.decompressobj().decompress(compressed[1:], MAX_METADATA_BYTES + 1))
    except zlib.error:
        return b""


def _code_points(chunk: bytes) -> tuple[int, int] | None:
    """Return colour primaries and transfer characteristics of a cICP chunk."""
    return (chunk[0], chunk[1]) if len(chunk) == 4 else None
