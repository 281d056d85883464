"""Thumbnails of files are small JPEGs, made once for each version of a picture."""

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from reranker.images.limits import Limits
from reranker.storage import thumbnail_store
from reranker.storage.thumbnail_store import MAX_THUMBNAIL_PX, HashedThumbnailPaths, ThumbnailStore


@pytest.fixture
def thumbnails(tmp_path: Path) -> ThumbnailStore:
    return ThumbnailStore(HashedThumbnailPaths(tmp_path / "thumbnails"), Limits())


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
    first, second = thumbnails.get(path), thumbnails.get(path)
    modified_ns = first.stat().st_mtime_ns
    assert first == second == thumbnails.path(path)
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


def colour(thumbnail: Path) -> str:
    with Image.open(thumbnail) as picture:
        red, _, blue = picture.convert("RGB").getpixel((4, 4))
    return "red" if red > blue else "blue"


@pytest.mark.parametrize("age_s", [0, 1_000_000])
@pytest.mark.parametrize("how", ["moved", "copied", "linked"])
def test_a_picture_that_an_older_file_replaces_gets_a_new_thumbnail(
    tmp_path: Path, thumbnails: ThumbnailStore, how: str, age_s: int
) -> None:
    path, older = tmp_path / "a.bmp", tmp_path / "older.bmp"
    for each, shown in ((path, "red"), (older, "blue")):
        Image.new("RGB", (9, 9), shown).save(each)
    os.utime(path, (2_000_000_000,) * 2)
    os.utime(older, (2_000_000_000 - age_s,) * 2)
    assert colour(thumbnails.get(path)) == "red"
    if how == "moved":
        older.rename(path)  # as `mv` and `rsync -t` do it
    elif how == "copied":
        shutil.copy2(older, path)  # as `cp -p` and `rsync --inplace -t` do it
    else:
        path.unlink()
        path.symlink_to(older)
    assert colour(thumbnails.get(path)) == "blue"


def test_a_picture_that_can_be_read_again_gets_a_thumbnail(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    path, away = tmp_path / "a.png", tmp_path / "away.png"
    Image.new("RGB", (9, 9), "red").save(away)
    with Image.open(thumbnails.get(path)) as placeholder:
        assert placeholder.size == (240, 240)
    away.rename(path)
    assert colour(thumbnails.get(path)) == "red"


def test_a_thumbnail_of_a_version_that_decoded_otherwise_is_made_again(
    tmp_path: Path, thumbnails: ThumbnailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9), "red").save(path)
    now = thumbnails.get(path).read_bytes()
    with monkeypatch.context() as before:
        before.setattr(thumbnail_store, "DECODING_VERSION", "decoding-1")
        assert thumbnails.get(path).read_bytes() != now
    assert thumbnails.get(path).read_bytes() == now


def test_a_thumbnail_says_nothing_of_the_file(tmp_path: Path, thumbnails: ThumbnailStore) -> None:
    path = tmp_path / "a secret name.png"
    Image.new("RGB", (9, 9)).save(path)
    thumbnail = thumbnails.get(path).read_bytes()
    assert all(str(part).encode() not in thumbnail for part in (path.name, path.stat().st_mtime_ns))


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
