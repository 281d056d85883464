"""Folders with one sub-folder for each query."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import DatasetSpecInvalid
from reranker.evaluation.datasets.folders import read_folders
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.datasets.types import Sampling
from tests.support.dataset_files import faults_of, put_pictures

DRESSES = ("a red dress/1.jpg", "a red dress/2.jpg", "a red dress/10.PNG")
TRUCKS = ("消防车/1.jpg", "消防车/truck.webp")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    put_pictures(tmp_path / "photos", *DRESSES, *TRUCKS)
    return tmp_path / "photos"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with twenty sub-folders of six pictures each."""
    folder = tmp_path_factory.mktemp("many")
    put_pictures(folder, *(f"query {query}/{number}.jpg" for query in range(20) for number in range(6)))
    return folder


def relevant_by_query(spec: object) -> dict[str, list[str]]:
    return {one.query: [each.name for each in one.pictures if each.is_relevant] for one in open_dataset(str(spec)).sets}


def test_a_sub_folder_is_a_query_and_its_pictures_are_relevant(photos):
    dataset = open_dataset(str(photos))
    assert dataset.name == "photos"
    assert [(one.id, one.query, one.language) for one in dataset.sets] == [
        ("a red dress", "a red dress", "en"),
        ("消防车", "消防车", "zh"),
    ]
    for one in dataset.sets:
        assert [each.name for each in one.pictures] == [*DRESSES, *TRUCKS]  # in natural order
        assert [each.source for each in one.pictures] == [photos / name for name in (*DRESSES, *TRUCKS)]
        assert [each.gain for each in one.pictures] == [int(name.startswith(one.query)) for name in (*DRESSES, *TRUCKS)]
        assert all(each.grade == each.gain for each in one.pictures)


def test_other_files_and_folders_are_ignored(photos):
    before = open_dataset(str(photos))
    put_pictures(
        photos, "notes.txt", "beside.jpg", ".hidden/1.jpg", "消防车/.1.jpg", "消防车/notes.txt", "消防车/more/3.jpg"
    )
    assert open_dataset(str(photos)) == before


def test_equal_files_are_one_picture_that_is_relevant_for_both_queries(photos):
    (photos / "消防车/red.jpg").write_bytes((photos / "a red dress/2.jpg").read_bytes())
    (photos / "消防车/again.jpg").write_bytes((photos / "消防车/1.jpg").read_bytes())
    dataset = open_dataset(str(photos))
    assert [each.name for each in dataset.sets[0].pictures] == [*DRESSES, *TRUCKS]
    assert relevant_by_query(photos) == {
        "a red dress": list(DRESSES),
        "消防车": ["a red dress/2.jpg", "消防车/1.jpg", "消防车/truck.webp"],
    }


def test_different_files_of_the_same_size_are_different_pictures(photos):
    (photos / "消防车/1.jpg").write_bytes(b"abc")
    (photos / "a red dress/1.jpg").write_bytes(b"abd")
    assert len(open_dataset(str(photos)).sets[0].pictures) == 5


# Drawing sets


def test_numbers_draw_queries_and_pictures(many):
    dataset = open_dataset(f"{many}:8:5:3")
    assert dataset.name == f"{many.name}:8:5:3"
    assert len(dataset.sets) == 8
    assert dataset == open_dataset(f"{many}:8:5:3")
    assert dataset.sets != open_dataset(f"{many}:8:5:4").sets
    order = [one.query for one in open_dataset(str(many)).sets]
    assert [one.query for one in dataset.sets] == sorted((one.query for one in dataset.sets), key=order.index)


def test_numbers_at_the_end_may_be_omitted(many):
    assert open_dataset(f"{many}:8").name == f"{many.name}:8:15:0"
    assert open_dataset(f"{many}:8:4").sets == open_dataset(f"{many}:8:4:0").sets


@pytest.mark.extended
@settings(deadline=None)
@given(st.integers(1, 25), st.integers(2, 130), st.integers(0, 5))
def test_every_drawn_set_has_relevant_and_irrelevant_pictures_of_the_complete_set(many, sets, candidates, seed):
    complete = {one.query: one.pictures for one in open_dataset(str(many)).sets}
    drawn = read_folders(many, "many", Sampling(sets=sets, candidates=candidates, seed=seed)).sets
    assert len(drawn) == len({one.query for one in drawn}) == min(sets, 20)
    for one in drawn:
        assert len(one.pictures) == min(candidates, 120)
        assert {each.is_relevant for each in one.pictures} == {True, False}
        kept = set(one.pictures)
        assert one.pictures == tuple(
            each for each in complete[one.query] if each in kept
        )  # in their order, labels and all


@pytest.mark.parametrize(("numbers", "reason"), [("0", "sets"), ("5:1", "candidates")])
def test_too_few_sets_or_pictures_are_an_error(photos, numbers, reason):
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"{photos}:{numbers}")
    assert (caught.value.name, caught.value.reason) == ("photos", reason)


# Faults


def test_a_sub_folder_without_pictures_is_a_fault(photos):
    put_pictures(photos, "a boat/deeper/1.jpg", "a tree/notes.txt")
    assert faults_of(photos) == [("a boat", None, "no pictures", ""), ("a tree", None, "no pictures", "")]


def test_a_single_query_is_a_fault(tmp_path):
    put_pictures(tmp_path, *DRESSES)
    assert faults_of(tmp_path) == [("a red dress", None, "only relevant pictures", "")]


def test_sub_folders_with_the_same_pictures_are_a_fault(tmp_path):
    put_pictures(tmp_path, *DRESSES)
    (tmp_path / "copies").mkdir()
    for name in DRESSES:
        (tmp_path / "copies" / Path(name).name).write_bytes((tmp_path / name).read_bytes())
    assert [(file, reason) for file, _, reason, _ in faults_of(tmp_path)] == [
        ("a red dress", "only relevant pictures"),
        ("copies", "only relevant pictures"),
    ]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(("name", "reason"), [(" ", "empty query"), ("\udcff", "not UTF-8")])
def test_a_name_that_is_not_a_query_is_a_fault(photos, name, reason):
    put_pictures(photos, f"{name}/1.jpg")
    assert faults_of(photos) == [(name, None, reason, "")]


@pytest.mark.parametrize("name", ["photos", "消防车"])
def test_a_folder_that_cannot_be_read_is_a_fault(photos, name, monkeypatch):
    real = Path.iterdir

    def refuse(folder: Path) -> object:
        if folder.name == name:
            raise PermissionError
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert (name, None, "no access", "") in faults_of(photos)


def test_a_picture_that_cannot_be_compared_is_a_fault(photos, monkeypatch):
    real = Path.read_bytes
    (photos / "消防车/1.jpg").write_bytes(real(photos / "a red dress/1.jpg"))

    def refuse(path: Path) -> bytes:
        if path == photos / "消防车/1.jpg":
            raise PermissionError
        assert path.stat().st_size == (photos / "消防车/1.jpg").stat().st_size, "a file of another size was read"
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert faults_of(photos) == [("1.jpg", None, "no access", "")]
