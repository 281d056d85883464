"""The entries of a TIFF, read from its first directory; a block of EXIF is one, too."""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from reranker.images.metadata import MAX_METADATA_BYTES, Metadata

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 277, 278, 322, 323
_OFFSETS: Final = {273, 324}  # of strips, of tiles
_SIZES: Final = {279, 325}
_ORIENTATION, _PROFILE = 274, 34675
# The entries that say how pixels are stored; libtiff and Pillow need no others. In this order: size and depth, strips,
# facsimile, prediction and colours, tiles, inks, samples, JPEG of both kinds, YCbCr, LERC.
_PIXELS: Final = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325}
    | {332, 334, 338, 339, 340, 341, 347, *range(512, 522), 529, 530, 531, 532, 50674}
)
# The types that are whole numbers or bytes, as `struct` names them. Those with a sign are read without it.
_NUMBERS: Final = {1: "B", 2: "B", 3: "H", 4: "I", 6: "B", 7: "B", 8: "H", 9: "I", 13: "I", 16: "Q", 17: "Q", 18: "Q"}
# As `struct` names them: an offset, the number of entries, the start of an entry; and where the first offset is.
_CLASSIC: Final = ("I", "H", "HHI", 4)
_BIG: Final = ("Q", "Q", "HHQ", 8)
_OUTSIDE: Final = (struct.error, OverflowError)  # of the file, or of what memory can have
_MAX_ENTRIES: Final = 65_535  # of a directory
_EXIF_START: Final = re.compile(rb"(?:Exif\0.)*(?=II\*\0|MM\0\*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class TiffStrips:
    """The strips of a TIFF, or its tiles.

    count: how many there are. stored_bytes: of all together, as they are stored; strips may share bytes.
    largest_bytes: of one strip or tile after decompression.
    """

    count: int
    stored_bytes: int
    largest_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """An entry of a directory.

    stored: its bytes. number: the type of its `count` values, as `struct` names it with the byte order; empty if they
        are neither whole numbers nor bytes. at: where the values begin.
    """

    tag: int
    stored: bytes
    count: int
    number: str
    at: int

    def values(self, data: bytes, most: int) -> tuple[int, ...]:
        """Return the first values, at most so many; none if they are not in the file."""
        if not self.number:
            return ()
        try:
            return struct.unpack_from(f"{self.number[0]}{min(self.count, most)}{self.number[1]}", data, self.at)
        except _OUTSIDE:
            return ()


def tiff_strips(data: bytes, max_count: int) -> TiffStrips:
    """Return the strips of a TIFF. The bytes of more than `max_count` are not added up."""
    entries = list(_entries(data))
    first = {entry.tag: next(iter(entry.values(data, 1)), 0) for entry in entries}
    rows = min(first.get(_HEIGHT, 0), first.get(_ROWS_PER_STRIP, first.get(_HEIGHT, 0)))
    pixels = first.get(_TILE_WIDTH, first.get(_WIDTH, 0)) * first.get(_TILE_HEIGHT, rows)
    return TiffStrips(
        count=max((entry.count for entry in entries if entry.tag in _OFFSETS), default=0),
        stored_bytes=max((sum(entry.values(data, max_count)) for entry in entries if entry.tag in _SIZES), default=0),
        largest_bytes=pixels * first.get(_SAMPLES, 1) * first.get(_BITS, 8) // 8,
    )


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation in a block of EXIF, with or without its header; 1 if it has none; None if it is no EXIF.

    Pillow's own parser is not used: it warns of broken blocks, and ignores an orientation that precedes the damage.
    """
    start = _EXIF_START.match(exif)
    return None if start is None else _orientation(exif[start.end() :])


def separate_tiff(data: bytes) -> tuple[bytes, Metadata]:
    """Return a TIFF with only those entries of its first directory that its pixels need, and what the others say."""
    entries = list(_entries(data))
    if not entries:
        return data, Metadata()
    order, offset, length, _, at = _layout(data)
    (at,) = struct.unpack_from(order + offset, data, at)
    kept = [entry.stored for entry in entries if entry.tag in _PIXELS]
    no_other_directory = bytes(struct.calcsize(offset))
    directory = b"".join([struct.pack(order + length, len(kept)), *kept, no_other_directory])
    view = memoryview(data)
    pixels = b"".join([view[:at], directory, view[at + len(directory) :]])
    return pixels, Metadata(orientation=_orientation(data), profile=_profile(data, entries))


def _orientation(data: bytes) -> int:
    tags = (entry for entry in _entries(data) if entry.tag == _ORIENTATION)
    return next((value for entry in tags for value in entry.values(data, 1)), 1)


def _profile(data: bytes, entries: list[_Entry]) -> bytes:
    found = next((entry for entry in entries if entry.tag == _PROFILE and entry.number[1:] == "B"), None)
    if found is None or found.count > MAX_METADATA_BYTES or found.at + found.count > len(data):
        return b""
    return data[found.at : found.at + found.count]


def _layout(data: bytes) -> tuple[str, str, str, str, int]:
    """Return the byte order, and `_CLASSIC` or `_BIG`."""
    return (">" if data.startswith(b"MM") else "<", *(_BIG if b"+" in data[2:4] else _CLASSIC))


def _entries(data: bytes) -> Iterator[_Entry]:
    """Yield the entries of the first directory, up to one that is not in the file."""
    order, offset, length, entry, at = _layout(data)
    entry_bytes, offset_bytes = struct.calcsize(order + entry), struct.calcsize(offset)
    with suppress(*_OUTSIDE):
        (at,) = struct.unpack_from(order + offset, data, at)
        (entries,) = struct.unpack_from(order + length, data, at)
        at += struct.calcsize(order + length)
        for _ in range(min(entries, _MAX_ENTRIES)):
            tag, kind, count = struct.unpack_from(order + entry, data, at)
            (elsewhere,) = struct.unpack_from(order + offset, data, at + entry_bytes)
            number = _NUMBERS.get(kind, "")
            is_inline = count * struct.calcsize(number) <= offset_bytes
            yield _Entry(
                tag=tag,
                stored=data[at : at + entry_bytes + offset_bytes],
                count=count,
                number=number and order + number,
                at=at + entry_bytes if is_inline else elsewhere,
            )
            at += entry_bytes + offset_bytes
