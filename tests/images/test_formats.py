"""Pictures are recognised by suffix in a listing, and by signature when they are read."""

import pytest

from reranker.images.formats import PICTURE_SUFFIXES, detect_format, is_picture


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_a_suffix_counts_in_lower_and_upper_case(suffix):
    assert is_picture(f"a{suffix}")
    assert is_picture(f"海 报.{suffix[1:].upper()}")


@pytest.mark.parametrize("name", [".hidden.png", "._a.jpg", "a.svg", "a.txt", "png", "a.png.zip", ""])
def test_other_names_are_not_pictures(name):
    assert not is_picture(name)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WEBP"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"\0\0\0\x14ftypmif1\0\0\0\0avif", "AVIF"),
        (b"\0\0\0\x14ftypmif1\0\0\0\0heic", "HEIF"),
        (b"\0\0\0\x14ftypisom\0\0\0\0mp42", None),
        (b"BM", "BMP"),
        (b"", None),
    ],
)
def test_the_signature_tells_the_format(data, expected):
    assert detect_format(data) == expected
