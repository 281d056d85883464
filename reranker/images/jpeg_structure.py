"""The segments and scans of a JPEG, read from its headers."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reranker.images.metadata import Metadata, limited_profile
from reranker.images.tiff_structure import exif_orientation

# A marker that begins a segment, also behind the data of a scan; fill bytes and restarts do not.
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES: Final = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_PROGRESSIVE: Final = {0xC2, 0xCA}
_BLOCK_BYTES: Final = 128  # 64 coefficients of 16 bits
_APPLICATIONS: Final = range(0xE0, 0xF0)
_JFIF, _EXIF, _PROFILE, _ADOBE, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
# What libjpeg reads of the segments of applications, and from how many bytes on: how colours are stored.
_READ_BY_LIBJPEG: Final = {_JFIF: (b"JFIF\0", 14), _ADOBE: (b"Adobe", 12)}
_PROFILE_START: Final = b"ICC_PROFILE\0"


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
    for marker, start, end in _spans(data):
        yield marker, data[start + 4 : end]


def separate_jpeg(data: bytes) -> tuple[bytes, Metadata]:
    """Return a JPEG without comments and segments of applications that its pixels do not need, and what those say."""
    view = memoryview(data)
    kept: list[memoryview] = [view[:2]]
    exif, orientation = b"", None
    profile_parts: list[bytes] = []
    for marker, start, end in _spans(data):
        if marker == _SCAN:
            pixels = b"".join([*kept, view[start:]])
            profile = _profile(profile_parts)
            return pixels, Metadata(orientation=orientation or 1, profile=profile, exif=exif)
        payload = data[start + 4 : end]
        if _is_for_pixels(marker, payload):
            kept.append(view[start:end])
        elif marker == _EXIF and payload.startswith(b"Exif\0"):
            exif = exif or payload
            orientation = exif_orientation(payload) if orientation is None else orientation
        elif marker == _PROFILE and payload.startswith(_PROFILE_START):
            profile_parts.append(payload[len(_PROFILE_START) :])
    return data, Metadata()  # nothing to decode


def _spans(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment, and where it starts and ends."""
    at = 0
    while (found := _MARKER.search(data, at)) is not None and (marker := data[found.start() + 1]) != _END:
        at = found.end()
        if marker != _START and len(data) >= at + 2:
            (length,) = struct.unpack_from(">H", data, at)
            at += max(length, 2)
            yield marker, found.start(), at


def _is_for_pixels(marker: int, payload: bytes) -> bool:
    """Whether a segment before the first scan says how the pixels are stored."""
    if marker in _READ_BY_LIBJPEG:
        start, least_bytes = _READ_BY_LIBJPEG[marker]
        return payload.startswith(start) and len(payload) >= least_bytes
    return marker not in _APPLICATIONS and marker != _COMMENT


def _profile(parts: list[bytes]) -> bytes:
    """Join the parts of a profile, which begin with their number and how many there are; nothing if one is missing."""
    by_number = {part[0]: part[2:] for part in parts if len(part) > 2 and part[1] == len(parts)}
    if sorted(by_number) != list(range(1, len(parts) + 1)):
        return b""
    return limited_profile(b"".join(by_number[number] for number in sorted(by_number)))


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
