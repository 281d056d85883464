"""What a file says beside its pixels costs no picture, however broken it is; what is broken in pixels still does."""

import struct
import zlib
from collections.abc import Iterable

import pytest
from PIL import Image

from reranker.core.errors import PictureUnreadable
from tests.support.colour_profiles import DISPLAY_P3, rgb_profile, shown
from tests.support.encoded_pictures import (
    BLUE,
    FOUR,
    GREEN,
    RED,
    WHITE,
    YELLOW,
    alike,
    corners,
    decoded,
    encoded,
    exif,
)

STORED, TURNED = [RED, GREEN, BLUE, YELLOW], [YELLOW, BLUE, GREEN, RED]
P3 = rgb_profile(DISPLAY_P3)
FAR = 2**31


def is_whole(data: bytes, expected: Iterable[object] = STORED) -> bool:
    return alike(corners(decoded(data)), expected, 20)


def reason(data: bytes) -> str:
    with pytest.raises(PictureUnreadable) as caught:
        decoded(data)
    return caught.value.reason


# ---- PNG


def chunk(kind: bytes, data: bytes, wrong: int = 0) -> bytes:
    """wrong: is added to the checksum."""
    checksum = (zlib.crc32(kind + data) + wrong) % 2**32
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


PNG = encoded(FOUR, "PNG")
IDAT = PNG.index(b"IDAT") - 4
BOMB = zlib.compress(bytes(5_000_000))
CHUNKS = {
    "long text": chunk(b"tEXt", b"key\0" + b"x" * 1_200_000),
    "long compressed text": chunk(b"zTXt", b"key\0\0" + BOMB),
    "long international text": chunk(b"iTXt", b"key\0\1\0\0\0" + BOMB),
    "70 MB of text": b"".join(chunk(b"zTXt", b"%d\0\0" % number + zlib.compress(bytes(10**6))) for number in range(70)),
    "text in an unknown compression": chunk(b"zTXt", b"key\0\5xx"),
    "text without a key": chunk(b"tEXt", b"\0\0\0"),
    "wrong checksum of a text": chunk(b"tEXt", b"key\0value", 1),
    "wrong checksum of a kind that nobody knows": chunk(b"abCd", b"value", 1),
    "wrong checksum of EXIF": chunk(b"eXIf", exif(3)[6:], 1),
    "wrong checksum of a profile": chunk(b"iCCP", b"name\0\0" + zlib.compress(P3), 1),
    "wrong checksum of transparency": chunk(b"tRNS", struct.pack(">3H", *RED), 1),
    "no transparency": chunk(b"tRNS", b""),
    "short transparency": chunk(b"tRNS", b"\0" * 5),
    "no profile": chunk(b"iCCP", b""),
    "profile in an unknown compression": chunk(b"iCCP", b"name\0\5xx"),
    "profile that is not compressed": chunk(b"iCCP", b"name\0\0" + P3),
    "profile without end": chunk(b"iCCP", b"name\0\0" + BOMB[:100]),
    "profile of 5 MB": chunk(b"iCCP", b"name\0\0" + BOMB),
    "short gamma": chunk(b"gAMA", b"x"),
    "short primaries": chunk(b"cHRM", b"xxx"),
    "no intent": chunk(b"sRGB", b""),
    "no resolution": chunk(b"pHYs", b""),
    "short animation": chunk(b"acTL", b""),
    "animation without frames": chunk(b"acTL", bytes(8)),
    "short frame": chunk(b"fcTL", b""),
    "frame out of order": chunk(b"fcTL", b"\0\0\0\5" + bytes(22)),
}


@pytest.mark.parametrize("broken", CHUNKS.values(), ids=CHUNKS)
def test_no_ancillary_chunk_costs_a_png(broken):
    assert is_whole(PNG[:IDAT] + broken + PNG[IDAT:]), "before the pixels"
    assert is_whole(PNG[:-12] + broken + PNG[-12:]), "behind them"


def test_a_text_that_is_cut_behind_the_pixels_costs_nothing():
    assert is_whole(PNG[:-12] + chunk(b"tEXt", b"key\0value")[:15])
    assert is_whole(PNG[:-12])


def test_what_else_a_png_says_counts_beside_a_broken_chunk():
    broken = chunk(b"zTXt", b"key\0\5xx")
    assert is_whole(PNG[:IDAT] + broken + chunk(b"eXIf", exif(3)[6:]) + PNG[IDAT:], TURNED)
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(P3))
    assert is_whole(PNG[:IDAT] + broken + profile + PNG[IDAT:], [shown(colour, DISPLAY_P3) for colour in STORED])
    transparent = chunk(b"tRNS", struct.pack(">3H", *RED))
    assert is_whole(PNG[:IDAT] + broken + transparent + PNG[IDAT:], [WHITE, GREEN, BLUE, YELLOW])


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_critical_chunk_with_a_wrong_checksum_costs_the_picture():
    assert reason(flipped(PNG, IDAT - 1)) == "damaged", "of the header"
    palette = encoded(FOUR.quantize(4), "PNG")
    start = palette.index(b"PLTE")
    assert reason(flipped(palette, start + 4)) == "damaged"
    assert reason(flipped(PNG, len(PNG) - 17)) == "damaged", "of the compressed pixels"
    assert reason(PNG[: IDAT + 20]) == "truncated"


# ---- JPEG


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


JPEG = encoded(FOUR, "JPEG")
SEGMENTS = {
    "short JFIF": segment(0xE0, b"JFIF\0"),
    "EXIF of nothing": segment(0xE1, b"Exif\0\0"),
    "EXIF that is none": segment(0xE1, b"Exif\0\0" + b"\xee" * 50),
    "XMP that is none": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0\xff\xfe<x"),
    "profile without a number": segment(0xE2, b"ICC_PROFILE\0"),
    "profile without a count": segment(0xE2, b"ICC_PROFILE\0\1"),
    "profile with a part too few": segment(0xE2, b"ICC_PROFILE\0\1\2" + P3),
    "profile with a part twice": segment(0xE2, b"ICC_PROFILE\0\1\2" + P3) * 2,
    "profile that is none": segment(0xE2, b"ICC_PROFILE\0\1\1" + b"\xee" * 50),
    "several pictures that are none": segment(0xE2, b"MPF\0" + b"\xee" * 50),
    "resources of Photoshop that end early": segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
    "short segment of Adobe": segment(0xEE, b"Adobe"),
    "no comment": segment(0xFE, b""),
    "a length of nothing": b"\xff\xe5\0\0",
}


@pytest.mark.parametrize("broken", SEGMENTS.values(), ids=SEGMENTS)
def test_no_segment_of_an_application_costs_a_jpeg(broken):
    assert is_whole(JPEG[:2] + broken + JPEG[2:])
    assert is_whole(JPEG[:2] + broken + segment(0xE1, exif(3)) + JPEG[2:], TURNED), "and what else it says counts"


def test_the_first_of_several_blocks_of_exif_counts():
    first, second = (segment(0xE1, exif(turn)) for turn in (1, 3))
    assert is_whole(JPEG[:2] + first + second + JPEG[2:], STORED)
    assert is_whole(JPEG[:2] + second + first + JPEG[2:], TURNED)


def test_segments_of_adobe_say_how_colours_are_stored():
    stored_as_rgb = encoded(FOUR, "JPEG", keep_rgb=True)
    assert alike(corners(decoded(stored_as_rgb)), STORED)
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert alike(decoded(encoded(inks, "JPEG")).getpixel((0, 0)), (255, 0, 0), 3)


# ---- WebP


def webp_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    at, chunks = 12, []
    while at + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, at + 4)
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return chunks


def webp(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


WEBP = encoded(FOUR, "WEBP", exif=exif(1), icc_profile=rgb_profile(DISPLAY_P3)[:100])


@pytest.mark.parametrize("kind", [b"EXIF", b"ICCP"])
@pytest.mark.parametrize("content", [b"", b"\0", b"\xee" * 51])
def test_no_metadata_costs_a_webp(kind, content):
    chunks = webp_chunks(WEBP)
    assert kind in dict(chunks)
    assert is_whole(webp((each, content if each == kind else data) for each, data in chunks))
    assert is_whole(webp((each, data) for each, data in chunks if each != kind)), "it is missing, though announced"
    assert is_whole(webp([*chunks, (kind, content)])), "it comes twice"


@pytest.mark.parametrize("size", [200, FAR])
def test_metadata_of_a_webp_may_be_cut(size):
    start = WEBP.index(b"EXIF") + 4
    assert is_whole(WEBP[:start] + struct.pack("<I", size) + WEBP[start + 4 :])
    assert is_whole(WEBP[:-6])


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False, "quality": 90}])
def test_pixels_of_a_webp_may_not_be_cut(options):
    assert reason(encoded(FOUR.rotate(30), "WEBP", **options)[:-6]) == "truncated"
    assert reason(encoded(FOUR.rotate(30), "WEBP", exif=exif(1), **options)[:80]) == "truncated"


# ---- GIF

GIF = encoded(FOUR.quantize(4), "GIF")
FRAME = GIF.rindex(b",", 0, -20)
BLOCKS = {
    "a comment of nothing": b"!\xfe\0",
    "a comment that is no text": b"!\xfe\3\xff\xfe\xfd\0",
    "short control": b"!\xf9\2ab\0",
    "control of nothing": b"!\xf9\0",
    "control with a part too many": b"!\xf9\4\0\0\0\0\3abc\0",
    "application of nothing": b"!\xff\0",
    "loops of nothing": b"!\xff\x0bNETSCAPE2.0\0",
    "unknown": b"!\x77\4abcd\0",
    "no block": b"zzz",
}


@pytest.mark.parametrize("broken", BLOCKS.values(), ids=BLOCKS)
def test_no_block_before_the_frame_costs_a_gif(broken):
    assert is_whole(GIF[:FRAME] + broken + GIF[FRAME:])
    transparent = encoded(FOUR.quantize(4), "GIF", transparency=0)
    start = transparent.index(b"!\xf9")
    assert WHITE in corners(decoded(transparent[:start] + broken + transparent[start:])), "and transparency counts"


# ---- TIFF


def tiff_entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def tiff_with(*added: bytes, **options) -> bytes:
    """A TIFF whose directory is at the end, with more entries, or others in place of some."""
    data = encoded(FOUR, "TIFF", **options)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    entries = {data[at : at + 2]: data[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)}
    entries |= {each[:2]: each for each in added}
    ordered = sorted(entries.values(), key=lambda each: struct.unpack_from("<H", each))
    data += bytes(len(data) % 2)
    head = data[:4] + struct.pack("<I", len(data)) + data[8:]
    return head + struct.pack("<H", len(ordered)) + b"".join(ordered) + bytes(4)


ENTRIES = {
    "a description far outside": tiff_entry(270, 2, 5000, FAR),
    "a description without end": tiff_entry(270, 2, FAR, 8),
    "a maker of an unknown type": tiff_entry(271, 99, 5000, 8),
    "a page that is no text": tiff_entry(285, 5, FAR, 8),
    "a resolution far outside": tiff_entry(282, 5, 1, FAR),
    "a resolution that is text": tiff_entry(282, 2, 3, 0x636261),
    "a transfer function far outside": tiff_entry(301, 3, 256, FAR),
    "a white point far outside": tiff_entry(318, 5, 2, FAR),
    "other directories far outside": tiff_entry(330, 4, 1, FAR),
    "XMP far outside": tiff_entry(700, 1, 5000, FAR),
    "XMP that is a number": tiff_entry(700, 3, 1, 1),
    "IPTC without end": tiff_entry(33723, 4, FAR // 2, 8),
    "EXIF far outside": tiff_entry(34665, 4, 1, FAR),
    "EXIF that is the file": tiff_entry(34665, 4, 1, 8),
    "a profile far outside": tiff_entry(34675, 7, 3000, FAR),
    "a profile without end": tiff_entry(34675, 7, FAR, 8),
    "a profile that is text": tiff_entry(34675, 2, 4, 0x636261),
    "a place far outside": tiff_entry(34853, 4, 1, FAR),
    "private data without end": tiff_entry(50740, 7, FAR, 8),
}


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
@pytest.mark.parametrize("broken", ENTRIES.values(), ids=ENTRIES)
def test_no_optional_entry_costs_a_tiff(compression, broken, capfd):
    assert is_whole(tiff_with(broken, compression=compression))
    assert is_whole(tiff_with(broken, tiff_entry(274, 3, 1, 3), compression=compression), TURNED)
    assert capfd.readouterr() == ("", "")


def test_a_broken_directory_behind_the_first_costs_nothing():
    data = tiff_with()
    assert is_whole(data[:-4] + struct.pack("<I", FAR))
    (start,) = struct.unpack_from("<I", data, 4)
    assert is_whole(data[:-4] + struct.pack("<I", start)), "it is its own next"
    assert is_whole(data[:-4]), "the place of the next is cut"


@pytest.mark.parametrize("tag", [256, 257, 262, 273])
def test_a_tiff_without_what_its_pixels_need_is_refused(tag):
    assert reason(tiff_with(tiff_entry(tag, 99, 1, 1))) in ("damaged", "truncated", "unsupported")
