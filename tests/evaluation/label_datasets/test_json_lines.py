"""A picture and its labels a line."""

import json
from pathlib import Path

import pytest

from tests.support.dataset_files import put_pictures
from tests.support.label_datasets import known, label_faults_of


def write(folder: Path, *records: object) -> Path:
    put_pictures(folder, "a.jpg", "sub/b.jpg", "c.jpg")
    file = folder / "labels.jsonl"
    lines = (record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def test_labels_that_are_not_listed_are_unknown_beside_absent_ones(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"path": "a.jpg", "labels": ["小狗"], "absent": ["汽车"]},
        {"path": "sub/b.jpg", "labels": [], "absent": []},
    )
    assert known(file) == {"a.jpg": ({"dog", "animal"}, {"car"}), "sub/b.jpg": (set(), set())}


def test_without_absent_ones_a_picture_has_no_other_label_of_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"path": "a.jpg", "labels": ["dog", "unicorn"]},
        {"path": "sub/b.jpg", "labels": ["car"], "absent": ["fire truck"]},
        "",
        {"path": "c.jpg", "labels": [], "note": "empty"},
    )
    assert known(file) == {
        "a.jpg": ({"dog", "animal"}, {"car", "fire truck"}),
        "sub/b.jpg": ({"car"}, {"fire truck"}),
        "c.jpg": (set(), {"dog", "car", "fire truck"}),
    }


def test_every_fault_is_reported_with_its_line(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"path": "a.jpg", "labels": ["dog", "car"], "absent": ["puppy"]},
        {"path": "a.jpg", "labels": []},
        {"path": "gone.jpg", "labels": []},
        {"path": "", "labels": ["dog", ""], "absent": "cat"},
        {"labels": [3]},
        "[]",
        "{",
    )
    assert label_faults_of(file) == [
        ("labels.jsonl", 1, "label both", "dog"),
        ("labels.jsonl", 2, "picture twice", "a.jpg"),
        ("labels.jsonl", 3, "picture missing", "gone.jpg"),
        ("labels.jsonl", 4, "field", "path"),
        ("labels.jsonl", 4, "field", "labels"),
        ("labels.jsonl", 4, "field", "absent"),
        ("labels.jsonl", 5, "field", "path"),
        ("labels.jsonl", 5, "field", "labels"),
        ("labels.jsonl", 6, "not an object", ""),
        ("labels.jsonl", 7, "not JSON", ""),
    ]


@pytest.mark.parametrize(
    ("records", "reason"),
    [([], "nothing annotated"), ([{"path": "a.jpg", "labels": ["unicorn"]}], "no known labels")],
)
def test_a_file_without_known_labels_is_refused(tmp_path: Path, records, reason) -> None:
    assert label_faults_of(write(tmp_path, *records)) == [("labels.jsonl", None, reason, "")]
