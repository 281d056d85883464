"""The format of an annotated dataset is detected."""

from pathlib import Path

import pytest

from reranker.core.errors import DatasetFormatUnknown, DatasetMissing, DatasetSpecInvalid
from reranker.evaluation.label_datasets.loading import open_label_dataset
from tests.support.dataset_files import put_pictures
from tests.support.label_datasets import VOCABULARY


def test_a_missing_dataset_is_refused(tmp_path: Path) -> None:
    for spec in (str(tmp_path / "nowhere"), "", "nowhere:3:4"):
        with pytest.raises(DatasetMissing):
            open_label_dataset(spec, VOCABULARY)


def test_numbers_are_only_for_the_toybox(tmp_path: Path) -> None:
    put_pictures(tmp_path, "photos/dog/1.jpg")
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_label_dataset(f"{tmp_path / 'photos'}:3", VOCABULARY)
    assert (caught.value.name, caught.value.reason) == ("photos", "not allowed")


def test_other_files_have_no_known_format(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("dog", encoding="utf-8")
    with pytest.raises(DatasetFormatUnknown):
        open_label_dataset(str(tmp_path / "labels.txt"), VOCABULARY)
