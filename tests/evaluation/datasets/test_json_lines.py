"""Labelled sets as JSON Lines."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.text import is_blank
from reranker.evaluation.datasets.json_lines import as_line
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.datasets.types import Dataset, LabelledPicture
from tests.support.dataset_files import faults_of, put_pictures

PICTURES = ["a.jpg", "b.jpg", "sub/c.png"]
GOOD = {"query": "a red dress", "pictures": PICTURES, "relevant": ["a.jpg"]}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    put_pictures(tmp_path, *PICTURES)
    return tmp_path / "labels.jsonl"


def write(file: Path, *records: object) -> None:
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def opened(file: Path, *records: object) -> Dataset:
    write(file, *records)
    return open_dataset(str(file))


def faults_in(file: Path, *records: object) -> list[tuple[int | None, str, str]]:
    """Return the faults of a file with these records: line, reason, value."""
    write(file, *records)
    faults = faults_of(file)
    assert {name for name, *_ in faults} == {file.name}
    return [(line, reason, value) for _, line, reason, value in faults]


# Sets


def test_a_line_is_a_set_with_paths_relative_to_the_folder_of_the_file(labels):
    dataset = opened(labels, GOOD)
    assert dataset.name == "labels.jsonl"
    (only,) = dataset.sets
    assert (only.id, only.query, only.language) == ("1", "a red dress", "en")
    assert only.pictures == (
        LabelledPicture(name="a.jpg", source=labels.parent / "a.jpg", gain=1, grade=1.0),
        LabelledPicture(name="b.jpg", source=labels.parent / "b.jpg", gain=0, grade=0.0),
        LabelledPicture(name="sub/c.png", source=labels.parent / "sub/c.png", gain=0, grade=0.0),
    )


def test_relevance_may_have_gains_and_kinds(labels):
    graded = GOOD | {"relevant": {"sub/c.png": 3, "b.jpg": 1, "a.jpg": 0}, "kinds": {"a.jpg": "colour"}, "id": "red"}
    (only,) = opened(labels, graded).sets
    assert only.id == "red"
    assert [(one.gain, one.grade, one.kind) for one in only.pictures] == [
        (0, 0.0, "colour"),
        (1, 1.0, ""),
        (3, 3.0, ""),
    ]


def test_all_pictures_may_be_relevant_with_different_gains(labels):
    (only,) = opened(labels, GOOD | {"relevant": {"a.jpg": 2, "b.jpg": 1, "sub/c.png": 1}}).sets
    assert all(one.is_relevant for one in only.pictures)


def test_ids_are_the_numbers_of_the_lines_and_blank_lines_count(labels):
    other = json.dumps(GOOD | {"query": "红裙子", "id": None})
    labels.write_text(f"\n{json.dumps(GOOD)}\r\n  \n{other}\n\n", encoding="utf-8-sig")
    dataset = open_dataset(str(labels))
    assert [(one.id, one.query) for one in dataset.sets] == [("2", "a red dress"), ("4", "红裙子")]


def test_paths_may_be_absolute(labels, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    put_pictures(elsewhere, "d.jpg")
    name = str(elsewhere / "d.jpg")
    (only,) = opened(labels, GOOD | {"pictures": ["a.jpg", name]}).sets
    assert only.pictures[1].source == elsewhere / "d.jpg"
    assert only.pictures[1].name == name


def test_sets_with_the_same_query_may_have_different_pictures(labels):
    assert len(opened(labels, GOOD, GOOD | {"pictures": PICTURES[:2]}).sets) == 2


def test_thousands_of_sets_with_the_same_query_share_their_pictures(labels):
    names = [f"{number}.jpg" for number in range(60)]
    put_pictures(labels.parent, *names)
    pairs = [(one, other) for place, one in enumerate(names) for other in names[:place]]
    dataset = opened(labels, *(GOOD | {"pictures": pair, "relevant": [pair[0]]} for pair in pairs))
    assert len(dataset.sets) == len(pairs) == 1770
    objects = {id(picture) for one in dataset.sets for picture in one.pictures}
    assert len(objects) < 2 * len(names)  # sets share the objects


# Faults


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"query": " \t"}, [("empty query", "")]),
        ({"query": None}, [("field", "query")]),
        ({"query": "\ud83d"}, [("field", "query")]),
        ({"pictures": "a.jpg"}, [("field", "pictures")]),
        ({"pictures": ["a.jpg", 3]}, [("field", "pictures")]),
        ({"pictures": ["a.jpg", ""]}, [("field", "pictures")]),
        ({"relevant": "a.jpg"}, [("field", "relevant")]),
        ({"relevant": None}, [("field", "relevant")]),
        ({"id": ""}, [("field", "id")]),
        ({"id": True}, [("field", "id")]),
        ({"kinds": ["colour"]}, [("field", "kinds")]),
        ({"kinds": {"a.jpg": 3}, "id": 1.5}, [("field", "id"), ("field", "kinds")]),
        ({"pictures": [], "relevant": []}, [("too few pictures", "0")]),
        ({"pictures": ["a.jpg"]}, [("too few pictures", "1")]),
        ({"pictures": ["a.jpg", "gone.jpg"]}, [("picture missing", "gone.jpg")]),
        ({"pictures": ["a.jpg", "sub"]}, [("picture missing", "sub")]),
        ({"pictures": ["a.jpg", "b\0.jpg"]}, [("picture missing", "b\0.jpg")]),
        ({"pictures": ["a.jpg", "b" * 5000]}, [("picture missing", "b" * 5000)]),
        ({"pictures": ["a.jpg", "b.jpg", "a.jpg"]}, [("picture twice", "a.jpg")]),
        ({"pictures": ["a.jpg", "b.jpg", "./a.jpg"]}, [("picture twice", "./a.jpg")]),
        ({"relevant": ["a.jpg", "d.jpg"]}, [("not among the pictures", "d.jpg")]),
        ({"relevant": {"d.jpg": 1}}, [("not among the pictures", "d.jpg")]),
        ({"kinds": {"d.jpg": "colour"}}, [("not among the pictures", "d.jpg")]),
        ({"relevant": []}, [("no relevant picture", "")]),
        ({"relevant": {"a.jpg": 0}}, [("no relevant picture", "")]),
        ({"relevant": PICTURES}, [("only relevant pictures", "")]),
        ({"relevant": {"a.jpg": 1.5}}, [("relevance", "1.5")]),
        ({"relevant": {"a.jpg": -1, "b.jpg": True}}, [("relevance", "-1"), ("relevance", "true")]),
        ({"relevant": {"a.jpg": [1]}}, [("relevance", "[1]")]),
        ({"relevant": {"a.jpg": "高"}}, [("relevance", '"高"')]),
        ({"relevant": {"a.jpg": 10**400}}, [("relevance", str(10**400))]),
    ],
)
def test_faults_of_a_line_are_reported_with_its_number(labels, given, expected):
    text = [json.dumps(GOOD | {"query": "another"}), "", json.dumps(GOOD | given)]
    labels.write_text("\n".join(text), encoding="utf-8")
    assert faults_of(labels) == [("labels.jsonl", 3, *each) for each in expected]


@pytest.mark.parametrize("field", ["query", "pictures", "relevant"])
def test_a_missing_field_is_reported(labels, field):
    record = {name: value for name, value in GOOD.items() if name != field}
    assert faults_in(labels, GOOD, record) == [(2, "field", field)]


def test_duplicates_are_reported_with_the_later_line(labels):
    again = GOOD | {"pictures": PICTURES[::-1], "id": "red"}
    third = GOOD | {"query": "a dress", "id": 1}
    assert faults_in(labels, GOOD, again, third) == [(2, "set twice", "1"), (3, "id twice", "1")]


@pytest.mark.parametrize("text", ["{", "{'a': 1}", "[" * 100_000, '{"query": 1' + "0" * 5000 + "}", "a dress"])
def test_a_line_that_is_not_json_is_a_fault(labels, text):
    labels.write_text(f"{json.dumps(GOOD)}\n{text}\n", encoding="utf-8")
    assert faults_of(labels) == [("labels.jsonl", 2, "not JSON", "")]


@pytest.mark.parametrize("text", ["[]", "3", '"a dress"', "null"])
def test_a_line_that_is_not_an_object_is_a_fault(labels, text):
    labels.write_text(f"{json.dumps(GOOD)}\n{text}\n", encoding="utf-8")
    assert faults_of(labels) == [("labels.jsonl", 2, "not an object", "")]


def test_all_faults_are_reported_together(labels):
    labels.write_text(f'[]\n{{"query": ""}}\n\n{json.dumps(GOOD | {"relevant": ["x", "y"]})}\n{{\n', encoding="utf-8")
    assert [(line, reason) for _, line, reason, _ in faults_of(labels)] == [
        (1, "not an object"),
        (2, "field"),
        (2, "field"),
        (4, "not among the pictures"),
        (4, "not among the pictures"),
        (5, "not JSON"),
    ]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_sets_is_a_fault(labels, text):
    labels.write_text(text)
    assert faults_of(labels) == [("labels.jsonl", None, "no sets", "")]


@pytest.mark.parametrize(
    ("encoding", "line"), [("gbk", 3), ("gb18030", 3), ("utf-16", 1), ("utf-16-le", 1), ("utf-16-be", 1), ("big5", 3)]
)
def test_another_encoding_is_reported_with_its_first_line(labels, encoding, line):
    english, chinese = json.dumps(GOOD), json.dumps(GOOD | {"query": "紅色的裙子"}, ensure_ascii=False)
    labels.write_bytes(f"{english}\n\n{chinese}\n".encode(encoding))
    assert faults_of(labels) == [("labels.jsonl", line, "not UTF-8", "")]


def test_a_byte_order_mark_does_not_change_the_reported_line(labels):
    labels.write_bytes(b"\xef\xbb\xbf" + b"\n" * 6 + b"\xff\n")
    assert faults_of(labels) == [("labels.jsonl", 7, "not UTF-8", "")]


def test_a_file_that_cannot_be_read_is_a_fault(labels, monkeypatch):
    write(labels, GOOD)
    real = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "labels.jsonl":
            raise PermissionError
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert faults_of(labels) == [("labels.jsonl", None, "no access", "")]


# Writing lines


@settings(deadline=None)
@given(st.text(min_size=1).filter(lambda text: not is_blank(text)), st.booleans())
def test_a_written_line_is_read_back(query, is_second):
    with tempfile.TemporaryDirectory() as folder:
        put_pictures(Path(folder), "a.jpg", "b.jpg")
        relevant = "b.jpg" if is_second else "a.jpg"
        file = Path(folder, "labels.jsonl")
        line = as_line(query, ["a.jpg", "b.jpg"], [relevant])
        assert line.index("\n") == len(line) - 1
        file.write_bytes((line + as_line("x" + query, ["b.jpg", "a.jpg"], [relevant])).encode())
        one, other = open_dataset(str(file)).sets
        assert (one.query, other.query) == (query, "x" + query)
        assert [picture.name for picture in one.pictures if picture.is_relevant] == [relevant]
        assert [picture.name for picture in other.pictures] == ["b.jpg", "a.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(
    "name", ["红 裙.jpg", 'a"b\\.jpg', "a\nb.jpg", "a\u2028\x85b.jpg", "\udcff\udcfe.jpg", "{}'.jpg"]
)
def test_a_written_line_can_have_pictures_of_any_name(tmp_path, name):
    put_pictures(tmp_path, "a.jpg")
    (tmp_path / name).write_bytes(b"x")
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(as_line("a dress", ["a.jpg", name], [name]).encode("utf-8"))
    (only,) = open_dataset(str(labels)).sets
    assert [(one.name, one.gain) for one in only.pictures] == [("a.jpg", 0), (name, 1)]


def test_a_written_line_does_not_escape_chinese():
    assert as_line("红裙子", ["红.jpg"], []) == '{"query": "红裙子", "pictures": ["红.jpg"], "relevant": []}\n'
