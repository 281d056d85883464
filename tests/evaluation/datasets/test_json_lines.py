"""Labelled pictures as JSON Lines, and which form of dataset a spec stands for."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import DatasetFormatUnknown, DatasetMissing, DatasetSpecInvalid
from reranker.evaluation.datasets.json_lines import as_line
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, language_of
from reranker.i18n.error_messages import sentence
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


def found_in(file: Path, *records: object) -> list[tuple[int | None, str, str]]:
    """The faults of records as a file: line, reason, value."""
    write(file, *records)
    faults = faults_of(file)
    assert {name for name, *_ in faults} == {file.name}
    return [(line, reason, value) for _, line, reason, value in faults]


# Languages


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("a red dress", "en"),
        ("红裙子", "zh"),
        ("红裙子，2 件！", "zh"),
        ("一只 black cat", "mixed"),
        ("一只 é", "mixed"),
        ("𠀀", "zh"),
        ("", "en"),
        ("123 !?", "en"),
        ("ドレス", "en"),
    ],
)
def test_a_query_has_the_language_of_its_letters(query, language):
    assert language_of(query) == language


@given(st.text(), st.text())
def test_joining_two_queries_mixes_their_languages_or_keeps_one(one, other):
    languages = {language_of(one), language_of(other)}
    merge_rankings = language_of(f"{one} {other}")
    if len(languages) == 1:
        assert {merge_rankings} == languages
    elif "en" in languages:
        assert merge_rankings in {"mixed", *languages} - {"en"}
    else:
        assert merge_rankings == "mixed"


# Sets


def test_a_line_is_a_set_whose_paths_count_from_the_folder_of_the_file(labels):
    dataset = opened(labels, GOOD)
    assert dataset.name == "labels.jsonl"
    (only,) = dataset.sets
    assert (only.id, only.query, only.language) == ("1", "a red dress", "en")
    assert only.pictures == (
        LabelledPicture(name="a.jpg", source=labels.parent / "a.jpg", gain=1, grade=1.0),
        LabelledPicture(name="b.jpg", source=labels.parent / "b.jpg", gain=0, grade=0.0),
        LabelledPicture(name="sub/c.png", source=labels.parent / "sub/c.png", gain=0, grade=0.0),
    )


def test_relevance_may_be_graded_and_kinds_be_named(labels):
    graded = GOOD | {"relevant": {"sub/c.png": 3, "b.jpg": 1, "a.jpg": 0}, "kinds": {"a.jpg": "colour"}, "id": "red"}
    (only,) = opened(labels, graded).sets
    assert only.id == "red"
    assert [(one.gain, one.grade, one.kind) for one in only.pictures] == [
        (0, 0.0, "colour"),
        (1, 1.0, ""),
        (3, 3.0, ""),
    ]


def test_graded_pictures_may_all_be_right(labels):
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


def test_a_set_with_the_same_query_is_another_one_if_its_pictures_are(labels):
    assert len(opened(labels, GOOD, GOOD | {"pictures": PICTURES[:2]}).sets) == 2


def test_thousands_of_sets_about_one_query_are_read(labels):
    names = [f"{number}.jpg" for number in range(60)]
    put_pictures(labels.parent, *names)
    pairs = [(one, other) for place, one in enumerate(names) for other in names[:place]]
    dataset = opened(labels, *(GOOD | {"pictures": pair, "relevant": [pair[0]]} for pair in pairs))
    assert len(dataset.sets) == len(pairs) == 1770
    objects = {id(picture) for one in dataset.sets for picture in one.pictures}
    assert len(objects) < 2 * len(names)  # a picture is not kept anew for each set


# What is wrong with a line


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
        ({"relevant": []}, [("no right picture", "")]),
        ({"relevant": {"a.jpg": 0}}, [("no right picture", "")]),
        ({"relevant": PICTURES}, [("only right pictures", "")]),
        ({"relevant": {"a.jpg": 1.5}}, [("relevance", "1.5")]),
        ({"relevant": {"a.jpg": -1, "b.jpg": True}}, [("relevance", "-1"), ("relevance", "true")]),
        ({"relevant": {"a.jpg": [1]}}, [("relevance", "[1]")]),
        ({"relevant": {"a.jpg": "高"}}, [("relevance", '"高"')]),
        ({"relevant": {"a.jpg": 10**400}}, [("relevance", str(10**400))]),
    ],
)
def test_each_fault_of_a_line_is_said_with_its_number(labels, given, expected):
    text = [json.dumps(GOOD | {"query": "another"}), "", json.dumps(GOOD | given)]
    labels.write_text("\n".join(text), encoding="utf-8")
    assert faults_of(labels) == [("labels.jsonl", 3, *each) for each in expected]


@pytest.mark.parametrize("field", ["query", "pictures", "relevant"])
def test_a_missing_field_is_named(labels, field):
    record = {name: value for name, value in GOOD.items() if name != field}
    assert found_in(labels, GOOD, record) == [(2, "field", field)]


def test_what_is_there_twice_is_said_where_it_comes_again(labels):
    again = GOOD | {"pictures": PICTURES[::-1], "id": "red"}
    third = GOOD | {"query": "a dress", "id": 1}
    assert found_in(labels, GOOD, again, third) == [(2, "set twice", "1"), (3, "id twice", "1")]


@pytest.mark.parametrize("text", ["{", "{'a': 1}", "[" * 100_000, '{"query": 1' + "0" * 5000 + "}", "a dress"])
def test_a_line_that_is_no_json_is_said_to_be_none(labels, text):
    labels.write_text(f"{json.dumps(GOOD)}\n{text}\n", encoding="utf-8")
    assert faults_of(labels) == [("labels.jsonl", 2, "not JSON", "")]


@pytest.mark.parametrize("text", ["[]", "3", '"a dress"', "null"])
def test_a_line_that_is_no_object_is_said_to_be_none(labels, text):
    labels.write_text(f"{json.dumps(GOOD)}\n{text}\n", encoding="utf-8")
    assert faults_of(labels) == [("labels.jsonl", 2, "not an object", "")]


def test_all_faults_are_found_at_once(labels):
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
def test_a_file_without_sets_is_told_so(labels, text):
    labels.write_text(text)
    assert faults_of(labels) == [("labels.jsonl", None, "no sets", "")]


@pytest.mark.parametrize(
    ("encoding", "line"), [("gbk", 3), ("gb18030", 3), ("utf-16", 1), ("utf-16-le", 1), ("utf-16-be", 1), ("big5", 3)]
)
def test_another_encoding_is_said_with_the_line_where_it_begins(labels, encoding, line):
    english, chinese = json.dumps(GOOD), json.dumps(GOOD | {"query": "紅色的裙子"}, ensure_ascii=False)
    labels.write_bytes(f"{english}\n\n{chinese}\n".encode(encoding))
    assert faults_of(labels) == [("labels.jsonl", line, "not UTF-8", "")]


def test_a_mark_at_the_start_does_not_move_the_line_of_another_encoding(labels):
    labels.write_bytes(b"\xef\xbb\xbf" + b"\n" * 6 + b"\xff\n")
    assert faults_of(labels) == [("labels.jsonl", 7, "not UTF-8", "")]


def test_a_file_that_cannot_be_read_is_told_so(labels, monkeypatch):
    write(labels, GOOD)
    real = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "labels.jsonl":
            raise PermissionError
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert faults_of(labels) == [("labels.jsonl", None, "no access", "")]


# Lines that the program writes


@settings(deadline=None)
@given(st.text(min_size=1).filter(str.strip), st.booleans())
def test_a_written_line_is_read_back(query, is_second):
    with tempfile.TemporaryDirectory() as folder:
        put_pictures(Path(folder), "a.jpg", "b.jpg")
        right = "b.jpg" if is_second else "a.jpg"
        file = Path(folder, "labels.jsonl")
        line = as_line(query, ["a.jpg", "b.jpg"], [right])
        assert line.index("\n") == len(line) - 1
        file.write_bytes((line + as_line("x" + query, ["b.jpg", "a.jpg"], [right])).encode())
        one, other = open_dataset(str(file)).sets
        assert (one.query, other.query) == (query, "x" + query)
        assert [picture.name for picture in one.pictures if picture.is_relevant] == [right]
        assert [picture.name for picture in other.pictures] == ["b.jpg", "a.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
@pytest.mark.parametrize(
    "name", ["红 裙.jpg", 'a"b\\.jpg', "a\nb.jpg", "a\u2028\x85b.jpg", "\udcff\udcfe.jpg", "{}'.jpg"]
)
def test_a_written_line_leads_to_pictures_of_any_name(tmp_path, name):
    put_pictures(tmp_path, "a.jpg")
    (tmp_path / name).write_bytes(b"x")
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(as_line("a dress", ["a.jpg", name], [name]).encode("utf-8"))
    (only,) = open_dataset(str(labels)).sets
    assert [(one.name, one.gain) for one in only.pictures] == [("a.jpg", 0), (name, 1)]


def test_a_written_line_has_its_characters_as_they_are():
    assert as_line("红裙子", ["红.jpg"], []) == '{"query": "红裙子", "pictures": ["红.jpg"], "relevant": []}\n'


# What a spec stands for


@pytest.mark.parametrize(
    "spec", ["gone", "gone.jsonl", "gone/labels.jsonl", "gone:3:4", "C:\\labels", "", ":5", "a" * 5000]
)
def test_what_is_not_there_is_told_so(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetMissing):
        open_dataset(spec)


def test_a_missing_dataset_is_named_without_its_folders(tmp_path):
    with pytest.raises(DatasetMissing) as caught:
        open_dataset(str(tmp_path / "gone.jsonl"))
    assert caught.value.name == "gone.jsonl"


@pytest.mark.parametrize("name", ["a.jpg", "notes.md", "notes.txt", "table.csv", "thing.json", "empty.token"])
def test_a_file_of_no_known_form_gets_the_forms_that_are(tmp_path, name):
    texts = {"notes.txt": "hello\n", "table.csv": "a,b\n1,2\n", "thing.json": '{"images": [3], "annotations": []}'}
    (tmp_path / name).write_text(texts.get(name, ""))
    with pytest.raises(DatasetFormatUnknown) as caught:
        open_dataset(f"{tmp_path / name}:5")
    assert caught.value.name == name
    for word in (".jsonl", "sub-folder", "TREC", "BEIR", "COCO", "Karpathy", "Flickr", "toybox"):
        assert word in sentence(caught.value, "en")
    for word in (".jsonl", "子文件夹", "TREC", "BEIR", "COCO", "Karpathy", "Flickr", "toybox"):
        assert word in sentence(caught.value, "zh")


@pytest.mark.parametrize("names", [[], ["a.jpg"], ["sub/notes.txt"], ["sub/deeper/a.jpg"], [".hidden/a.jpg"]])
def test_a_folder_of_no_known_form_is_told_so(tmp_path, names):
    put_pictures(tmp_path, *names)
    with pytest.raises(DatasetFormatUnknown) as caught:
        open_dataset(str(tmp_path))
    assert caught.value.name == tmp_path.name


def test_numbers_behind_a_file_that_says_its_sets_are_refused(labels):
    write(labels, GOOD)
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"{labels}:5")
    assert (caught.value.name, caught.value.reason) == ("labels.jsonl", "not allowed")


@pytest.mark.parametrize(
    ("numbers", "reason"), [("0", "sets"), ("3:1", "candidates"), ("3:0:4", "candidates"), ("1:2:3:4", "too many")]
)
def test_numbers_that_cannot_be_meant_are_refused(numbers, reason):
    with pytest.raises(DatasetSpecInvalid) as caught:
        open_dataset(f"toybox:{numbers}")
    assert (caught.value.name, caught.value.reason) == ("toybox", reason)


def test_a_name_that_ends_in_numbers_is_meant_where_it_is_there(tmp_path):
    put_pictures(tmp_path, "12:30/red/a.jpg", "12:30/blue/b.jpg")
    assert open_dataset(str(tmp_path / "12:30")).name == "12:30"
    assert open_dataset(f"{tmp_path / '12:30'}:1:2:3").name == "12:30:1:2:3"


def test_the_folder_that_one_is_in_has_its_own_name(tmp_path, monkeypatch):
    put_pictures(tmp_path, "photos/red/a.jpg", "photos/blue/b.jpg")
    monkeypatch.chdir(tmp_path / "photos" / "red")
    assert open_dataset("..").name == "photos"
    monkeypatch.chdir("..")
    assert open_dataset(".").name == "photos"
    assert open_dataset("./").sets[0].pictures[0].source.is_file()


def test_a_folder_called_toybox_is_reached_by_its_path(tmp_path, monkeypatch):
    put_pictures(tmp_path, "toybox/red/a.jpg", "toybox/blue/b.jpg")
    monkeypatch.chdir(tmp_path)
    assert [one.query for one in open_dataset("./toybox").sets] == ["blue", "red"]
    assert open_dataset("toybox:1:2").name == "toybox:1:2:0"
