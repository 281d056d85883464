"""Labelling pictures in the tab “Evaluate”."""

import base64
import json

import pytest

from reranker import Settings
from reranker.ui.session.labelled_queries import MAX_LABELLED_QUERIES
from tests.support.evaluate_tab import EvaluateTab, Missing, picture_id, pressed, shown, text
from tests.support.visitor import visitor


def data_uri(content: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(content).decode()


def listed(values: dict) -> list[tuple[str, str]]:
    return [(each["query"], each["count"]) for each in values["queries"]["queries"]["en"]]


def test_what_is_marked_becomes_a_set_and_the_board_is_ready_for_the_next(tab, numbers):
    values = tab.add(" a cat ", numbers[1], numbers[3])
    assert values["labels_said"]["tone"] == "done"
    assert text(values["labels_said"]) == "“a cat” was added to the test set; continue with another sentence."
    assert values["labels_said"]["text"]["zh"] == "“a cat”已加入测试集；请继续下一句。"
    assert (values["grid"]["relevant"], values["query"]) == ((), "")
    assert [name for _, name in values["grid"]["pictures"]] == ["a.png", "b.png", "a.png", "猫.png"]
    assert listed(values) == [("a cat", "2 of 4 right")]


def test_a_query_is_there_once_and_the_latest_stands_first(tab, numbers):
    tab.add("a cat", numbers[0])
    tab.add("一只狗", numbers[1])
    assert listed(tab.add("a cat", numbers[2], numbers[1])) == [("a cat", "2 of 4 right"), ("一只狗", "1 of 4 right")]


@pytest.mark.parametrize(
    ("query", "kept", "right", "said"),
    [
        ("a cat", 0, (), "Too few pictures: 0 given, at least 2 needed"),
        ("a cat", 1, (0,), "Too few pictures: 1 given, at least 2 needed"),
        ("a cat", 4, (), "No picture is marked; mark every picture"),
        ("a cat", 4, (0, 1, 2, 3), "All pictures are marked, so every order"),
        (" ", 4, (0,), "The sentence is empty"),
        (None, 4, (0,), "The sentence is empty"),
        ("x" * 1001, 4, (0,), "The sentence has 1,001 characters"),
    ],
)
def test_a_mistake_in_marking_is_a_sentence_and_the_marks_stay(tab, numbers, query, kept, right, said):
    tab.show(numbers[:kept])
    values = tab.add(query, *(numbers[place] for place in right))
    assert (values["labels_said"]["tone"], text(values["labels_said"]).startswith(said)) == ("trouble", True), values
    assert not values.keys() & {"grid", "query", "queries"}
    assert values["labels_said"]["text"]["zh"] != text(values["labels_said"])


def test_marks_of_what_is_not_in_the_session_count_for_nothing(tab):
    for marks in (["/etc/passwd", "other", 5, {}, None], "x", None):
        event = pressed(relevant=marks)
        values = shown(tab.label_handlers.add(tab.session.id, "a cat", event, visitor()))
        assert text(values["labels_said"]).startswith("No picture is marked")


def test_no_more_sets_are_kept_than_some(tab, numbers):
    for at in range(MAX_LABELLED_QUERIES):
        tab.add(str(at), numbers[0])
    assert text(tab.add("one more", numbers[0])["labels_said"]).startswith("Too many sentences: 201 given")
    assert tab.add("7", numbers[0])["labels_said"]["tone"] == "done", "another in the place of one"


def test_a_set_is_opened_and_removed(tab, numbers):
    tab.add("a cat", numbers[1])
    tab.add("a dog", numbers[2])
    values = tab.change(action="open", query="a cat")
    assert (values["grid"]["relevant"], values["query"]) == ((picture_id(numbers[1]),), "a cat")
    assert text(values["labels_said"]).startswith("The marks of “a cat” are shown")
    values = tab.change(action="remove", query="a cat")
    assert listed(values) == [("a dog", "1 of 4 right")]
    assert not values.keys() & {"grid", "query"}
    for unknown in ("none", None, 7):
        tab.change(action="remove", query=unknown)
        tab.change(action="open", query=unknown)
    assert listed(tab.draw()) == [("a dog", "1 of 4 right")]


def test_a_picture_that_leaves_the_session_drops_out_and_comes_back(tab, numbers):
    tab.add("a cat", numbers[1], numbers[3])
    tab.show([numbers[0], numbers[3]])
    assert listed(tab.draw()) == [("a cat", "1 of 2 right")]
    tab.show(numbers[:1])
    (only,) = tab.draw()["queries"]["queries"]["zh"]
    assert only["note"] == "不参与评测：图片已移除"
    tab.show(numbers)
    assert listed(tab.draw()) == [("a cat", "2 of 4 right")]


def test_pictures_that_are_absent_keep_their_labels_when_others_are_marked_anew(tab, numbers):
    tab.add("a cat", numbers[1], numbers[3])
    tab.show([numbers[0], numbers[1]])
    tab.add("a cat", numbers[0])
    tab.show(numbers)
    values = tab.change(action="open", query="a cat")
    assert set(values["grid"]["relevant"]) == {picture_id(numbers[0]), picture_id(numbers[3])}


def test_the_messages_of_earlier_actions_go_with_the_next(tab, numbers):
    assert text(tab.evaluate()[-1]["evaluation_said"]).startswith("The test set is empty")
    values = tab.add("a cat", numbers[1])
    assert text(values["evaluation_said"]) == ""
    assert text(tab.evaluate()[-1]["labels_said"]) == ""
    tab.add("a dog", numbers[1])
    values = tab.draw()
    assert (text(values["labels_said"]), text(values["evaluation_said"])) == ("", "")


def test_a_session_that_is_not_there_or_of_another_login_has_no_pictures(tab):
    stranger = visitor()
    stranger.username = "somebody else"
    asked = [(unknown, visitor()) for unknown in ("", "x" * 32, None, 7, ["a"], f"../{tab.session.id}")]
    for session, who in [*asked, (tab.session.id, stranger)]:
        values = shown(tab.evaluate_handlers.draw(session, who))
        assert (values["grid"]["pictures"], values["queries"]["queries"]["en"]) == ([], [])
        said = shown(tab.label_handlers.add(session, "a cat", pressed(relevant=[]), who))["labels_said"]
        assert said["tone"] == "trouble"


# The order


def test_likely_pictures_come_first_and_marks_stay(tab, numbers):
    first, *_, last = tab.order("a cat")
    assert (first["grid"]["is_ordering"], first["grid"]["relevant"]) == (True, None)
    assert last["grid"]["order"] == [picture_id(numbers[place]) for place in (1, 3, 2, 0)]
    assert (last["grid"]["is_ordering"], last["grid"]["relevant"]) == (False, None)
    assert text(last["labels_said"]).startswith("The most relevant pictures come first")


def test_an_order_that_fails_is_a_sentence(tab, numbers):
    (only,) = tab.order(" ")
    assert (only["labels_said"]["tone"], only["grid"]["is_ordering"]) == ("trouble", False)
    tab.show(numbers[:1])
    assert text(tab.order("a cat")[-1]["labels_said"]).startswith("Too few pictures: 1 given")


def test_a_model_that_cannot_be_loaded_is_a_sentence_under_the_grid(tmp_path, numbers):
    tab = EvaluateTab.of(Missing(settings=Settings.of(model="toybox")), tmp_path)
    tab.show(numbers)
    last = tab.order("a cat")[-1]
    assert text(last["labels_said"]).startswith("The model “lychee” is not on this machine")
    assert (last["grid"]["order"], last["grid"]["is_ordering"]) == (None, False)


# The file


def test_a_saved_test_set_is_confirmed_with_its_size(tab, numbers):
    assert text(tab.change(action="save")["labels_said"]).startswith("The test set is empty")
    tab.add("a cat", numbers[1])
    said = text(tab.change(action="save")["labels_said"])
    assert said.startswith("labels.jsonl was downloaded: 1 sentence, 0.1 kB.")
    assert said.endswith(
        "One picture has the same name as another; in the file it is “a (2).png”, so name the picture that way, too."
    )


def test_what_a_file_has_is_said(tab):
    lines = [
        {"query": "a cat", "pictures": ["b.png", "猫.png", "gone.png"], "relevant": ["猫.png"]},
        {"query": "nothing", "pictures": ["b.png"], "relevant": []},
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    values = tab.open_file(name="C:\\sets\\my.jsonl", data=data_uri(content))
    assert text(values["labels_said"]) == (
        "“my.jsonl” was opened: 1 sentence. 2 of its 3 pictures are here. Not here: gone.png. Add them under “Rank”. "
        "1 sentence was left out, because none or all of its pictures match."
    )
    assert listed(values) == [("a cat", "1 of 2 right")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "“x.jsonl” cannot be used"),
        (b"\xff\xfe", "“x.jsonl” cannot be used"),
        (b'{"query": "a cat"', "“x.jsonl” cannot be used"),
        (b'{"query": 1, "pictures": [], "relevant": []}', "“x.jsonl” cannot be used"),
        (b'{"query": " ", "pictures": ["a.png"], "relevant": []}', "The sentence is empty"),
        (b"[" * 5000, "“x.jsonl” cannot be used"),
        (None, "The request is larger than 8 MB"),
        (7, "The request is larger than 8 MB"),
    ],
)
def test_a_file_that_is_something_else_is_a_sentence(tab, data, said):
    sent = data_uri(data) if isinstance(data, bytes) else data
    values = tab.open_file(name="x.jsonl", data=sent)
    assert (values["labels_said"]["tone"], text(values["labels_said"])[: len(said)]) == ("trouble", said)
    assert listed(tab.draw()) == []
