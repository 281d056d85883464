"""The segments and scans of a JPEG, read from its headers."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# A marker that begins a segment, also behind the data of a scan; fill bytes and restarts do not.
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES: Final = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE: Final = {0xC2, 0xCA}
_BLOCK_BYTES: Final = 128  # 64 coefficients of 16 bits


@dataclass(frozen=True, kw_only=True)
class JpegScans:
    """What the scans of a JPEG cost.

    blocks: those of all scans together, 8 x 8 pixels of a component each. coefficient_bytes: held until the last scan
        is read; 0 if there is only one.
    """

    blocks: int
    coefficient_bytes: int


def jpeg_scans(data: bytes) -> JpegScans:
    """Return what the scans of a JPEG cost."""
    blocks: dict[int, int] = {}
    scanned, scans, is_progressive = 0, 0, False
    for marker, payload in jpeg_segments(data):
        if marker in _FRAMES and not blocks:
            blocks, is_progressive = _blocks_by_component(payload), marker in _PROGRESSIVE
        if marker == _SCAN and payload:
            scanned += sum(blocks.get(component, 0) for component in payload[1 : 1 + 2 * payload[0] : 2])
            scans += 1
    is_held = is_progressive or scans > 1
    return JpegScans(blocks=scanned, coefficient_bytes=_BLOCK_BYTES * sum(blocks.values()) if is_held else 0)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and payload of each segment, as libjpeg finds them."""
    at = 0
    while (found := _MARKER.search(data, at)) is not None and (marker := data[found.start() + 1]) != _END:
        at = found.end()
        if marker != _START and len(data) >= at + 2:
            (length,) = struct.unpack_from(">H", data, at)
            yield marker, data[at + 2 : at + length]
            at += max(length, 2)


def _blocks_by_component(frame: bytes) -> dict[int, int]:
    """Return the number of blocks of each component by its id, from the payload of a frame header."""
    if len(frame) < 6:
        return {}
    height, width, count = struct.unpack_from(">HHB", frame, 1)
    components = [(part[0], part[1] >> 4, part[1] & 15) for part in _parts(frame[6 : 6 + 3 * count], 3)]
    widest = max((across for _, across, _ in components), default=0) or 1
    tallest = max((down for _, _, down in components), default=0) or 1
    units = -(-width // (8 * widest)) * -(-height // (8 * tallest))
    return {component: units * across * down for component, across, down in components}


def _parts(data: bytes, size: int) -> list[bytes]:
    """Split bytes into parts of one size, without a rest."""
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]
