"""Pictures are turned once, as their files say, whatever the form in which they say it."""

import struct

import pytest
from PIL import ImageOps

from tests.support.encoded_pictures import (
    BLUE,
    FOUR,
    GREEN,
    RED,
    SIDE,
    YELLOW,
    alike,
    corners,
    decoded,
    encoded,
    exif,
    png,
    quarters,
)

STORED, TURNED = [RED, GREEN, BLUE, YELLOW], [YELLOW, BLUE, GREEN, RED]
BYTE, ASCII, SHORT, LONG, RATIONAL, SBYTE, SSHORT, SLONG = 1, 2, 3, 4, 5, 6, 8, 9
LETTERS = {BYTE: "B", SHORT: "H", LONG: "I", SBYTE: "b", SSHORT: "h", SLONG: "i"}


def test_orientation_6_rotates_the_stored_picture_clockwise():
    lying = quarters(GREEN, YELLOW, RED, BLUE)
    picture = decoded(encoded(lying, "PNG", exif=exif(6)))
    assert corners(picture) == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_applied_once(kind, orientation):
    lying = FOUR.crop((0, 0, SIDE, SIDE * 3 // 4))
    picture = decoded(encoded(lying.copy(), kind, exif=exif(orientation)))
    lying.info["exif"] = exif(orientation)
    upright = ImageOps.exif_transpose(lying)
    assert picture.size == upright.size
    assert alike(corners(picture), corners(upright))
    assert ImageOps.exif_transpose(picture).size == picture.size


def block(order: str, entries: list[bytes], offset: int = 8, rest: bytes = bytes(4)) -> bytes:
    """A block of EXIF without its header."""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", offset)
    return start + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + rest


def entry(order: str, tag: int, kind: int, *values: int, elsewhere: int = 0) -> bytes:
    """An entry with its values in it, or at another place."""
    head = struct.pack(f"{order}HHI", tag, kind, len(values))
    if elsewhere:
        return head + struct.pack(f"{order}I", elsewhere)
    return head + struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values).ljust(4, b"\0")


UNTURNED = entry("<", 0x0100, SHORT, 1)


def with_exif(kind: str, tiff: bytes) -> bytes:
    return encoded(FOUR, kind, exif=b"Exif\0\0" + tiff)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", LETTERS)
def test_an_orientation_has_any_type_of_whole_numbers(order, kind):
    tiff = block(order, [entry(order, 0x0100, SHORT, 7), entry(order, 0x0112, kind, 3)])
    assert alike(corners(decoded(with_exif("JPEG", tiff))), TURNED)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("kind", "more"), [(BYTE, 3), (SHORT, 1), (SHORT, 2), (LONG, 1)])
def test_the_first_of_several_orientations_counts(order, kind, more):
    values = (3, *[6] * more)
    is_inline = len(values) * struct.calcsize(LETTERS[kind]) <= 4
    one = entry(order, 0x0112, kind, *values, elsewhere=0 if is_inline else 26)
    rest = bytes(4) + struct.pack(f"{order}{len(values)}{LETTERS[kind]}", *values)
    assert alike(corners(decoded(with_exif("JPEG", block(order, [one], rest=rest)))), TURNED)


@pytest.mark.parametrize("kind", [ASCII, RATIONAL, 7, 12, 0, 99])
def test_an_orientation_of_another_type_does_not_count(kind):
    strange = struct.pack("<HHII", 0x0112, kind, 1, 26)
    assert alike(corners(decoded(with_exif("JPEG", block("<", [strange])))), STORED)


TURNING = block(">", [entry(">", 0x0112, LONG, 3)])
HEADERS = {"none": b"", "usual": b"Exif\0\0", "other end": b"Exif\0\xff", "twice": b"Exif\0\0Exif\0\0"}


def webp_with(header: bytes) -> bytes:
    data = encoded(FOUR, "WEBP", exif=b"Exif\0\0" + TURNING)
    start = data.index(b"EXIF")
    chunk = header + TURNING
    data = data[: start + 4] + struct.pack("<I", len(chunk)) + chunk + bytes(len(chunk) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def png_with(header: bytes) -> bytes:
    rows = b"".join(b"\0" + FOUR.crop((0, y, SIDE, y + 1)).tobytes() for y in range(SIDE))
    return png(struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0), rows, (b"eXIf", header + TURNING))


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("make", [png_with, webp_with])
def test_the_header_of_exif_may_be_there_or_not(make, header):
    assert alike(corners(decoded(make(header))), TURNED)


def test_the_header_of_exif_in_a_jpeg_may_end_otherwise():
    data = with_exif("JPEG", TURNING)
    assert alike(corners(decoded(data.replace(b"Exif\0\0", b"Exif\0\xff"))), TURNED)


def test_exif_behind_the_pixels_of_a_png_counts():
    data = png_with(b"")
    start = data.index(b"eXIf") - 4
    end = data.index(b"IDAT") - 4
    pixels_end = data.index(b"IEND") - 4
    moved = data[:start] + data[end:pixels_end] + data[start:end] + data[pixels_end:]
    assert alike(corners(decoded(moved)), TURNED)


# ---- TIFF, whose own directory says it


def tiff_with(added: bytes, **options) -> bytes:
    """A TIFF whose directory is at the end, with one entry more."""
    data = encoded(FOUR, "TIFF", **options)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    entries = [data[start + 2 + 12 * each : start + 14 + 12 * each] for each in range(count)]
    entries = sorted([*entries, added], key=lambda one: struct.unpack_from("<H", one))
    data += bytes(len(data) % 2)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + block("<", entries)[8:]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
@pytest.mark.parametrize("kind", LETTERS)
def test_a_tiff_is_turned_by_any_type_of_whole_numbers(compression, kind):
    data = tiff_with(entry("<", 0x0112, kind, 3), compression=compression)
    assert alike(corners(decoded(data)), TURNED, 20)


def test_a_tiff_with_two_orientations_is_turned_by_the_first():
    assert alike(corners(decoded(tiff_with(entry("<", 0x0112, SHORT, 3, 6)))), TURNED)


def test_a_big_tiff_is_turned():
    assert alike(corners(decoded(encoded(FOUR, "TIFF", big_tiff=True, exif=exif(3)))), TURNED)


# ---- AVIF and HEIC, whose boxes say it


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_an_orientation_that_only_exif_has_does_not_count_where_boxes_say_it(kind):
    data = with_exif(kind, block("<", [UNTURNED]))
    changed = data.replace(UNTURNED, entry("<", 0x0112, SHORT, 3))
    assert data.count(UNTURNED) == 1
    assert alike(corners(decoded(changed)), STORED)


def test_the_boxes_count_where_exif_says_something_else():
    turned = entry("<", 0x0112, SHORT, 3)
    data = with_exif("HEIC", block("<", [turned]))
    assert data.count(turned) == 1
    for other in (1, 6):
        assert alike(corners(decoded(data.replace(turned, entry("<", 0x0112, SHORT, other)))), TURNED)


# ---- broken blocks


BROKEN_EXIF = {
    "nothing after the marker": b"",
    "no TIFF": b"\xee" * 40,
    "directory far outside": block("<", [], offset=2**31),
    "more entries than bytes": b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + UNTURNED,
    "no such orientation": block("<", [entry("<", 0x0112, SHORT, 77)], rest=b""),
    "a negative orientation": block("<", [entry("<", 0x0112, SSHORT, -3)]),
    "no value": block("<", [entry("<", 0x0112, SHORT)]),
    "values far outside": block("<", [entry("<", 0x0112, LONG, 3, 3, elsewhere=2**31)]),
    "directory that is its own next": block("<", [UNTURNED], rest=struct.pack("<I", 8)),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIC"])
@pytest.mark.parametrize("tiff", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_a_picture_with_a_broken_exif_block_is_decoded_as_it_is_stored(kind, tiff):
    assert alike(corners(decoded(with_exif(kind, tiff))), STORED)


@pytest.mark.parametrize("tiff", BROKEN_EXIF.values(), ids=BROKEN_EXIF)
def test_an_avif_with_a_broken_exif_block_is_decoded_as_it_is_stored(tiff):
    sound = block("<", [UNTURNED] * 10)
    data = with_exif("AVIF", sound)  # Pillow does not write a broken one
    assert data.count(sound) == 1
    assert alike(corners(decoded(data.replace(sound, tiff.ljust(len(sound), b"\xee")))), STORED)


def test_an_orientation_before_the_damage_is_applied():
    tiff = b"II*\0" + struct.pack("<IH", 8, 40) + entry("<", 0x0112, SHORT, 3)
    assert alike(corners(decoded(with_exif("JPEG", tiff))), TURNED)
