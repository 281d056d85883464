"""How pictures were taken: what cameras write is read, and what is broken costs only itself."""

import struct
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from reranker.core.types import CaptureData, CaptureKey
from reranker.i18n.capture_labels import CAPTURE_LABELS
from reranker.images.capture_data import capture_data
from reranker.images.exif import MAX_TEXT_LENGTH, read_exif
from tests.support.encoded_pictures import FOUR, encoded

IMAGE: dict[int, object] = {0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0131: "Lightroom 13"}
CAMERA: dict[int, object] = {
    0x9003: "2024:05:01 10:22:33",
    0x829A: IFDRational(1, 250),
    0x829D: IFDRational(28, 10),
    0x8827: 200,
    0x920A: IFDRational(35),
    0xA434: "RF24-70mm F2.8 L",
}
PLACE: dict[int, object] = {
    1: "N",
    2: (IFDRational(48), IFDRational(51), IFDRational(30)),
    3: "E",
    4: (IFDRational(2), IFDRational(17), IFDRational(40)),
}
WHOLE = CaptureData(
    taken="2024-05-01T10:22:33",
    details=(
        ("camera", "Canon EOS R5"),
        ("lens", "RF24-70mm F2.8 L"),
        ("exposure", "1/250 s · f/2.8"),
        ("iso", "200"),
        ("focal_length", "35 mm"),
        ("place", "48.85833, 2.29444"),
        ("software", "Lightroom 13"),
    ),
)


def block(
    image: dict[int, object] = IMAGE, camera: dict[int, object] = CAMERA, place: dict[int, object] = PLACE
) -> bytes:
    tags = Image.Exif()
    tags.update(image)
    tags.get_ifd(0x8769).update(camera)
    tags.get_ifd(0x8825).update(place)
    return tags.tobytes()


def details_of(data: bytes) -> dict[str, str]:
    return dict(read_exif(data).details)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
def test_every_format_tells_how_the_picture_was_taken(kind: str) -> None:
    assert capture_data(encoded(FOUR, kind, exif=block()), "a") == WHOLE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC", "GIF", "BMP"])
def test_a_picture_that_says_nothing_has_no_data(kind: str) -> None:
    found = capture_data(encoded(FOUR.copy(), kind), "a")
    assert (found.taken, [key for key, _ in found.details if key != "software"]) == (None, [])


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"II*\0", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_has_no_data(data: bytes) -> None:
    assert capture_data(data, "a") == CaptureData()


def test_a_picture_that_is_damaged_behind_its_header_still_tells_it() -> None:
    data = encoded(FOUR, "JPEG", exif=block())
    assert capture_data(data[: len(data) - 20], "a") == WHOLE


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("2024:02:29 23:59:59", "2024-02-29T23:59:59"),
        ("2024-02-29T23:59:59+02:00", "2024-02-29T23:59:59"),
        ("2023:02:29 00:00:00", None),
        ("0000:00:00 00:00:00", None),
        ("1500:01:01 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_date_is_one_of_the_calendar(text: str, taken: str | None) -> None:
    assert read_exif(block(camera={0x9003: text})).taken == taken
    assert read_exif(block(camera={0x9003: "no date", 0x9004: text})).taken == taken


@pytest.mark.parametrize(
    ("image", "camera"),
    [
        ({0x010F: "NIKON CORPORATION", 0x0110: "NIKON Z 8"}, "NIKON Z 8"),
        ({0x010F: "Apple", 0x0110: "iPhone 15"}, "Apple iPhone 15"),
        ({0x0110: "X100V"}, "X100V"),
        ({0x010F: "华为".encode()}, "华为"),
        ({0x010F: "Café".encode("latin-1")}, "Café"),
        ({0x010F: "a\x01b\u202e c\n\n d\0 hidden".encode()}, "a b c d"),
        ({0x0110: "x" * 5000}, "x" * (MAX_TEXT_LENGTH - 1) + "…"),
        ({0x0110: b""}, None),
    ],
)
def test_a_text_is_one_short_line(image: dict[int, object], camera: str | None) -> None:
    assert details_of(block(image=image)).get("camera") == camera


@pytest.mark.parametrize(
    ("camera", "exposure"),
    [
        ({0x829A: IFDRational(1, 3)}, "0.333 s"),
        ({0x829A: IFDRational(30)}, "30 s"),
        ({0x829A: IFDRational(10, 1250), 0x829D: IFDRational(11)}, "1/125 s · f/11"),
        ({0x829D: IFDRational(18, 10)}, "f/1.8"),
        ({0x829A: IFDRational(0, 0), 0x829D: IFDRational(1, 0)}, None),
        ({0x829A: IFDRational(0, 5)}, None),
        ({0x829A: "soon"}, None),
    ],
)
def test_an_exposure_is_a_time_and_an_aperture(camera: dict[int, object], exposure: str | None) -> None:
    assert details_of(block(camera=camera)).get("exposure") == exposure


def test_places_are_on_the_earth() -> None:
    south_west = PLACE | {1: "S", 3: "W"}
    assert details_of(block(place=south_west))["place"] == "-48.85833, -2.29444"
    for wrong in (
        {2: (IFDRational(91), IFDRational(0), IFDRational(0))},
        {4: (IFDRational(181), IFDRational(0), IFDRational(0))},
        {2: (IFDRational(1, 0), IFDRational(0), IFDRational(0))},
        {2: ()},
        {2: (IFDRational(0),) * 3, 4: (IFDRational(0),) * 3},
    ):
        assert "place" not in details_of(block(place=PLACE | wrong))


def test_one_broken_value_costs_only_itself() -> None:
    whole = block()
    at = whole.index(struct.pack("<HHI", 0x829A, 5, 1)) if whole[6:8] == b"II" else 0
    order = "<" if at else ">"
    at = at or whole.index(struct.pack(">HHI", 0x829A, 5, 1))
    broken = whole[: at + 8] + struct.pack(f"{order}I", 2**31) + whole[at + 12 :]
    details = details_of(broken)
    assert (details["camera"], details["place"]) == ("Canon EOS R5", "48.85833, 2.29444")
    assert details.get("exposure") in (None, "f/2.8")


bytes_changed = st.lists(st.tuples(st.integers(0, len(block()) - 1), st.integers(0, 255)), max_size=12)


def is_clean(found: CaptureData) -> bool:
    texts = [text for _, text in found.details]
    keys = [key for key, _ in found.details]
    return (
        all(text.isprintable() and 0 < len(text) <= 2 * MAX_TEXT_LENGTH + 1 for text in texts)
        and keys == [key for key in get_args(CaptureKey) if key in keys]
        and (found.taken is None or len(found.taken) == 19)
    )


@settings(deadline=None, max_examples=300, database=None)
@given(bytes_changed, st.integers(0, len(block())))
def test_damaged_blocks_raise_nothing_and_give_clean_texts(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(block())
    for at, value in changes:
        data[at] = value
    assert is_clean(read_exif(bytes(data)))
    assert is_clean(read_exif(bytes(data[:length])))


@settings(deadline=None, max_examples=100, database=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"Exif\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"MM\0+"]))
def test_any_bytes_raise_nothing(data: bytes, start: bytes) -> None:
    assert is_clean(read_exif(start + data))


def test_a_directory_that_names_itself_and_one_of_65535_entries_end() -> None:
    itself = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 8, 8)
    assert read_exif(itself) == CaptureData()
    entries = struct.pack("<HHII", 0x010F, 5, 2**32 - 1, 0) * 65_535
    assert read_exif(b"II*\0\x08\0\0\0" + struct.pack("<H", 65_535) + entries) == CaptureData()


def test_a_block_that_would_take_gigabytes_costs_only_its_picture() -> None:
    """Each of a thousand entries has the same 2 million fractions for its value."""
    values = 8 * 2_000_000
    entries = b"".join(struct.pack("<HHII", 0x9000 + number, 5, 2_000_000, 16_000) for number in range(1000))
    start = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    tiff = start + struct.pack("<H", 1000) + entries + bytes(4)
    assert capture_data(tiff.ljust(16_000 + values, b"\1"), "slow") == CaptureData()
    assert capture_data(encoded(FOUR, "JPEG", exif=block()), "a") == WHOLE


def test_every_value_has_a_label_in_both_languages() -> None:
    assert list(CAPTURE_LABELS) == ["taken", *get_args(CaptureKey)]
    assert all(label["en"].isascii() and not label["zh"].isascii() for label in CAPTURE_LABELS.values())
