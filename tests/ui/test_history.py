"""Earlier rankings, comparisons and saved rankings."""

import json

import pytest

from reranker.core.errors import (
    ResultUnreadable,
)
from reranker.export.rows import rankings_as_json
from reranker.ui.history import MAX_EARLIER, History, rankings_value, read_saved_rankings
from reranker.ui.ranking_view import RankingView, make_cards
from tests.support import rankings
from tests.support.page_handlers import history_after, pressed, scripted_page
from tests.support.rankings import ranking
from tests.support.results import scored
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.visitor import visitor


def test_earlier_rankings_are_kept_and_shown_again(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder)
    history = history_after(page, "a dog", numbers, history_after(page, "a cat", numbers))
    assert [ranking_view.query for ranking_view in history.earlier] == ["a dog", "a cat"]
    opened, chosen = page.rank_handlers.change_view(history, pressed("open", index=1), visitor())
    assert ([ranking_view.query for ranking_view in opened.ranking_views], chosen) == (["a cat"], None)
    assert [ranking_view.query for ranking_view in history_after(page, "a cat", numbers, opened).earlier] == [
        "a cat",
        "a dog",
    ]
    assert page.rank_handlers.change_view(history, pressed("open", index=7), visitor())[0] is history


def test_no_more_rankings_are_kept_than_some(upload_folder, numbers):
    page, history = scripted_page(ScriptedScorer(), upload_folder), History()
    for query in range(MAX_EARLIER + 3):
        history = history_after(page, str(query), numbers, history)
    assert [ranking_view.query for ranking_view in history.earlier] == [
        str(query) for query in range(MAX_EARLIER + 2, 2, -1)
    ]


def test_two_rankings_stand_side_by_side(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder)
    history = history_after(page, "a dog", numbers, history_after(page, "a cat", numbers))
    beside, _ = page.rank_handlers.change_view(history, pressed("compare", index=1, tab=0), visitor())
    board = page.rank_handlers.draw(beside, visitor())[0]
    assert [ranking_view["query"] for ranking_view in board["compared"]] == ["a cat", "a dog"]
    before, after = (
        {card["key"]: card["rank"] for card in ranking_view["cards"]} for ranking_view in board["compared"]
    )
    assert set(before) == set(after)
    assert before != after
    for index, tab in ((9, 0), (1, 5), (None, 0)):
        assert (
            page.rank_handlers.change_view(history, pressed("compare", index=index, tab=tab), visitor())[0] is history
        )


def test_pictures_of_one_name_are_told_apart(upload_folder):
    shown = RankingView(cards=make_cards([scored(0, 1.0, "a.png"), scored(1, 0.5, "a.png")], 1.0), ended=True)
    (ranking_view,) = rankings_value(History(ranking_views=(shown,)), lambda path: path, {})["rankings"]
    assert len({card["key"] for card in ranking_view["cards"]}) == 2


def test_a_ranking_that_was_taken_away_is_opened_beside_the_shown_one(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder)
    history = history_after(page, "a cat", numbers)
    file = page.rank_handlers.download_handler("json")(history, 10, 0, visitor())["value"]
    opened = page.rank_handlers.open_saved(history_after(page, "a dog", numbers, history), {"path": file}, visitor())[1]
    (ranking_view,) = opened.ranking_views
    assert (ranking_view.query, ranking_view.note, ranking_view.ranking) == ("a cat", "toybox · fp32", None)
    assert [(card.name, card.score_text) for card in ranking_view.cards] == [
        (card.name, card.score_text) for card in history.ranking_views[0].cards
    ]
    board = page.rank_handlers.draw(opened, visitor())[0]
    assert [card["src"] for card in board["rankings"][0]["cards"]] == [None] * 4


def test_a_ranking_of_the_command_line_is_known_by_the_names_of_its_pictures():
    rows = '[{"status": "scored", "score": 9.5, "path": "photos/猫/a.png"}]'
    text = f'{{"query": "q", "judged_by": {{"model": "m", "precision": "bf16"}}, "results": {rows}}}'
    (view,) = read_saved_rankings(text.encode(), "x.json")
    assert [card.name for card in view.cards] == ["a.png"]
    assert len(read_saved_rankings(f'{{"queries": [{text}, {text}]}}'.encode(), "x.json")) == 2
    for wrong in ("NaN", "Infinity", "-1", "10.5", "1" + "0" * 400):
        with pytest.raises(ResultUnreadable):
            read_saved_rankings(text.replace("9.5", wrong).encode(), "x.json")


def test_the_rankings_of_several_queries_are_opened_together_and_their_message_replaces_that_of_a_bad_file(
    upload_folder,
):
    page = scripted_page(ScriptedScorer(), upload_folder)
    saved = [ranking(rankings.scored("photos/caf.png", 1.0), query=query) for query in ("a", "海边")]
    text = rankings_as_json(saved, judged_by={"model": "m", "precision": "bf16"})
    (upload_folder / "good.json").write_text(text.replace("caf", r"caf\udce9"), encoding="utf-8")
    (upload_folder / "bad.json").write_text("{", encoding="utf-8")
    bad, _ = page.rank_handlers.open_saved(History(), {"path": str(upload_folder / "bad.json")}, visitor())
    good, history = page.rank_handlers.open_saved(History(), {"path": str(upload_folder / "good.json")}, visitor())
    assert (bad["tone"], good["tone"], good["text"]) == ("trouble", "done", "“good.json” was opened.")
    assert [(view.query, view.cards[0].name) for view in history.ranking_views] == [
        ("a", "caf\ufffd.png"),
        ("海边", "caf\ufffd.png"),
    ]
    json.dumps(page.rank_handlers.draw(history, visitor())[0], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "5",
        '{"queries": []}',
        '{"queries": 5}',
        '{"results": [{}]}',
        "[" * 100_000,
        '{"results": 5, "query": "a"}',
    ],
)
def test_what_is_no_saved_ranking_is_one_sentence(upload_folder, text):
    page = scripted_page(ScriptedScorer(), upload_folder)
    (upload_folder / "a.json").write_text(text)
    status, history = page.rank_handlers.open_saved(History(), {"path": str(upload_folder / "a.json")}, visitor())
    assert status["text"].startswith("“a.json” is not a ranking saved by this program")
    assert "rankings" not in history
    status, _ = page.rank_handlers.open_saved(History(), {"path": "/etc/passwd"}, visitor())
    assert "outside" in status["text"]
