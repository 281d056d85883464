"""Labelling pictures in the tab “Evaluate”."""

import pytest

from reranker.labelling.label_file import LabelledQuery
from reranker.ui.evaluate_tab.label_handlers import MAX_LABELLED_QUERIES, LabelledQueries
from tests.support.evaluate_tab import added, picture_key, pressed
from tests.support.visitor import visitor


def test_what_is_marked_becomes_a_set_and_the_board_is_ready_for_the_next(tab, numbers):
    said, sets, board, shown, query = added(tab, " a cat ", numbers, numbers[1], numbers[3])
    assert (said["tone"], said["text"]) == (
        "done",
        "“a cat” was added to the test set; continue with another sentence.",
    )
    (one,) = sets.queries
    assert (one.query, [str(path) for path in one.relevant]) == ("a cat", [numbers[1], numbers[3]])
    assert [str(path) for path in one.pictures] == numbers
    assert (board["relevant"], query) == ([], "")
    assert [row["name"] for row in board["pictures"]] == ["a.png", "b.png", "a.png", "猫.png"]
    assert [(row["query"], row["count"]) for row in shown["queries"]] == [("a cat", "2 of 4 right")]


def test_a_query_is_there_once_and_the_latest_stands_first(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[0])
    _, sets, *_ = added(tab, "一只狗", numbers, numbers[1], sets=sets)
    _, sets, *_ = added(tab, "a cat", numbers, numbers[2], sets=sets)
    assert [(one.query, str(one.relevant[0])) for one in sets.queries] == [
        ("a cat", numbers[2]),
        ("一只狗", numbers[1]),
    ]


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
    status, sets, board, _, left = added(tab, query, numbers[:kept], *(numbers[place] for place in right))
    assert (status["tone"], status["text"].startswith(said)) == ("trouble", True), status
    assert (sets.queries, board["relevant"], "value" in left) == ((), None, False)
    (again, *_) = tab.label_handlers.draw(tab.show(numbers[:kept]), sets, visitor("zh-CN"))
    assert again["text"] != status["text"], "it is said again in another language"


def test_marks_of_what_is_not_in_the_session_count_for_nothing(tab, numbers, upload_folder):
    (upload_folder / "other.png").write_text("1")
    for marks in (["/etc/passwd", str(upload_folder / "other.png"), 5, {}, None], "x", None):
        status, *_ = tab.label_handlers.add(
            tab.show(numbers), "a cat", LabelledQueries(), pressed(relevant=marks), visitor()
        )
        assert status["text"].startswith("No picture is marked")


def test_no_more_sets_are_kept_than_some(tab, numbers):
    full = LabelledQueries(
        queries=tuple(LabelledQuery(query=str(at), pictures=(), relevant=()) for at in range(MAX_LABELLED_QUERIES))
    )
    status, sets, *_ = added(tab, "one more", numbers, numbers[0], sets=full)
    assert (status["tone"], len(sets.queries)) == ("trouble", MAX_LABELLED_QUERIES)
    assert added(tab, "7", numbers, numbers[0], sets=full)[0]["tone"] == "done", "another in the place of one"


def test_a_set_is_opened_and_removed(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1])
    _, sets, *_ = added(tab, "a dog", numbers, numbers[2], sets=sets)
    status, sets, board, _, query = tab.label_handlers.change(
        tab.session.id, sets, pressed(action="open", query="a cat"), visitor()
    )
    assert (board["relevant"], query) == ([picture_key(tab, numbers[1])], "a cat")
    assert status["text"].startswith("The marks of “a cat” are shown")
    _, left, board, shown, query = tab.label_handlers.change(
        tab.session.id, sets, pressed(action="remove", query="a cat"), visitor()
    )
    assert [one["query"] for one in shown["queries"]] == ["a dog"] == [one.query for one in left.queries]
    assert (board["relevant"], "value" in query) == (None, False)
    assert tab.label_handlers.change(tab.session.id, left, pressed(action="remove", query="none"), visitor())[1] is left


def test_a_picture_that_leaves_the_session_drops_out_and_comes_back(tab, numbers):
    _, sets, *_ = added(tab, "a cat", numbers, numbers[1], numbers[3])
    _, board, shown = tab.label_handlers.draw(tab.show([numbers[0], numbers[3]]), sets, visitor())
    assert (len(board["pictures"]), shown["queries"][0]["count"]) == (2, "1 of 2 right")
    (one,) = tab.label_handlers.usable(tab.session.id, sets, visitor())
    assert [str(path) for path in one.pictures] == [numbers[0], numbers[3]]
    _, _, shown = tab.label_handlers.draw(tab.show(numbers[:1]), sets, visitor("zh"))
    assert shown["queries"][0]["note"] == "不参与评测：图片已移除"
    assert tab.label_handlers.usable(tab.session.id, sets, visitor()) == []
    assert tab.label_handlers.draw(tab.show(numbers), sets, visitor())[2]["queries"][0]["count"] == "2 of 4 right"


def test_a_session_that_is_not_there_has_no_pictures(tab, numbers):
    tab.show(numbers)
    for unknown in ("", "x" * 32, None, 7, ["a"], f"../{tab.session.id}"):
        _, board, _ = tab.label_handlers.draw(unknown, LabelledQueries(), visitor())
        assert board["pictures"] == []


def test_the_session_of_another_login_has_no_pictures(tab, numbers):
    stranger = visitor()
    stranger.username = "somebody else"
    _, board, _ = tab.label_handlers.draw(tab.show(numbers), LabelledQueries(), stranger)
    assert board["pictures"] == []
