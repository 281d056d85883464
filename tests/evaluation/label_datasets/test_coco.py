"""Instances in the format of COCO."""

import json
from pathlib import Path
from typing import Any

import pytest

from reranker.core.errors import DatasetFormatUnknown
from reranker.evaluation.label_datasets.loading import open_label_dataset
from tests.support.dataset_files import put_pictures
from tests.support.label_datasets import VOCABULARY, known, label_faults_of

IMAGES = [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2, 3)]
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}]
ANNOTATIONS = [
    {"image_id": 1, "category_id": 18, "bbox": [0, 0, 1, 1]},
    {"image_id": 1, "category_id": 18},
    {"image_id": 1, "category_id": 90},
    {"image_id": 2, "category_id": 3},
]


def write(folder: Path, **parts: Any) -> Path:
    file = folder / "annotations" / "instances_val2017.json"
    file.parent.mkdir(exist_ok=True)
    content = {"images": IMAGES, "annotations": ANNOTATIONS, "categories": CATEGORIES, **parts}
    file.write_text(json.dumps(content), encoding="utf-8")
    put_pictures(folder, *(f"val2017/{image['id']}.jpg" for image in IMAGES))
    return file


def test_a_picture_has_the_categories_of_its_annotations_and_none_of_the_others(tmp_path: Path) -> None:
    file = write(tmp_path)
    assert known(file) == {
        "1.jpg": ({"dog", "animal"}, {"car"}),
        "2.jpg": ({"car"}, {"dog"}),
        "3.jpg": (set(), {"dog", "car"}),
    }
    dataset = open_label_dataset(str(file), VOCABULARY)
    assert (dataset.name, dataset.unknown_categories) == ("instances_val2017.json", ("toothbrush",))
    assert dataset.pictures[0].source.read_bytes() == (tmp_path / "val2017/1.jpg").read_bytes()


def test_pictures_lie_beside_the_file_or_in_a_folder_that_it_names(tmp_path: Path) -> None:
    put_pictures(tmp_path / "annotations", "1.jpg", "photos/2.jpg")
    images = [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "photos/2.jpg"}]
    assert set(known(write(tmp_path, images=images))) == {"1.jpg", "photos/2.jpg"}


def test_missing_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path)
    (tmp_path / "val2017/1.jpg").unlink()
    dataset = open_label_dataset(str(file), VOCABULARY)
    assert ([picture.name for picture in dataset.pictures], dataset.missing_pictures) == (["2.jpg", "3.jpg"], 1)


@pytest.mark.parametrize(
    ("parts", "faults"),
    [
        ({"images": [*IMAGES, {"id": 4}]}, [(None, "field", "images[3].file_name")]),
        ({"images": [*IMAGES, {"id": 1, "file_name": "4.jpg"}]}, [(None, "id twice", "1")]),
        ({"categories": [*CATEGORIES, {"id": 18, "name": "cat"}]}, [(None, "id twice", "18")]),
        ({"annotations": [{"image_id": 1}, {}]}, [
            (None, "field", "annotations[0].category_id"),
            (None, "field", "annotations[1].image_id"),
            (None, "field", "annotations[1].category_id"),
        ]),
        ({"annotations": [{"image_id": 9, "category_id": 18}]}, [(None, "unknown picture", "9")]),
        ({"annotations": [{"image_id": 1, "category_id": 7}]}, [(None, "unknown category", "7")]),
        ({"categories": CATEGORIES[2:], "annotations": []}, [(None, "no known labels", "")]),
    ],
)  # fmt: skip
def test_every_fault_is_reported(tmp_path: Path, parts, faults) -> None:
    assert label_faults_of(write(tmp_path, **parts)) == [("instances_val2017.json", *fault) for fault in faults]


def test_pictures_that_are_all_missing_are_a_fault(tmp_path: Path) -> None:
    file = write(tmp_path)
    for picture in (tmp_path / "val2017").iterdir():
        picture.unlink()
    assert [fault[2] for fault in label_faults_of(file)] == ["pictures elsewhere"]


def test_damaged_files_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"images":\n[,]}', encoding="utf-8")
    assert label_faults_of(file) == [("a.json", 2, "not JSON", "")]
    file.write_bytes(b"{\n\xff}")
    assert label_faults_of(file) == [("a.json", 2, "not UTF-8", "")]


def test_captions_are_another_format(tmp_path: Path) -> None:
    file = write(tmp_path, categories=[])
    with pytest.raises(DatasetFormatUnknown):
        open_label_dataset(str(file), VOCABULARY)
