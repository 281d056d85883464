"""Pictures are shown in sRGB, whatever their colours are stored in; a bad profile costs nothing but itself."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from reranker.core.types import Candidate
from reranker.images.limits import Limits
from reranker.images.metadata import MAX_METADATA_BYTES
from reranker.images.thumbnails import make_thumbnail
from tests.support.colour_profiles import (
    ADOBE_RGB,
    BT2020,
    DISPLAY_P3,
    SRGB,
    SRGB_CURVE,
    cmyk_profile,
    gamma_curve,
    grey_profile,
    inks_lab,
    profile,
    rgb_profile,
    sampled_curve,
    shown,
    shown_lab,
    to_srgb,
)
from tests.support.decoding import decode
from tests.support.encoded_pictures import WHITE, alike, decoded, encoded, palette_picture, png

GREEN = (60, 160, 70)
P3 = rgb_profile(DISPLAY_P3)
NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8))
LINEAR = grey_profile(gamma_curve(1))


def pixel(data: bytes) -> tuple[int, ...]:
    return decoded(data).getpixel((0, 0))


def square(mode: str = "RGB", colour=GREEN) -> Image.Image:
    return Image.new(mode, (32, 32), colour)


# ---- profiles


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
def test_a_profile_is_applied_in_every_format(kind):
    assert alike(pixel(encoded(square(), kind, icc_profile=P3)), shown(GREEN, DISPLAY_P3), 5)
    assert not alike(shown(GREEN, DISPLAY_P3), GREEN, 50)


PROFILES = {
    "Display P3": (DISPLAY_P3, SRGB_CURVE, None),
    "Adobe RGB": (ADOBE_RGB, gamma_curve(563 / 256), 563 / 256),
    "BT.2020": (BT2020, SRGB_CURVE, None),
    "gamma of 1.8": (SRGB, gamma_curve(1.8), 1.8),
    "gamma of 2.2": (SRGB, gamma_curve(2.2), 2.2),
}


@pytest.mark.parametrize(("primaries", "curve", "gamma"), PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("colour", [GREEN, (200, 180, 150), (20, 20, 20), (255, 255, 255), (0, 0, 0), (255, 0, 0)])
def test_colours_are_those_that_the_profile_means(primaries, curve, gamma, colour):
    data = encoded(square(colour=colour), "PNG", icc_profile=rgb_profile(primaries, curve))
    expected = shown(colour, primaries) if gamma is None else shown(colour, primaries, lambda value: value**gamma)
    assert alike(pixel(data), expected, 2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_grey_has_profiles_of_its_own(kind):
    grey = round(float(255 * to_srgb(77 / 255)))
    assert alike(pixel(encoded(square("L", 77), kind, icc_profile=LINEAR)), [grey] * 3, 2)


GREYS = {
    "1": (square("1", 1), WHITE),
    "I;16": (Image.new("I;16", (8, 8), 77 * 257), None),
    "LA": (square("LA", (77, 255)), None),
    "LA, transparent": (square("LA", (77, 0)), WHITE),
}


@pytest.mark.parametrize(("picture", "colour"), GREYS.values(), ids=GREYS)
def test_every_kind_of_grey_is_converted(picture, colour):
    expected = colour or [round(float(255 * to_srgb(77 / 255)))] * 3
    assert alike(pixel(encoded(picture, "PNG", icc_profile=LINEAR)), expected, 2)


def test_a_transparent_deep_grey_stays_white():
    picture = Image.new("I;16", (4, 4), 500)
    assert pixel(encoded(picture, "PNG", transparency=500, icc_profile=LINEAR)) == WHITE


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("inks", [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 1, 1, 0), (0, 0, 0, 1)])
def test_inks_are_those_of_the_press(kind, inks):
    picture = square("CMYK", tuple(255 * ink for ink in inks))
    assert alike(pixel(encoded(picture, kind, icc_profile=cmyk_profile())), shown_lab(inks_lab(*inks)), 5)


def test_cielab_means_the_same_with_any_profile():
    picture = square("LAB", (150, 100, 140))
    assert pixel(encoded(picture, "TIFF", icc_profile=P3)) == pixel(encoded(picture, "TIFF"))


def test_16_bits_a_channel_are_converted():
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    row = b"\0" + b"".join(bytes([value, value]) for value in GREEN)
    assert alike(pixel(png(header, row, iccp(P3))), shown(GREEN, DISPLAY_P3), 2)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_colours_are_converted_before_they_are_put_on_white(kind, alpha):
    data = encoded(square("RGBA", (*GREEN, alpha)), kind, icc_profile=P3)
    expected = [(part * alpha + 255 * (255 - alpha)) / 255 for part in shown(GREEN, DISPLAY_P3)]
    assert alike(pixel(data), expected, 5)


@pytest.mark.parametrize("options", [{}, {"transparency": 0}, {"transparency": bytes([0, 255, 255])}])
def test_a_palette_is_converted(options):
    data = encoded(palette_picture(1), "PNG", icc_profile=P3, **options)
    assert alike(pixel(data), shown((20, 200, 40), DISPLAY_P3), 2)


def test_a_profile_in_many_segments_is_joined():
    comment = b"text" + bytes(4) + b"x" * 150_000
    long = profile({b"cprt": comment}, b"RGB ")
    tags = {P3[at : at + 4]: P3[slice(*part(P3, at))] for at in range(132, 132 + 12 * 7, 12)}
    long = profile({b"cprt": comment, **tags}, b"RGB ")
    data = encoded(square(), "JPEG", icc_profile=long)
    assert data.count(b"ICC_PROFILE\0") == 3
    assert alike(pixel(data), shown(GREEN, DISPLAY_P3), 5)
    lost = data.replace(b"ICC_PROFILE\0\2\3", b"ICC_PROFILE\0\2\4")
    assert alike(pixel(lost), GREEN, 3), "a part is missing"


def part(whole: bytes, at: int) -> tuple[int, int]:
    """Where the value of the tag at this place of the table is."""
    start, size = struct.unpack_from(">II", whole, at + 4)
    return start, start + size


@pytest.mark.parametrize("wanted", [100 * 100, 400 * 400])
def test_a_large_transparent_picture_is_converted_at_a_fraction_of_its_size(wanted):
    large = Image.new("RGBA", (800, 800), (*GREEN, 255))
    picture = decode(encoded(large, "PNG", icc_profile=P3), "a.png", Limits(), wanted)
    assert picture.size == ((200, 200) if wanted == 100 * 100 else (800, 800))
    assert alike(picture.getpixel((9, 9)), shown(GREEN, DISPLAY_P3), 2)


def test_thumbnails_are_in_srgb_and_say_nothing_else():
    data = encoded(square(), "PNG", icc_profile=P3)
    with Image.open(BytesIO(make_thumbnail(Candidate(name="a", source=data), Limits(), max_px=16, quality=95))) as made:
        assert "icc_profile" not in made.info
        assert alike(made.getpixel((4, 4)), shown(GREEN, DISPLAY_P3), 4)


# ---- sRGB


VARIANTS = {
    "parametric": rgb_profile(SRGB),
    "1024 points": rgb_profile(SRGB, sampled_curve(1024)),
    "26 points": rgb_profile(SRGB, sampled_curve(26)),
    "20 points": rgb_profile(SRGB, sampled_curve(20)),
    "of a scanner": rgb_profile(SRGB, device_class=b"scnr"),
    "of LittleCMS": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_profile_of_srgb_changes_nothing(kind, variant):
    plain = decoded(encoded(NOISE, kind))
    assert decoded(encoded(NOISE, kind, icc_profile=variant)).tobytes() == plain.tobytes()


def test_grey_with_the_curve_of_srgb_changes_nothing():
    grey = Image.frombytes("L", (256, 1), bytes(range(256)))
    data = encoded(grey, "PNG", icc_profile=grey_profile(SRGB_CURVE))
    assert decoded(data, max_aspect_ratio=256).tobytes() == grey.convert("RGB").tobytes()


# ---- profiles that do not count


def without(tag: bytes) -> bytes:
    return P3.replace(tag, b"none")


BAD = {
    "empty": b"\0",
    "no profile": b"\xee" * 500,
    "only a header": P3[:128],
    "no tags": P3[:132],
    "cut in the tags": P3[:200],
    "without a curve": without(b"gTRC"),
    "without a primary": without(b"bXYZ"),
    "a curve without end": P3.replace(SRGB_CURVE, b"curv" + bytes(4) + b"\xff" * 4 + SRGB_CURVE[12:]),
    "tags without end": P3[:128] + b"\xff" * 4 + P3[132:],
    "link of devices": rgb_profile(DISPLAY_P3, device_class=b"link"),
    "named colours": rgb_profile(DISPLAY_P3, device_class=b"nmcl"),
    "effect": rgb_profile(DISPLAY_P3, device_class=b"abst"),
    "of grey": LINEAR,
    "of inks": cmyk_profile(),
    "says inks": P3.replace(b"RGB XYZ ", b"CMYKXYZ "),
    "says CIELab": P3.replace(b"RGB XYZ ", b"Lab XYZ "),
    "huge": P3 + bytes(MAX_METADATA_BYTES),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_bad_profile_costs_nothing_but_itself(kind, bad, capfd):
    assert decoded(encoded(NOISE, kind, icc_profile=bad)).tobytes() == decoded(encoded(NOISE, kind)).tobytes()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_a_bad_profile_costs_nothing_but_itself_in_a_box(kind):
    assert alike(pixel(encoded(square(), kind, icc_profile=b"\xee" * 500)), GREEN, 5)


@pytest.mark.parametrize(("mode", "wrong"), [("L", P3), ("LA", P3), ("CMYK", P3), ("L", cmyk_profile())])
def test_a_profile_for_other_pixels_does_not_count(mode, wrong):
    picture = NOISE.convert("L").convert(mode)
    data = encoded(picture, "TIFF", icc_profile=wrong)
    assert decoded(data).tobytes() == decoded(encoded(picture, "TIFF")).tobytes()


@pytest.mark.parametrize("device_class", [b"link", b"abst", b"nmcl", b"none"])
def test_a_table_that_describes_no_pixels_does_not_count(device_class):
    inks = NOISE.convert("CMYK")
    data = encoded(inks, "TIFF", icc_profile=cmyk_profile(device_class))
    assert decoded(data).tobytes() == decoded(encoded(inks, "TIFF")).tobytes()


# ---- code points


def iccp(data: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"name\0\0" + zlib.compress(data)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    return png(struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), b"\0" + bytes(GREEN), *chunks)


def cicp(primaries: int, transfer: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, 1])


@pytest.mark.parametrize(("number", "primaries"), [(12, DISPLAY_P3), (9, BT2020)])
@pytest.mark.parametrize("transfer", [13, 1])
def test_code_points_of_a_png_are_applied(number, primaries, transfer):
    assert alike(pixel(png_with(cicp(number, transfer))), shown(GREEN, primaries), 2)


def test_code_points_of_a_png_precede_its_profile():
    assert pixel(png_with(cicp(1, 13), iccp(P3))) == GREEN
    assert alike(pixel(png_with(cicp(12, 13), iccp(rgb_profile(BT2020)))), shown(GREEN, DISPLAY_P3), 2)


@pytest.mark.parametrize("transfer", [16, 18, 8, 2, 0, 255])
def test_code_points_that_are_not_understood_do_not_count(transfer):
    assert pixel(png_with(cicp(9, transfer))) == GREEN
    assert alike(pixel(png_with(cicp(9, transfer), iccp(P3))), shown(GREEN, DISPLAY_P3), 2)
    assert pixel(png_with((b"cICP", b"\x0c\x0d"))) == GREEN, "it is too short"


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_code_points_in_a_box_are_applied(kind):
    data = encoded(square(), kind)
    assert data.count(b"colrnclx\0\x01\0\x0d") == 1
    for number, transfer, primaries in ((12, 13, DISPLAY_P3), (9, 1, BT2020), (1, 1, SRGB), (9, 16, SRGB)):
        changed = data.replace(b"colrnclx\0\x01\0\x0d", b"colrnclx" + struct.pack(">HH", number, transfer))
        assert alike(pixel(changed), shown(GREEN, primaries), 6)
