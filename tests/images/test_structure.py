"""The scans of a JPEG and the strips of a TIFF are counted as decoders find them."""

import struct

import pytest
from PIL import Image

from reranker.images.jpeg_structure import JpegScans, jpeg_scans
from reranker.images.tiff_structure import TiffStrips, tiff_strips
from tests.support.hostile_pictures import saved

COLOURS = Image.new("RGB", (64, 48), "red")  # 4 x 3 units of four luminance blocks and one of each colour


def test_a_jpeg_with_one_scan_holds_no_coefficients():
    assert jpeg_scans(saved(COLOURS, "JPEG")) == JpegScans(blocks=72, coefficient_bytes=0)


def test_the_blocks_of_all_scans_are_counted():
    luminance, colour = 48, 12
    scans = jpeg_scans(saved(COLOURS, "JPEG", progressive=True))
    assert scans.coefficient_bytes == 128 * (luminance + 2 * colour)
    assert scans.blocks == 2 * (luminance + 2 * colour) + 4 * luminance + 4 * colour


def test_scans_behind_fill_bytes_and_restarts_are_found():
    data = saved(COLOURS, "JPEG", progressive=True)
    assert jpeg_scans(data.replace(b"\xff\xda", b"\xff\xff\xff\xda")) == jpeg_scans(data)
    assert jpeg_scans(data.replace(b"\xff\xda", b"\xff\xd0\xff\xda")) == jpeg_scans(data)


def test_scans_in_the_payload_of_a_segment_are_none():
    data = saved(COLOURS, "JPEG")
    payload = data[data.index(b"\xff\xda") :] * 3
    comment = b"\xff\xfe" + struct.pack(">H", len(payload) + 2) + payload
    assert jpeg_scans(data[:2] + comment + data[2:]) == jpeg_scans(data)


@pytest.mark.parametrize("cut", [0, 1, 4, 20, 170, 200])
def test_a_jpeg_that_ends_early_has_the_scans_that_are_there(cut):
    assert jpeg_scans(saved(COLOURS, "JPEG")[:cut]).blocks == 0


@pytest.mark.parametrize("options", [{}, {"big_tiff": True}])
def test_the_strips_of_a_tiff_are_counted(options):
    data = saved(COLOURS, "TIFF", tiffinfo={278: 16}, **options)
    assert tiff_strips(data, 100) == TiffStrips(count=3, stored_bytes=64 * 48 * 3, largest_bytes=64 * 16 * 3)


def test_numbers_may_have_their_big_end_first():
    entries = struct.pack(">HHIHxxHHII", 278, 3, 1, 2, 273, 4, 9, 99)
    assert tiff_strips(b"MM\0*" + struct.pack(">IH", 8, 2) + entries, 100).count == 9


@pytest.mark.parametrize("data", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II+\0" + b"\xff" * 20])
def test_a_tiff_without_a_directory_has_no_strips(data):
    assert tiff_strips(data, 100) == TiffStrips(count=0, stored_bytes=0, largest_bytes=0)
