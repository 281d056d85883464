"""Pictures that look alike: changed copies are, different pictures are not; groups are those of the definition."""

import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from reranker.core.types import Candidate
from reranker.images.limits import Limits
from reranker.images.perceptual_hash import MAX_DISTANCE, group_alike, perceptual_hash
from reranker.images.thumbnails import make_thumbnail
from tests.support.paths import ROOT

BITS = 192
GALLERY = sorted((ROOT / "assets" / "gallery").glob("*.png"))


def jpeg(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Return the picture without a share of its width and height at each side."""
    width, height = image.size
    return image.crop((int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share))))


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "compressed": lambda image: jpeg(image, 15),
    "smaller": lambda image: png(image.resize((image.width // 2, image.height // 2))),
    "larger": lambda image: png(image.resize((image.width * 2, image.height * 2))),
    "cropped": lambda image: png(cropped(image, 0.01)),
    "darker": lambda image: jpeg(ImageEnhance.Brightness(image).enhance(0.85), 90),
    "grey": lambda image: png(image.convert("L")),
}


def hash_of(data: bytes, folder: Path) -> int:
    """The hash of a picture by the thumbnail that the program makes of it."""
    thumbnail = folder / "thumbnail.jpg"
    candidate = Candidate(name="a picture", source=data)
    thumbnail.write_bytes(make_thumbnail(candidate, Limits(), max_px=512, quality=80))
    return perceptual_hash(thumbnail)


@pytest.mark.parametrize("change", CHANGES)
def test_each_picture_of_the_gallery_is_like_its_changed_copy_and_like_no_other(change: str, tmp_path: Path) -> None:
    hashes = []
    for path in GALLERY:
        with Image.open(path) as image:
            hashes += [hash_of(path.read_bytes(), tmp_path), hash_of(CHANGES[change](image.convert("RGB")), tmp_path)]
    assert group_alike(hashes) == [number // 2 for number in range(2 * len(GALLERY))]


def drawn_object(random: Random) -> Image.Image:
    """A picture of a shape with a few corners on white, as shops have them."""
    image = Image.new("RGB", (320, 320), "white")
    turns = sorted(random.uniform(0, math.tau) for _ in range(random.randint(3, 8)))
    reach = [random.uniform(30, 115) for _ in turns]
    corners = [(160 + r * math.cos(turn), 160 + r * math.sin(turn)) for turn, r in zip(turns, reach, strict=True)]
    ImageDraw.Draw(image).polygon(corners, fill=tuple(random.randrange(230) for _ in range(3)))
    return image


def test_different_objects_on_the_same_white_are_rarely_alike(tmp_path: Path) -> None:
    """Either half of the hash alone would group 23 of them or more."""
    random = Random(3)
    objects = [drawn_object(random) for _ in range(60)]
    groups = group_alike([hash_of(png(each), tmp_path) for each in objects])
    assert len(groups) - groups.count(None) <= 6


def test_plain_pictures_and_tiny_ones_have_a_hash(tmp_path: Path) -> None:
    for size in ((1, 1), (3, 500), (500, 500)):
        assert 0 <= hash_of(png(Image.new("RGB", size, "white")), tmp_path) < 2**BITS


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"GIF89a"])
def test_a_file_that_is_no_thumbnail_is_an_error_of_the_system(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(content)
    with pytest.raises(OSError, match=r"identify|truncated"):
        perceptual_hash(tmp_path / "broken.jpg")
    with pytest.raises(FileNotFoundError):
        perceptual_hash(tmp_path / "gone.jpg")


def by_definition(hashes: list[int]) -> list[int | None]:
    """The groups by comparing all pairs until nothing changes."""
    groups = list(range(len(hashes)))
    for _ in hashes:
        for one, first in enumerate(hashes):
            for other, second in enumerate(hashes):
                if (first ^ second).bit_count() <= MAX_DISTANCE:
                    groups[one] = groups[other] = min(groups[one], groups[other])
    numbers = {group: number for number, group in enumerate(sorted({g for g in groups if groups.count(g) > 1}))}
    return [numbers.get(group) for group in groups]


def flipped(value: int, bits: set[int]) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


bit_sets = st.sets(st.integers(0, BITS - 1), max_size=MAX_DISTANCE + 2)
seeds = st.lists(st.integers(0, 2**BITS - 1), min_size=1, max_size=2)


@settings(deadline=None, max_examples=60, database=None)
@given(seeds, st.lists(bit_sets, max_size=7))
def test_groups_are_those_of_the_definition(values: list[int], changes: list[set[int]]) -> None:
    for number, bits in enumerate(changes):
        values = [*values, flipped(values[number // 2], bits)]
    assert group_alike(values) == by_definition(values)


def test_groups_go_through_pictures_between_and_are_counted_in_order() -> None:
    step = (1 << MAX_DISTANCE) - 1
    chain = [0, step, step | step << MAX_DISTANCE]
    far = 2**BITS - 1
    assert group_alike([far, *chain, far ^ 1, 7 << 150]) == [0, 1, 1, 1, 0, 1]
    assert group_alike([0, (1 << (MAX_DISTANCE + 1)) - 1]) == [None, None]
    assert group_alike([]) == []


def test_thousands_of_equal_pictures_and_of_different_ones_are_grouped() -> None:
    random = Random(1)
    assert group_alike([5] * 3_000) == [0] * 3_000
    assert group_alike([random.getrandbits(BITS) for _ in range(2_000)]) == [None] * 2_000
