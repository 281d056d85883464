"""The strips and tiles of a TIFF, read from its first directory."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_WIDTH, _HEIGHT, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 277, 278, 322, 323
_OFFSETS: Final = {273, 324}  # of strips, of tiles
_SIZES: Final = {279, 325}
_NUMBERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}  # the types that are whole numbers, as `struct` names them
# As `struct` names them: an offset, the number of entries, the start of an entry; and where the first offset is.
_CLASSIC: Final = ("I", "H", "HHI", 4)
_BIG: Final = ("Q", "Q", "HHQ", 8)
_OUTSIDE: Final = (struct.error, OverflowError)  # of the file, or of what memory can have
_MAX_ENTRIES: Final = 65_535  # of a directory


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
    """An entry of a directory: its tag, and where its `count` values of a type (as `struct` names it) begin."""

    tag: int
    count: int
    number: str
    at: int

    def values(self, data: bytes, most: int) -> tuple[int, ...]:
        """Return the first values, at most so many; none if they are not in the file."""
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


def _entries(data: bytes) -> Iterator[_Entry]:
    """Yield the entries whose values are whole numbers."""
    order = ">" if data.startswith(b"MM") else "<"
    offset, length, entry, at = _BIG if b"+" in data[2:4] else _CLASSIC
    with suppress(*_OUTSIDE):
        (at,) = struct.unpack_from(order + offset, data, at)
        (entries,) = struct.unpack_from(order + length, data, at)
        at += struct.calcsize(order + length)
        for _ in range(min(entries, _MAX_ENTRIES)):
            tag, kind, count = struct.unpack_from(order + entry, data, at)
            at += struct.calcsize(order + entry)
            if kind in _NUMBERS:
                is_inline = count * struct.calcsize(_NUMBERS[kind]) <= struct.calcsize(offset)
                (elsewhere,) = struct.unpack_from(order + offset, data, at)
                yield _Entry(tag=tag, count=count, number=order + _NUMBERS[kind], at=at if is_inline else elsewhere)
            at += struct.calcsize(offset)
