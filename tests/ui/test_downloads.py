"""A tab has one file of each name; equal files are one."""

import os
from pathlib import Path

import pytest

from reranker.core.errors import UploadsFull
from reranker.ui.downloads import Downloads
from reranker.ui.upload_quota import UploadQuota


@pytest.fixture
def downloads(tmp_path: Path) -> Downloads:
    return Downloads(folder=tmp_path / "downloads", quota=UploadQuota(tmp_path, 10**6))


def files(downloads: Downloads) -> set[Path]:
    return {path for path in downloads.folder.rglob("*") if path.is_file()}


def test_every_press_gives_the_same_file(downloads: Downloads) -> None:
    written = {downloads.write_text("a.csv", "rank\n1", "tab") for _ in range(8)}
    assert written == files(downloads)
    assert [path.read_text() for path in written] == ["rank\n1"]


def test_another_content_takes_the_place_of_the_earlier_one(downloads: Downloads) -> None:
    earlier, later = (downloads.write_text("a.csv", text, "tab") for text in ("1", "2"))
    assert earlier != later, "browsers may have cached the earlier one under its address"
    assert files(downloads) == {later}


def test_names_and_tabs_have_their_own_files(downloads: Downloads) -> None:
    written = {downloads.write_text(name, "1", tab) for name in ("a.csv", "b.csv") for tab in ("one", "two")}
    assert files(downloads) == written
    assert len(written) == 4


def test_paths_differ_between_programs(downloads: Downloads, tmp_path: Path) -> None:
    other = Downloads(folder=downloads.folder, quota=UploadQuota(tmp_path, 10**6))
    paths = [each.write_text("a.csv", "1", "tab") for each in (downloads, other)]
    assert len({path.parent.parent for path in paths}) == 2


def test_a_file_that_is_downloaded_again_is_new_again(downloads: Downloads) -> None:
    file = downloads.write_text("a.csv", "1", "tab")
    os.utime(file, (0, 0))
    assert downloads.write_text("a.csv", "1", "tab") == file
    assert file.stat().st_mtime > 0


def test_a_download_that_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    downloads = Downloads(folder=tmp_path / "downloads", quota=UploadQuota(tmp_path, 50_000))
    with pytest.raises(UploadsFull):
        downloads.write_text("a.csv", "x" * 60_000, "tab")
    assert files(downloads) == set()
    assert downloads.write_text("a.csv", "x" * 10_000, "tab").exists()


def test_a_link_in_place_of_the_downloads_is_not_followed(downloads: Downloads, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    downloads.folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    file = downloads.write_text("a.csv", "1", "tab")
    assert file.resolve().is_relative_to(tmp_path / "downloads")
    assert list((tmp_path / "elsewhere").iterdir()) == []
