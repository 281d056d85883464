"""Folders with one sub-folder for each label."""

from pathlib import Path

import pytest

from reranker.core.errors import DatasetFormatUnknown
from reranker.evaluation.label_datasets.loading import open_label_dataset
from tests.support.dataset_files import put_pictures
from tests.support.label_datasets import VOCABULARY, known, label_faults_of


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    put_pictures(tmp_path / "photos", "puppy/1.jpg", "puppy/2.jpg", "消防车/1.jpg", "unicorn/1.jpg")
    return tmp_path / "photos"


def test_a_picture_has_the_label_of_its_folder_and_not_those_of_the_others(photos: Path) -> None:
    assert known(photos) == {
        "puppy/1.jpg": ({"dog", "animal"}, {"fire truck"}),
        "puppy/2.jpg": ({"dog", "animal"}, {"fire truck"}),
        "unicorn/1.jpg": (set(), {"dog", "fire truck"}),
        "消防车/1.jpg": ({"fire truck"}, {"dog"}),
    }
    assert open_label_dataset(str(photos), VOCABULARY).unknown_categories == ("unicorn",)


def test_a_picture_in_several_folders_has_several_labels(photos: Path) -> None:
    (photos / "消防车/2.jpg").write_bytes((photos / "puppy/1.jpg").read_bytes())
    assert known(photos)["puppy/1.jpg"] == ({"dog", "animal", "fire truck"}, set())
    assert "消防车/2.jpg" not in known(photos)


def test_other_files_are_ignored(photos: Path) -> None:
    before = known(photos)
    put_pictures(photos, "beside.jpg", ".hidden/1.jpg", "puppy/notes.txt", "puppy/more/3.jpg")
    assert known(photos) == before


def test_faults_name_their_folder(photos: Path) -> None:
    (photos / "car").mkdir()
    assert label_faults_of(photos) == [("car", None, "no pictures", "")]


def test_a_dataset_without_a_known_label_is_refused(tmp_path: Path) -> None:
    put_pictures(tmp_path, "unicorn/1.jpg", "dragon/1.jpg")
    assert label_faults_of(tmp_path) == [(tmp_path.name, None, "no known labels", "")]


def test_a_folder_without_sub_folders_with_pictures_has_no_known_format(tmp_path: Path) -> None:
    put_pictures(tmp_path, "1.jpg")
    with pytest.raises(DatasetFormatUnknown):
        open_label_dataset(str(tmp_path), VOCABULARY)
