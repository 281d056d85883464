"""Every kind of picture is decoded to upright RGB within the limits, or fails with its own error and a reason."""

import contextlib
import random
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngImageFile

from reranker.core.errors import (
    PictureError,
    PictureTooLarge,
    PictureTooNarrow,
    PictureUnreadable,
)
from reranker.images.limits import Limits
from tests.support.decoding import decode
from tests.support.encoded_pictures import (
    BLACK,
    BLUE,
    FORMATS,
    FOUR,
    GREEN,
    LOSSLESS,
    RED,
    SIDE,
    WHITE,
    YELLOW,
    alike,
    corners,
    decoded,
    encoded,
    exif,
    palette_picture,
    png,
)


def refused(data: bytes, **limits) -> PictureError:
    with pytest.raises(PictureError) as caught:
        decode(data, "海报 7.png", Limits(**limits))
    assert caught.value.name == "海报 7.png"
    return caught.value


def reason(data: bytes) -> str:
    error = refused(data)
    assert isinstance(error, PictureUnreadable)
    return error.reason


def first_pixel(picture: Image.Image, kind: str, **options) -> tuple[int, ...]:
    return decoded(encoded(picture, kind, **options)).getpixel((0, 0))


# ---- formats


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_decoded_to_the_same_rgb_picture(kind):
    picture = decoded(encoded(FOUR, kind))
    assert (picture.mode, picture.size, type(picture), picture.info) == ("RGB", (SIDE, SIDE), Image.Image, {})
    assert alike(corners(picture), [RED, GREEN, BLUE, YELLOW], 0 if kind in LOSSLESS else 12)


def test_the_installed_pillow_reads_all_promised_formats():
    assert all(features.check(feature) for feature in ("jpg", "zlib", "libtiff", "webp", "avif", "littlecms2"))


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG", "WEBP", "AVIF"])
def test_the_first_of_several_frames_is_decoded(kind):
    frames = {"save_all": True, "append_images": [FOUR.rotate(180)]}
    assert alike(corners(decoded(encoded(FOUR, kind, **frames))), [RED, GREEN, BLUE, YELLOW])


def test_the_primary_picture_of_a_heic_is_decoded():
    pictures = pillow_heif.HeifFile()
    for turn in (90, 0, 180):
        pictures.add_from_pillow(FOUR.rotate(turn))
    file = BytesIO()
    pictures.save(file, primary_index=1, save_all=True, quality=95)
    assert alike(corners(decoded(file.getvalue())), [RED, GREEN, BLUE, YELLOW])


def test_the_default_image_of_an_animated_png_is_decoded():
    frames = {"save_all": True, "default_image": True, "append_images": [FOUR.rotate(90), FOUR.rotate(180)]}
    assert corners(decoded(encoded(FOUR, "PNG", **frames))) == [RED, GREEN, BLUE, YELLOW]


def test_the_first_picture_of_several_in_a_jpeg_is_decoded():
    data = encoded(FOUR, "MPO", save_all=True, append_images=[FOUR.rotate(180)], quality=95)
    assert alike(corners(decoded(data)), [RED, GREEN, BLUE, YELLOW], 20)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_compressed_tiff_is_decoded(compression):
    assert alike(corners(decoded(encoded(FOUR, "TIFF", compression=compression))), [RED, GREEN, BLUE, YELLOW], 20)


def test_the_signature_chooses_the_decoder_and_not_the_name():
    assert alike(decode(encoded(FOUR, "PNG"), "photo.jpg", Limits()), FOUR, 0)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix"])
def test_heic_and_avif_are_distinguished_by_all_their_brands(brand):
    for kind in ("HEIC", "AVIF"):
        data = encoded(FOUR, kind)
        assert alike(corners(decoded(data[:8] + brand + data[12:])), [RED, GREEN, BLUE, YELLOW])


# ---- orientation


@pytest.mark.parametrize(
    ("size", "wanted", "shown"),
    [
        ((1600, 800), 200 * 100, (400, 200)),  # at a quarter, the sides are twice those of the target
        ((1600, 800), 201 * 101, (800, 400)),
        ((1600, 800), 50 * 25, (200, 100)),  # an eighth is the smallest scale of JPEG
        ((400, 200), 250 * 125, (400, 200)),
    ],
)
def test_a_large_jpeg_is_decoded_to_at_least_twice_the_target_size(size, wanted, shown):
    lying = Image.new("RGB", size, "red")
    lying.paste("blue", (size[0] // 2, 0, *size))
    data = encoded(lying, "JPEG", exif=exif(6))
    picture = decode(data, "a.jpg", Limits(), wanted)
    assert picture.size == tuple(reversed(shown)), "and upright"
    assert alike(picture.getpixel((5, 5)), (255, 0, 0))
    assert alike(picture.getpixel((5, picture.height - 5)), (0, 0, 255))
    assert decode(encoded(lying, "PNG"), "a.png", Limits(), wanted).size == size


# ---- transparency


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparent_becomes_white_and_opaque_keeps_its_colour(kind):
    assert alike(first_pixel(Image.new("RGBA", (SIDE, SIDE), (*BLUE, 0)), kind), WHITE, 3)
    assert alike(first_pixel(Image.new("RGBA", (SIDE, SIDE), (*BLUE, 255)), kind), BLUE)


def test_transparent_heic_becomes_white():
    assert alike(first_pixel(Image.new("RGBA", (SIDE, SIDE), (*BLUE, 0)), "HEIC"), WHITE, 3)


@pytest.mark.parametrize("alpha", [0, 1, 64, 127, 128, 254, 255])
def test_partly_transparent_is_blended_with_white(alpha):
    mixed = first_pixel(Image.new("RGBA", (4, 4), (0, 100, 200, alpha)), "PNG")
    assert alike(mixed, [round((part * alpha + 255 * (255 - alpha)) / 255) for part in (0, 100, 200)], 1)


TRANSPARENT = {
    "LA": (Image.new("LA", (4, 4), (40, 0)), "PNG", {}),
    "RGB with a transparent colour": (Image.new("RGB", (4, 4), RED), "PNG", {"transparency": RED}),
    "L with a transparent grey": (Image.new("L", (4, 4), 40), "PNG", {"transparency": 40}),
    "1 with transparent black": (Image.new("1", (4, 4), 0), "PNG", {"transparency": 0}),
    "I;16 with a transparent grey": (Image.new("I;16", (4, 4), 500), "PNG", {"transparency": 500}),
    "P with one transparent entry": (palette_picture(1), "PNG", {"transparency": 1}),
    "P with an alpha for each entry": (palette_picture(1), "PNG", {"transparency": bytes([255, 0, 100])}),
    "GIF with a transparent entry": (palette_picture(1), "GIF", {"transparency": 1}),
}
OPAQUE = {
    "LA": (Image.new("LA", (4, 4), (40, 255)), "PNG", {}, (40, 40, 40)),
    "RGB with a transparent colour": (Image.new("RGB", (4, 4), RED), "PNG", {"transparency": BLUE}, RED),
    "L with a transparent grey": (Image.new("L", (4, 4), 40), "PNG", {"transparency": 41}, (40, 40, 40)),
    "P with one transparent entry": (palette_picture(2), "PNG", {"transparency": 1}, BLUE),
    "P with an alpha for each entry": (palette_picture(0), "PNG", {"transparency": bytes([255, 0, 100])}, RED),
    "GIF with a transparent entry": (palette_picture(0), "GIF", {"transparency": 1}, RED),
}


@pytest.mark.parametrize(("picture", "kind", "options"), TRANSPARENT.values(), ids=TRANSPARENT)
def test_every_kind_of_transparency_becomes_white(picture, kind, options):
    assert first_pixel(picture, kind, **options) == WHITE


@pytest.mark.parametrize(("picture", "kind", "options", "colour"), OPAQUE.values(), ids=OPAQUE)
def test_opaque_pixels_keep_their_colour(picture, kind, options, colour):
    assert first_pixel(picture, kind, **options) == colour


@pytest.mark.parametrize(("alpha", "colour"), [(0, WHITE), (255, GREEN)])
def test_palette_with_an_alpha_channel(alpha, colour):
    picture = palette_picture(1).convert("PA")
    picture.putalpha(alpha)
    assert picture.mode == "PA"
    assert first_pixel(picture, "TIFF") == colour


@pytest.mark.parametrize(("stored", "alpha", "shown"), [(0, 0, 255), (60, 128, 187), (60, 255, 60)])
def test_premultiplied_alpha(stored, alpha, shown):
    data = encoded(Image.new("RGBA", (4, 4), (stored, stored, stored, alpha)), "TIFF")
    straight, premultiplied = (struct.pack("<HHIH", 338, 3, 1, kind) for kind in (2, 1))
    assert data.count(straight) == 1
    assert alike(decoded(data.replace(straight, premultiplied)).getpixel((0, 0)), [shown] * 3, 1)


# ---- colours and depths

MODES = {
    "1": (Image.new("1", (4, 4), 1), "PNG", WHITE),
    "1, black": (Image.new("1", (4, 4), 0), "TIFF", BLACK),
    "L": (Image.new("L", (4, 4), 77), "PNG", (77, 77, 77)),
    "P": (palette_picture(2), "PNG", BLUE),
    "P in BMP": (palette_picture(1), "BMP", GREEN),
    "P in TIFF": (palette_picture(0), "TIFF", RED),
    "CMYK in TIFF": (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
    "CMYK in JPEG, inverted": (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
    "LAB": (Image.new("LAB", (8, 8), (128, 128, 128)), "TIFF", (119, 119, 119)),
    "16-bit grey": (Image.new("I;16", (4, 4), 32896), "PNG", (128, 128, 128)),
    "16-bit grey, white": (Image.new("I;16", (4, 4), 65535), "PNG", WHITE),
    "16-bit grey in TIFF": (Image.new("I;16", (4, 4), 32896), "TIFF", (128, 128, 128)),
    "16-bit grey, big end first": (Image.fromarray(np.full((4, 4), 32896, ">u2")), "TIFF", (128, 128, 128)),
    "32-bit grey of 16-bit values": (Image.new("I", (4, 4), 32896), "TIFF", (128, 128, 128)),
    "32-bit grey of 8-bit values": (Image.new("I", (4, 4), 128), "TIFF", (128, 128, 128)),
    "floating point up to 1": (Image.new("F", (4, 4), 0.5), "TIFF", (128, 128, 128)),
    "floating point up to 255": (Image.new("F", (4, 4), 128.0), "TIFF", (128, 128, 128)),
    "floating point, nothing but NaN": (Image.new("F", (4, 4), float("nan")), "TIFF", BLACK),
    "floating point, next to no range": (Image.fromarray(np.array([[-1e-40, 0]], "f4")), "TIFF", BLACK),
    "floating point, one large value": (Image.new("F", (4, 4), 1e38), "TIFF", BLACK),
}


@pytest.mark.parametrize(("picture", "kind", "colour"), MODES.values(), ids=MODES)
def test_every_mode_keeps_its_colour(picture, kind, colour):
    assert alike(first_pixel(picture, kind), colour, 2)


@pytest.mark.parametrize(
    ("channels", "row"), [(0, "8000"), (2, "8000 8000 8000"), (4, "8000 ffff"), (6, "8000 8000 8000 ffff")]
)
def test_16_bits_a_channel(channels, row):
    data = png(struct.pack(">IIBBBBB", 1, 1, 16, channels, 0, 0, 0), b"\0" + bytes.fromhex(row))
    assert decoded(data).getpixel((0, 0)) == (128, 128, 128)


GREYS = {
    "I;16": np.array([[0, 257, 30000, 65535]], "u2"),
    "I": np.array([[-70000, -1, 3, 2_000_000]], "i4"),
    "F, with gaps": np.array([[np.nan, -np.inf, -2.5, 0.0, 4.5, np.inf]], "f4"),
    "F, of any size": np.array([[-3e38, 0.0, 3e38]], "f4"),
}


@pytest.mark.parametrize("values", GREYS.values(), ids=GREYS)
def test_deep_greys_are_scaled_and_not_clipped(values):
    shown = np.asarray(decoded(encoded(Image.fromarray(values), "TIFF")))[0, :, 0]
    assert (shown.min(), shown.max()) == (0, 255)
    assert sorted(shown) == list(shown)
    assert len({int(grey) for value, grey in zip(values[0], shown, strict=True) if np.isfinite(value)}) >= 3


# ---- limits


def header_of(kind: str, width: int, height: int) -> bytes:
    """The start of a file whose header states a size and that has almost no data."""
    small = encoded(FOUR, kind)
    both = struct.pack("<HH", width, height)
    if kind == "PNG":
        return png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"\0")
    if kind == "GIF":
        return small[:6] + both + small[10:]
    if kind == "BMP":
        return small[:18] + struct.pack("<II", width, height) + small[26:]
    if kind == "JPEG":
        frame = small.index(b"\xff\xc0") + 5
        return small[:frame] + struct.pack(">HH", height, width) + small[frame + 4 :]
    sizes = struct.pack("<HHII", 256, 4, 1, width), struct.pack("<HHII", 257, 4, 1, height)
    other = (struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in ((258, 8), (259, 1), (262, 1), (273, 8)))
    return b"II*\0" + struct.pack("<IH", 8, 6) + b"".join((*sizes, *other)) + bytes(4)


def webp(chunk: bytes, payload: bytes) -> bytes:
    body = b"WEBP" + chunk + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS = {
    **{kind: header_of(kind, 60_000, 50_000) for kind in ("PNG", "GIF", "BMP", "JPEG", "TIFF")},
    "WebP, extended": webp(b"VP8X", bytes(4) + (59_999).to_bytes(3, "little") + (49_999).to_bytes(3, "little")),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_decompression_bomb_is_refused_by_its_header(data):
    error = refused(data)
    assert isinstance(error, PictureTooLarge)
    assert (error.width, error.height, error.max_pixels) == (60_000, 50_000, 100_000_000)


@pytest.mark.parametrize(
    "data",
    [
        webp(b"VP8L", b"\x2f" + struct.pack("<I", 16382 | 16381 << 14) + bytes(9)),
        webp(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 16383, 16382)),
    ],
)
def test_a_webp_bomb_is_refused_before_its_canvas_is_allocated(data):
    error = refused(data)
    assert isinstance(error, PictureTooLarge)
    assert (error.width, error.height) == (16383, 16382)


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_at_the_limit_are_accepted_and_one_more_is_not(kind):
    data = encoded(FOUR, kind)
    assert decoded(data, max_pixels=SIDE * SIDE).size == (SIDE, SIDE)
    error = refused(data, max_pixels=SIDE * SIDE - 1)
    assert isinstance(error, PictureTooLarge)
    assert (error.width, error.height, error.max_pixels) == (SIDE, SIDE, SIDE * SIDE - 1)


@pytest.mark.parametrize("upright", [False, True])
def test_an_aspect_ratio_at_the_limit_is_accepted_and_a_larger_one_is_not(upright):
    def strip(length: int) -> bytes:
        return encoded(Image.new("L", (2, length) if upright else (length, 2)), "PNG")

    assert max(decoded(strip(400)).size) == 400
    error = refused(strip(401))
    assert isinstance(error, PictureTooNarrow)
    assert error.max_aspect_ratio == 200.0
    assert max(decoded(strip(401), max_aspect_ratio=200.5).size) == 401


@pytest.mark.parametrize("kind", FORMATS)
def test_the_limit_of_the_call_applies_and_not_that_of_the_process(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIDE * SIDE - 1)  # `Image.open` would warn
    assert decoded(encoded(FOUR, kind)).size == (SIDE, SIDE)


def test_decoding_does_not_change_the_settings_of_pillow():
    before = (Image.MAX_IMAGE_PIXELS, dict(Image.OPEN))
    for kind in FORMATS:
        decoded(encoded(FOUR, kind))
    assert (Image.MAX_IMAGE_PIXELS, "HEIF" in Image.OPEN) == (before[0], "HEIF" in before[1])


# ---- broken and hostile


def test_an_empty_file_is_reported_as_empty():
    assert reason(b"") == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"plain text in a file named .jpg",
        "只是一段文字".encode(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(60),  # what macOS writes beside pictures, as `._a.jpg`
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
        b"PK\x03\x04" + bytes(40),
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"\0\0\1\0\1\0" + bytes(60),
        b"8BPS\0\1" + bytes(60),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"P6 1 1 255 abc",
        b"RIFF\0\0\0\0WAVE",
        b"\0",
        bytes(100),
    ],
)
def test_other_files_are_reported_as_not_a_picture(data):
    assert reason(data) == "not a picture"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_ends_early_is_reported_as_truncated(kind):
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    assert reason(data[: len(data) * 9 // 10]) == "truncated"


def test_a_wrong_checksum_is_reported_as_damage():
    data = bytearray(encoded(FOUR, "PNG"))
    data[data.index(b"IHDR") + 13] ^= 1
    assert reason(bytes(data)) == "damaged"


def test_an_unsupported_variant_is_reported_as_unsupported():
    data = encoded(FOUR, "JPEG")
    depth = data.index(b"\xff\xc0") + 4
    assert reason(data[:depth] + b"\x0c" + data[depth + 1 :]) == "unsupported"
    assert reason(encoded(FOUR, "BMP").replace(b"\x18\0\0\0\0\0", b"\x18\0\x0c\0\0\0", 1)) == "unsupported"


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_without_pixels_is_reported_as_damaged(kind, size):
    assert reason(header_of(kind, *size)) == "damaged"


def broken_copies(data: bytes, rng: random.Random) -> Iterator[bytes]:
    for _ in range(12):
        yield data[: rng.randrange(len(data))]
    for _ in range(30):
        broken = bytearray(data)
        for _ in range(rng.choice([1, 3, 10])):
            broken[rng.randrange(rng.choice([40, 400, len(data)])) % len(data)] = rng.randrange(256)
        yield bytes(broken)


@pytest.mark.parametrize("kind", FORMATS)
def test_broken_files_give_a_picture_or_its_error_and_no_output(kind, capfd):
    rng = random.Random(kind)
    for data in broken_copies(encoded(FOUR.rotate(30), kind), rng):
        with contextlib.suppress(PictureError):
            assert decoded(data, max_pixels=10_000).mode == "RGB"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError("decoder error -2"), "damaged"),
        (SyntaxError("broken"), "damaged"),
        (ValueError(), "damaged"),
        (struct.error("short"), "damaged"),
        (ZeroDivisionError(), "damaged"),
        (RecursionError(), "damaged"),
        (UserWarning("odd"), "damaged"),
        (EOFError(), "truncated"),
        (OSError("image file is truncated (3 bytes not processed)"), "truncated"),
        (MemoryError(), "no memory"),
        (Image.DecompressionBombError("Image size (9 pixels) exceeds limit of 4 pixels"), "unsupported"),
        (Image.DecompressionBombWarning("Image size (9 pixels) exceeds limit of 4 pixels"), "unsupported"),
    ],
)
def test_any_error_of_a_decoder_becomes_an_error_of_the_picture_without_a_context(raised, expected, monkeypatch):
    def fail(self):
        raise raised

    monkeypatch.setattr(PngImageFile, "load", fail)
    error = refused(encoded(FOUR, "PNG"))
    assert isinstance(error, PictureUnreadable)
    assert (error.reason, error.__context__, error.__cause__) == (expected, None, None)


def test_several_threads_decode_the_same_as_one():
    files = [encoded(FOUR.rotate(30 * turn), kind) for kind in FORMATS for turn in range(3)]
    files += [data[:-40] for data in files]
    together = threading.Barrier(4)

    def outcome(data: bytes) -> str | bytes:
        try:
            return decoded(data).tobytes()
        except PictureError as error:
            return str(error)

    def outcomes() -> list[str | bytes]:
        together.wait(timeout=10)
        return [outcome(data) for data in files]

    alone = [outcome(data) for data in files]
    with ThreadPoolExecutor(4) as pool:
        assert all(task.result() == alone for task in [pool.submit(outcomes) for _ in range(4)])
