"""Pictures in folders by label: links or copies, under names that any system takes, none lost."""

from pathlib import Path

import pytest

from reranker.core.errors import PictureMissing
from reranker.core.types import Candidate
from reranker.export.label_folders import write_label_folders
from reranker.pipelines.tag import Tagged, TaggedLabel
from reranker.vocabulary.labels import Label, Name


def tagged(path: Path, *names: Name) -> Tagged:
    labels = tuple(TaggedLabel(label=Label(name=name), confidence=1.0) for name in names)
    return Tagged(
        position=0, candidate=Candidate(name=path.name, source=path), labels=labels, confidences={}, content_hash="00"
    )


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a" / "1.jpg", tmp_path / "b" / "1.jpg", tmp_path / "b" / "2.jpg"]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % number)
    return paths


CAT, DOG = Name(en="cat", zh="猫"), Name(en="dog", zh="狗")


@pytest.mark.parametrize("mode", ["link", "copy"])
def test_each_label_has_a_folder_with_its_pictures(tmp_path: Path, pictures: list[Path], mode) -> None:
    first, second, third = pictures
    results = [tagged(first, CAT, DOG), tagged(second, CAT), tagged(third)]
    out = tmp_path / "out"
    assert write_label_folders(results, out, "zh", unlabelled="其他", mode=mode) == ()
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.jpg")}
    assert files == {"猫/1.jpg": b"0", "猫/1 (2).jpg": b"1", "狗/1.jpg": b"0", "其他/2.jpg": b"2"}
    assert all(path.is_symlink() == (mode == "link") for path in out.rglob("*.jpg"))
    assert [path.read_bytes() for path in pictures] == [b"0", b"1", b"2"]


def test_names_that_no_system_takes_are_changed_and_told_apart(tmp_path: Path, pictures: list[Path]) -> None:
    names = [Name(en="a/b"), Name(en="a:b"), Name(en="con"), Name(en=".."), Name(en="x" * 200)]
    out = tmp_path / "out"
    write_label_folders([tagged(pictures[0], *names)], out, "en", unlabelled="none")
    folders = sorted(path.name for path in out.iterdir())
    assert len(folders) == len(names)
    assert {"a_b", "a_b (2)", "_con"} <= set(folders)
    assert all(path.parent == out and len(path.name) <= 100 for path in out.iterdir())


def test_a_picture_that_is_gone_is_reported(tmp_path: Path, pictures: list[Path]) -> None:
    pictures[0].unlink()
    out = tmp_path / "out"
    (failed,) = write_label_folders([tagged(pictures[0], CAT), tagged(pictures[1], CAT)], out, "en", unlabelled="none")
    assert isinstance(failed.error, PictureMissing)
    assert [path.name for path in (out / "cat").iterdir()] == ["1.jpg"]
