"""The pictures of a ranking in a ZIP or a folder: order, names, and pictures that can no longer be read."""

import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from reranker.core.errors import PictureMissing
from reranker.core.types import Failed, Ranking
from reranker.export.archive import write_archive, write_archive_of_several, write_folder
from reranker.images.limits import Limits
from tests.support.rankings import ranking, scored


def png(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def archived(ranked: Ranking) -> tuple[zipfile.ZipFile, tuple[Failed, ...]]:
    file = BytesIO()
    failed = write_archive(ranked, file, Limits())
    return zipfile.ZipFile(file), failed


def test_the_archive_has_the_original_bytes_in_the_order_of_the_ranking() -> None:
    contents = [png(colour) for colour in ("red", "green", "blue")]
    best = [scored(f"/home/me/{n}.png", 3.0 - n, data) for n, data in enumerate(contents)]
    archive, failed = archived(ranking(*best))
    assert failed == ()
    assert archive.namelist() == ["01_9.5_0.png", "02_8.8_1.png", "03_7.3_2.png"]
    assert [archive.read(name) for name in archive.namelist()] == contents
    assert archive.testzip() is None


def test_a_part_of_a_ranking_is_written_in_its_order_with_its_ranks_and_the_template() -> None:
    file, shown = BytesIO(), ranking(scored("b.png", -2.0, png()), scored("a.png", 2.0, png("blue")))
    write_archive(shown, file, Limits(), template="{rank} {stem}", ranks=[17, 3])
    archive = zipfile.ZipFile(file)
    assert archive.namelist() == ["17 b.png", "03 a.png"]
    assert archive.read("03 a.png") == png("blue")


def test_the_archive_of_several_has_a_folder_for_each_query(tmp_path: Path) -> None:
    file, cat, dog = BytesIO(), scored("cat.png", 0.0, png()), scored("dog.png", 2.0, png("blue"))
    gone = scored("gone.png", 1.0, tmp_path / "gone.png")
    rankings = [ranking(dog, gone, cat, query="a dog"), ranking(cat, query="a/cat"), ranking(query="nothing")]
    failed = write_archive_of_several(rankings, file, Limits(), ranks=[None, [9], None])
    archive = zipfile.ZipFile(file)
    assert archive.namelist() == ["01_a dog/01_8.8_dog.png", "01_a dog/03_5.0_cat.png", "02_a_cat/09_5.0_cat.png"]
    assert archive.read("01_a dog/01_8.8_dog.png") == png("blue")
    assert [failure.candidate.name for failure in failed] == ["gone.png"]


def test_equal_rankings_give_equal_files() -> None:
    first, second = BytesIO(), BytesIO()
    for file in (first, second):
        write_archive(ranking(scored("a.png", 1.0, png())), file, Limits())
    assert first.getvalue() == second.getvalue()


def test_a_deleted_picture_is_reported_and_the_others_are_written(tmp_path: Path) -> None:
    archive, failed = archived(ranking(scored("gone.png", 2.0, tmp_path / "gone.png"), scored("a.png", 1.0, png())))
    assert archive.namelist() == ["02_7.3_a.png"]
    assert [type(failure.error) for failure in failed] == [PictureMissing]


def test_the_folder_has_the_files_of_the_archive(tmp_path: Path) -> None:
    best = [
        scored("a.png", 2.0, png("red")),
        scored("gone.png", 1.0, tmp_path / "gone.png"),
        scored("b/c.png", 0, png()),
    ]
    failed = write_folder(ranking(*best), tmp_path / "of" / "copies", Limits())
    archive, failed_in_archive = archived(ranking(*best))
    assert {path.name: path.read_bytes() for path in (tmp_path / "of" / "copies").iterdir()} == {
        name: archive.read(name) for name in archive.namelist()
    }
    assert (
        [failure.candidate for failure in failed]
        == [failure.candidate for failure in failed_in_archive]
        == [best[1].candidate]
    )


def test_no_file_in_a_folder_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "01_8.8_a.png").write_bytes(b"other")
    with pytest.raises(FileExistsError):
        write_folder(ranking(scored("a.png", 2.0, png())), tmp_path, Limits())
    assert (tmp_path / "01_8.8_a.png").read_bytes() == b"other"
