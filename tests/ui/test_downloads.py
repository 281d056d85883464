"""A tab has one file for each format; equal exports are one file."""

import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from reranker.core.errors import UploadsFull
from reranker.images.limits import Limits
from reranker.ui.downloads import FORMATS, Downloads
from reranker.ui.upload_quota import UploadQuota
from tests.support.rankings import ranking, scored

JUDGED_BY = {"model": "m", "precision": "p"}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(path.stem.encode() * 1000)
    return paths


@pytest.fixture
def downloads(tmp_path: Path) -> Downloads:
    return Downloads(folder=tmp_path / "downloads", limits=Limits(), quota=UploadQuota(tmp_path, 10**6))


def ranked(pictures: list[Path]):
    return ranking(*(scored(path.name, -i, path, i) for i, path in enumerate(pictures)))


def files(downloads: Downloads) -> set[Path]:
    return {path for path in downloads.folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("format_", FORMATS)
def test_every_press_gives_the_same_file(downloads: Downloads, pictures: list[Path], format_) -> None:
    written = {downloads.write(ranked(pictures), format_, JUDGED_BY, 3, "en", "tab") for _ in range(8)}
    assert written == files(downloads)
    assert len(written) == 1


@pytest.mark.parametrize("format_", FORMATS)
def test_another_content_takes_the_place_of_the_earlier_one(
    downloads: Downloads, pictures: list[Path], format_
) -> None:
    earlier = downloads.write(ranked(pictures), format_, JUDGED_BY, 3, "en", "tab")
    later = downloads.write(ranked(pictures[:2]), format_, JUDGED_BY, 3, "en", "tab")
    assert earlier != later, "browsers may have cached the earlier one under its address"
    assert files(downloads) == {later}


def test_a_zip_of_another_count_is_another_file(downloads: Downloads, pictures: list[Path]) -> None:
    for count in (1, 2, 3, 2):
        file = downloads.write(ranked(pictures), "zip", JUDGED_BY, count, "en", "tab")
        with ZipFile(file) as archive:
            assert len(archive.namelist()) == count
    assert files(downloads) == {file}


def test_formats_and_tabs_have_their_own_files(downloads: Downloads, pictures: list[Path]) -> None:
    written = {
        downloads.write(ranked(pictures), format_, JUDGED_BY, 3, "en", tab)
        for format_ in FORMATS
        for tab in ("one", "two")
    }
    assert files(downloads) == written
    assert len(written) == 2 * len(FORMATS)


def test_paths_differ_between_programs(downloads: Downloads, pictures: list[Path], tmp_path: Path) -> None:
    other = Downloads(folder=downloads.folder, limits=Limits(), quota=UploadQuota(tmp_path, 10**6))
    paths = [each.write(ranked(pictures), "csv", JUDGED_BY, 3, "en", "tab") for each in (downloads, other)]
    assert len({path.parent.parent for path in paths}) == 2


def test_a_file_that_is_downloaded_again_is_new_again(downloads: Downloads, pictures: list[Path]) -> None:
    file = downloads.write(ranked(pictures), "csv", JUDGED_BY, 3, "en", "tab")
    os.utime(file, (0, 0))
    assert downloads.write(ranked(pictures), "csv", JUDGED_BY, 3, "en", "tab") == file
    assert file.stat().st_mtime > 0


def test_a_download_that_does_not_fit_is_not_begun(pictures: list[Path], tmp_path: Path) -> None:
    downloads = Downloads(folder=tmp_path / "downloads", limits=Limits(), quota=UploadQuota(tmp_path, 50_000))
    many = ranked([pictures[0]] * 100)
    with pytest.raises(UploadsFull):
        downloads.write(many, "zip", JUDGED_BY, 100, "en", "tab")
    assert files(downloads) == set()
    assert downloads.write(many, "zip", JUDGED_BY, 2, "en", "tab").exists()
