"""What the label page answers to its script."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from reranker.evaluation.datasets.loading import open_dataset
from reranker.labelling.label_file import LabelFile, LabelledQuery
from tests.support.label_page import NAMES, labelling, marked


def test_sets_are_saved_shown_again_changed_and_removed(folder):
    page = labelling(folder)
    saved = page.save({"query": " a red dress ", "relevant": ["b.png", "sub/c.png"]}, "en")
    assert saved["status"]["text"] == "“a red dress” was saved. labels.jsonl has 1 labelled sentence."
    assert (saved["is_done"], saved["status"]["tone"]) == (True, "done")
    page.save({"query": "一只猫", "relevant": ["a.png"]}, "zh")
    latest, first = page.state("en")["queries"]
    assert (first["query"], first["line"], first["relevant"]) == ("a red dress", 1, ["b.png", "sub/c.png"])
    assert (latest["query"], latest["count"]) == ("一只猫", "1 of 4 right")
    changed = page.save({"query": "a blue dress", "relevant": ["d.png"], "line": 1, "saved_query": "a red dress"}, "en")
    assert changed["status"]["text"].startswith("“a blue dress” was changed.")
    assert [one["query"] for one in changed["queries"]] == ["一只猫", "a blue dress"]
    removed = page.remove({"line": 1, "saved_query": "a blue dress"}, "en")
    assert [one["query"] for one in removed["queries"]] == ["一只猫"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"query": "a cat", "relevant": []}, "No picture is marked; mark every picture"),
        ({"query": "a cat", "relevant": list(NAMES)}, "All pictures are marked, so every order"),
        ({"query": "a cat", "relevant": ["/etc/passwd", "../x.png", 5, {}, None]}, "No picture is marked"),
        ({"query": "a cat", "relevant": "a.png"}, "No picture is marked"),
        ({"query": "  ", "relevant": ["a.png"]}, "The sentence is empty"),
        ({"relevant": ["a.png"]}, "The sentence is empty"),
        ({"query": "x" * 1001, "relevant": ["a.png"]}, "The sentence has 1,001 characters; the limit is 1,000"),
        ({"query": "there", "relevant": ["a.png"]}, "“there” is labelled already"),
        (
            {"query": "new", "relevant": ["a.png"], "line": 7, "saved_query": "there"},
            "The file was changed by another program",
        ),
        (
            {"query": "new", "relevant": ["a.png"], "line": 1, "saved_query": "other"},
            "The file was changed by another program",
        ),
        (
            {"query": "new", "relevant": ["a.png"], "line": 2, "saved_query": "graded"},
            "“graded” has grades",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(folder, asked, said):
    path = folder / "labels.jsonl"
    LabelFile(path).add(marked(folder, "there", "a.png"))
    with path.open("a") as file:
        file.write('{"query": "graded", "pictures": ["a.png", "b.png"], "relevant": {"a.png": 3}}\n')
    before = path.read_bytes()
    answer = labelling(folder).save(asked, "en")
    assert answer["status"]["text"].startswith(said)
    assert (answer["status"]["tone"], answer["is_done"], len(answer["queries"])) == ("trouble", False, 2)
    assert path.read_bytes() == before
    assert labelling(folder).save(asked, "zh")["status"]["text"] != answer["status"]["text"]


def test_a_file_that_cannot_be_written_is_a_sentence_without_folders(folder):
    (folder / "labels.jsonl").mkdir()
    for language, said in (("en", "labels.jsonl"), ("zh", "labels.jsonl")):
        answer = labelling(folder).save({"query": "a cat", "relevant": ["a.png"]}, language)
        assert (answer["status"]["tone"], said in answer["status"]["text"]) == ("trouble", True)
        assert str(folder) not in json.dumps(answer)


def test_a_change_keeps_what_the_set_says_of_pictures_that_are_not_shown(folder):
    elsewhere, gone = folder.parent / "elsewhere.png", folder.parent / "gone.png"
    for path in (elsewhere, gone):
        path.write_text("1")
    pictures = (folder / "a.png", elsewhere, gone)
    file = LabelFile(folder / "labels.jsonl")
    file.add(LabelledQuery(query="a cat", pictures=pictures, relevant=(elsewhere, gone)))
    gone.unlink()
    page = labelling(folder)
    assert page.state("en")["queries"][0]["relevant"] == []
    page.save({"query": "a cat", "relevant": ["b.png"], "line": 1, "saved_query": "a cat"}, "en")
    (line,) = file.read()
    assert line.labelled.relevant == (folder / "b.png", elsewhere)
    assert line.labelled.pictures == (*(folder / name for name in NAMES), elsewhere)
    assert len(open_dataset(str(folder / "labels.jsonl")).sets[0].pictures) == 5


def test_of_several_saves_at_once_one_is_kept(folder):
    answers = labelling(folder)
    asked = {"query": "a cat", "relevant": ["a.png"]}
    with ThreadPoolExecutor(8) as tabs:
        told = list(tabs.map(lambda _: answers.save(asked, "en"), range(16)))
    assert sum(one["is_done"] for one in told) == 1
    assert len(open_dataset(str(folder / "labels.jsonl")).sets) == 1


def test_a_sentence_that_is_no_text_spoils_no_file(folder):
    answers = labelling(folder)
    assert not answers.save({"query": "x \ud800 y", "relevant": ["a.png"]}, "en")["is_done"]
    assert answers.save({"query": "x y", "relevant": ["a.png"]}, "en")["is_done"]
