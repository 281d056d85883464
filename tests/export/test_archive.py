"""The pictures of a ranking in a ZIP or a folder: order, names, and pictures that can no longer be read."""

import re
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reranker.core.errors import PictureMissing
from reranker.core.types import Failed, Ranking
from reranker.export.archive import (
    MAX_FOLDER_NAME_BYTES,
    MAX_NAME_BYTES,
    folder_names,
    member_names,
    write_archive,
    write_folder,
)
from reranker.images.limits import Limits
from tests.support.rankings import ranking, scored

properties = settings(deadline=None, max_examples=200, database=None)


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


def test_equal_rankings_give_equal_files() -> None:
    first, second = BytesIO(), BytesIO()
    for file in (first, second):
        write_archive(ranking(scored("a.png", 1.0, png())), file, Limits())
    assert first.getvalue() == second.getvalue()


def test_a_deleted_picture_is_reported_and_the_others_are_written(tmp_path: Path) -> None:
    archive, failed = archived(ranking(scored("gone.png", 2.0, tmp_path / "gone.png"), scored("a.png", 1.0, png())))
    assert archive.namelist() == ["02_7.3_a.png"]
    assert [type(failure.error) for failure in failed] == [PictureMissing]


def test_ranks_are_padded_to_equal_width() -> None:
    names = member_names([scored(f"{n}.png", -n) for n in range(120)], ["5.0"] * 120)
    assert (names[0], names[119]) == ("001_5.0_0.png", "120_5.0_119.png")
    assert sorted(names) == names


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("海 报.jpg", "海 报.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.png", "a.png"),
        ('a<b>:"|?*.png', "a_b______.png"),
        ("a\x00b\n.png", "a_b_.png"),
        ("gpj.\u202eexe", "gpj._exe"),
        ("...", "picture"),
        ("", "picture"),
        ("a\udcff.png", "a_.png"),
        ("dir/", "dir"),
        ("x" * 300 + ".jpeg", "x" * (MAX_NAME_BYTES - 5) + ".jpeg"),
        ("海" * 300 + ".jpeg", "海" * ((MAX_NAME_BYTES - 5) // 3) + ".jpeg"),
        ("a." + "海" * 300, "a." + "海" * ((MAX_NAME_BYTES - 2) // 3)),
    ],
)
def test_names_are_safe_on_any_system(name: str, safe: str) -> None:
    assert member_names([scored(name, 0.0)], ["5.0"]) == [f"01_5.0_{safe}"]


@properties
@given(st.lists(st.text(), min_size=1, max_size=5))
def test_file_names_are_distinct_and_stay_in_their_folder(names: list[str]) -> None:
    file_names = member_names([scored(name, 0.0) for name in names], ["5.0"] * len(names))
    assert len(set(file_names)) == len(names)
    for name in file_names:
        assert not re.search(r"[\\/\x00-\x1f]", name)
        assert len(name.encode()) <= MAX_NAME_BYTES + len("01_5.0_")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("a woman in a red dress", "01_a woman in a red dress"),
        ("海边的房子", "01_海边的房子"),
        ("cats/dogs: which?", "01_cats_dogs_ which_"),
        ("..", "01_query"),
        ("海" * 99, "01_" + "海" * (MAX_FOLDER_NAME_BYTES // 3)),
        ("a" * (MAX_FOLDER_NAME_BYTES - 1) + " b", "01_" + "a" * (MAX_FOLDER_NAME_BYTES - 1)),
    ],
)
def test_a_folder_is_named_after_its_query(query: str, name: str) -> None:
    assert folder_names([query]) == [name]


@properties
@given(st.lists(st.text(), max_size=5))
def test_folder_names_are_distinct_and_stay_in_their_folder(queries: list[str]) -> None:
    names = folder_names(queries)
    assert len(set(names)) == len(queries)
    assert not any(re.search(r"[\\/\x00-\x1f]", name) for name in names)
    assert all(len(name.encode()) <= MAX_FOLDER_NAME_BYTES + len("01_") for name in names)


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
