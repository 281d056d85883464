"""The file of labelled queries: what is added is read back, and nothing else in it changes."""

import pytest

from reranker.core.errors import DatasetInvalid
from reranker.evaluation.datasets.loading import open_dataset
from reranker.labelling.label_file import LabelFile
from tests.support.label_page import NAMES, marked


def test_what_is_added_is_read_again_and_so_does_the_evaluation(folder):
    file = LabelFile(folder / "labels.jsonl")
    assert file.read() == []
    sets = [marked(folder, "a red dress", "a.png"), marked(folder, '一只猫\\ " {}', "b.png", "sub/c.png")]
    for one in sets:
        file.add(one)
    assert [line.labelled for line in file.read()] == sets
    assert [line.number for line in file.read()] == [1, 2]
    dataset = open_dataset(str(folder / "labels.jsonl"))
    assert [one.query for one in dataset.sets] == ["a red dress", '一只猫\\ " {}']
    right = [[picture.name for picture in one.pictures if picture.is_relevant] for one in dataset.sets]
    assert right == [["a.png"], ["b.png", "sub/c.png"]]
    assert [picture.name for picture in dataset.sets[0].pictures] == list(NAMES)


@pytest.mark.parametrize("place", ["labels.jsonl", "../labels.jsonl", "sub/labels.jsonl", "../other/labels.jsonl"])
def test_paths_count_from_the_folder_of_the_file(folder, place):
    (folder.parent / "other").mkdir()
    path = folder / place
    LabelFile(path).add(marked(folder, "a cat", "sub/c.png"))
    assert str(folder) not in path.read_text()
    (one,) = open_dataset(str(path)).sets
    assert [picture.source.read_text() for picture in one.pictures if picture.is_relevant] == ["2.5"]
    moved = folder.parent.rename(folder.parent.with_name(f"{folder.parent.name} moved")) / "photos" / place
    assert [line.labelled.relevant[0].read_text() for line in LabelFile(moved).read()] == ["2.5"]


def test_a_change_leaves_all_other_lines_as_they_are(folder):
    path = folder / "labels.jsonl"
    kept = '{"relevant": {"b.png": 2}, "pictures": ["a.png", "b.png"], "query": "graded", "id": "x"}'
    path.write_text(f"\n{kept}\n\n", encoding="utf-8-sig")
    file = LabelFile(path)
    file.add(marked(folder, "one", "a.png"))
    file.add(marked(folder, "two", "b.png"))
    assert [(line.number, line.labelled.query, line.is_plain) for line in file.read()] == [
        (2, "graded", False),
        (4, "one", True),
        (5, "two", True),
    ]
    assert file.change(4, "one", marked(folder, "uno", "d.png"))
    assert not file.change(4, "one", None), "another is there by now"
    assert not file.change(3, "one", None)
    assert [line.labelled.query for line in file.read()] == ["graded", "uno", "two"]
    assert file.change(5, "two", None)
    assert path.read_text().splitlines()[:3] == ["", kept, ""]
    assert [line.labelled.query for line in file.read()] == ["graded", "uno"]
    assert sorted(each.name for each in folder.iterdir()) == [
        ".labels.jsonl.lock",
        "a.png",
        "b.png",
        "d.png",
        "labels.jsonl",
        "sub",
    ]


def test_a_last_line_without_an_end_is_ended_first(folder):
    path = folder / "labels.jsonl"
    path.write_text('{"query": "q", "pictures": ["a.png"], "relevant": []}')
    LabelFile(path).add(marked(folder, "a cat", "a.png"))
    assert [line.labelled.query for line in LabelFile(path).read()] == ["q", "a cat"]


@pytest.mark.parametrize("text", ["{", "[]", '{"query": 5}', '{"query": "a", "pictures": ["x"], "relevant": 5}', "\0"])
def test_a_file_of_something_else_is_never_written_to(folder, text):
    path = folder / "labels.jsonl"
    path.write_text(text)
    for change in (LabelFile(path).read, lambda: LabelFile(path).add(marked(folder, "a cat", "a.png"))):
        with pytest.raises(DatasetInvalid):
            change()
    assert path.read_text() == text


def test_hashes_of_the_page_may_be_changed_and_other_fields_not(folder):
    path = folder / "labels.jsonl"
    line = '{"query": "a cat", "pictures": ["a.png", "b.png"], "relevant": ["a.png"], %s}\n'
    path.write_text(line % '"sha256": {"a.png": "0"}' + line % '"id": "7"')
    assert [each.is_plain for each in LabelFile(path).read()] == [True, False]
