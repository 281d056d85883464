"""Scenes of the drawn world with all of their labels."""

from io import BytesIO

import pytest
from PIL import Image

from reranker.core.errors import DatasetSpecInvalid
from reranker.evaluation.label_datasets.loading import open_label_dataset
from reranker.toybox.labels import label_records
from reranker.vocabulary.label_files import load_vocabulary, vocabulary_of
from tests.support.label_datasets import known

TOYBOX = load_vocabulary("toybox")


def test_all_labels_of_a_scene_are_known() -> None:
    for present, absent in known("toybox:5:3", TOYBOX).values():
        assert present | absent == set(TOYBOX.by_key)
        assert present


def test_the_numbers_are_the_scenes_and_the_seed() -> None:
    dataset = open_label_dataset("toybox:3:1", TOYBOX)
    assert (dataset.name, len(dataset.pictures)) == ("toybox:3:1", 3)
    assert dataset == open_label_dataset("toybox:3:1", TOYBOX)
    assert dataset.pictures != open_label_dataset("toybox:3:2", TOYBOX).pictures
    assert open_label_dataset("toybox:3", TOYBOX).name == "toybox:3:0"
    with Image.open(BytesIO(dataset.pictures[0].source)) as picture:
        assert picture.size > (200, 200)


def test_labels_are_found_by_their_names_in_any_language() -> None:
    chinese = vocabulary_of([record["zh"] for record in label_records()])
    names = {record["en"]: record["zh"] for record in label_records()}
    for (name, (present, _)), (same, (zh, absent)) in zip(
        known("toybox:4:0", TOYBOX).items(), known("toybox:4:0", chinese).items(), strict=True
    ):
        assert (same, zh) == (name, {names[key] for key in present})
        assert len(zh) + len(absent) == len(names)


def test_labels_that_the_vocabulary_lacks_are_named() -> None:
    dataset = open_label_dataset("toybox:2", vocabulary_of(["cat", "dragon"]))
    assert len(dataset.unknown_categories) == len(TOYBOX) - 1
    assert {key for picture in dataset.pictures for key in picture.present | picture.absent} == {"cat"}


@pytest.mark.parametrize("spec", ["toybox:0", "toybox:1:2:3"])
def test_wrong_numbers_are_refused(spec: str) -> None:
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_label_dataset(spec, TOYBOX)
    assert caught.value.reason == "scenes"
