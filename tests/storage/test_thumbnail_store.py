"""Thumbnails of files are small JPEGs, made once for each version of a picture."""

import os
from pathlib import Path

import pytest
from PIL import Image

from reranker.images.limits import Limits
from reranker.storage.thumbnail_store import MAX_THUMBNAIL_PX, HashedThumbnailPaths, ThumbnailStore


@pytest.fixture
def thumbnails(tmp_path: Path) -> ThumbnailStore:
    return ThumbnailStore(HashedThumbnailPaths(tmp_path / "thumbnails"), Limits(), threads=2)


@pytest.mark.parametrize(("size", "shown"), [((2000, 1000), (512, 256)), ((30, 40), (30, 40))])
def test_thumbnails_are_small_and_never_enlarged(
    tmp_path: Path, thumbnails: ThumbnailStore, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    path = tmp_path / "large.tiff"
    Image.new("RGBA", size, (0, 0, 0, 0)).save(path)
    with Image.open(thumbnails.get(path)) as picture:
        assert (picture.size, picture.format, picture.getpixel((0, 0))) == (shown, "JPEG", (255, 255, 255))
    assert max(shown) <= MAX_THUMBNAIL_PX


def test_a_thumbnail_is_made_once(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    first, second = thumbnails.get_all([path, path])
    modified_ns = first.stat().st_mtime_ns
    assert first == second == thumbnails.get(path) == thumbnails.path(path)
    assert first.stat().st_mtime_ns == modified_ns
    assert list((tmp_path / "thumbnails").iterdir()) == [first]


def test_a_changed_picture_gets_a_new_thumbnail(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    path = tmp_path / "a.png"
    shown = []
    for colour in ("red", "blue"):
        Image.new("RGB", (9, 9), colour).save(path)
        os.utime(path, (2**31 - 1,) * 2)
        shown.append(thumbnails.get(path).read_bytes())
    assert shown[0] != shown[1]


def test_the_thumbnail_of_a_deleted_picture_stays(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9), "red").save(path)
    made = thumbnails.get(path).read_bytes()
    path.unlink()
    assert thumbnails.get(path).read_bytes() == made


def test_a_picture_that_cannot_be_read_gets_a_placeholder(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    with Image.open(thumbnails.get(tmp_path / "missing.png")) as picture:
        assert (picture.format, picture.size) == ("JPEG", (240, 240))


def test_pictures_of_the_same_name_have_their_own_thumbnails(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    assert thumbnails.path(tmp_path / "a" / "1.png") != thumbnails.path(tmp_path / "b" / "1.png")
