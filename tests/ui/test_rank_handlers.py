"""Runs of the page without a browser: their rankings, their ends, and mistakes in the input."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reranker import Query, Reranker
from reranker.core.errors import DeviceFailed
from reranker.i18n.error_messages import sentence
from reranker.ui.history import History
from reranker.ui.sessions import BrowserSessions
from tests.support.page_handlers import history_after, page_handlers, pressed, scripted_page
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number, until
from tests.support.visitor import visitor


def test_a_run_shows_the_ranking_and_hands_the_buttons_back(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    first, *_, last = page.rank_handlers.rank(
        " 猫 ", [{"image": {"path": path}} for path in numbers], History(), visitor("zh-CN")
    )
    status, history, *buttons = last
    (ranking_view,) = history.ranking_views
    assert status["text"].startswith("已排序 4 张图片")
    assert [card.name for card in ranking_view.cards] == ["2.5.png", "1.5.png", "0.5.png", "-1.5.png"]
    assert [button["interactive"] for button in first[-2:]] == [False, True]
    assert [button["interactive"] for button in buttons] == [True, False]


def test_a_book_is_drawn_with_thumbnails_and_reasons(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    Path(numbers[0]).write_text("no number")
    history = history_after(page, "cat", [*numbers, "/etc/passwd"])
    board, why, takeaway, chosen = page.rank_handlers.draw(history, visitor())
    (ranking_view,) = board["rankings"]
    assert [(card["rank"], card["name"]) for card in ranking_view["cards"]] == [
        (1, "2.5.png"),
        (2, "1.5.png"),
        (3, "0.5.png"),
    ]
    assert all(Path(card["src"]).is_relative_to(upload_folder / "thumbnails") for card in ranking_view["cards"])
    assert (ranking_view["ended"], takeaway["visible"], len(why["sentences"])) == (True, True, 2)
    assert "value" not in chosen
    assert page.rank_handlers.draw(History().start_run(1), visitor())[-1] is None


@pytest.mark.parametrize(
    ("query", "kept", "text"),
    [
        ("  ", 4, "The sentence is empty"),
        (None, 4, "The sentence is empty"),
        ("x" * 51, 4, "The sentence has 51 characters; the limit is 50"),
        ("cat", 1, "Too few pictures: 1 given, at least 2 needed"),
        ("cat", 0, "Too few pictures: 0 given, at least 2 needed"),
        ("cat", 4, "Too many pictures: 4 given, at most 3 allowed"),
    ],
)
def test_a_mistake_in_the_asking_is_one_sentence(upload_folder, numbers, query, kept, text):
    page = scripted_page(ScriptedScorer(), upload_folder, max_query_length=50, max_pictures=3)
    (outputs,) = page.rank_handlers.rank(query, numbers[:kept], History(), visitor())
    assert outputs[0]["text"].startswith(text)
    assert outputs[0]["tone"] == "trouble"
    assert [button["interactive"] for button in outputs[-2:]] == [True, False]


def test_trouble_that_nobody_foresaw_is_a_sentence_too(upload_folder, numbers, caplog):
    scorer = ScriptedScorer()
    scorer.batch_tokens = "eight"
    *_, last = scripted_page(scorer, upload_folder).rank_handlers.rank("cat", numbers, History(), visitor())
    assert last[0]["text"].startswith("An unexpected error occurred")
    assert "TypeError" in caplog.text


def test_a_gpu_that_failed_is_a_sentence(upload_folder, numbers):
    def judge(query: Query, content: bytes) -> float:
        raise DeviceFailed

    *_, last = scripted_page(ScriptedScorer(judge=judge), upload_folder).rank_handlers.rank(
        "cat", numbers, History(), visitor()
    )
    assert last[0]["text"] == sentence(DeviceFailed(), "en")
    assert [button["interactive"] for button in last[-2:]] == [True, False]


def test_stop_keeps_what_was_judged_and_names_the_rest(upload_folder, numbers):
    judging, go_on = threading.Event(), threading.Event()

    def judge(query: Query, content: bytes) -> float:
        judging.set()
        assert go_on.wait(PATIENCE_S)
        return number(query, content)

    page = scripted_page(ScriptedScorer(judge=judge, batch_tokens=1), upload_folder)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: list(page.rank_handlers.rank("cat", numbers, History(), visitor())))
        assert judging.wait(PATIENCE_S)
        assert "text" not in page.rank_handlers.stop(visitor(session="another tab"))
        assert page.rank_handlers.stop(visitor())["text"] == "Stopping after this batch …"
        go_on.set()
        *_, last = run.result(PATIENCE_S)
    status, history, *_ = last
    assert status["text"] == "Stopped · 1 of 4 pictures ranked"
    (judged,), skipped = history.ranking_views[0].cards, page.rank_handlers.draw(history, visitor())[1]["skipped"]
    assert sorted([judged.name, *skipped]) == ["-1.5.png", "0.5.png", "1.5.png", "2.5.png"]


def test_a_closed_tab_ends_its_run(upload_folder, numbers):
    scorer = ScriptedScorer(judge=number, batch_tokens=1)
    page = scripted_page(scorer, upload_folder)
    run = page.rank_handlers.rank("cat", numbers, History(), visitor())
    while next(run)[0]["percent"] in (None, 0):
        pass
    run.close()
    before = threading.active_count()
    until(lambda: threading.active_count() <= before)
    assert "text" not in page.rank_handlers.stop(visitor())


def test_a_model_that_is_not_there_is_a_sentence_without_its_folder(upload_folder, numbers):
    page = page_handlers(Reranker("/nowhere/secret/lychee-rerank-mm"), upload_folder)
    for told in (page.model_status.show(visitor()), page.rank_handlers.rank("cat", numbers, History(), visitor())):
        *_, (last, *_) = told
        assert "lychee-rerank-mm" in last["text"]
        assert "secret" not in last["text"]
        assert last["tone"] == "trouble"


def test_the_memory_of_a_card_is_in_the_status_and_how_the_model_was_loaded_in_the_greeting(upload_folder, numbers):
    scorer = ScriptedScorer(judge=number)
    scorer.device_memory = (3 * 2**29, 24 * 2**30)
    scorer.with_info(load_warnings=("fp16",))
    page = scripted_page(scorer, upload_folder)
    assert any(
        "1.5/24.0 GiB" in status["text"] for status, *_ in page.rank_handlers.rank("cat", numbers, History(), visitor())
    )
    *_, (greeting, *_) = page.model_status.show(visitor("zh-CN"))
    assert "FP16" in greeting["text"]


@pytest.mark.parametrize(("line", "says"), [(9.5, True), (9.0, False), (None, False)])
def test_where_nothing_fits_the_status_says_so(upload_folder, numbers, line, says):
    scorer = ScriptedScorer(judge=number)
    scorer.with_info(relevance_threshold=line)
    *_, (last, *_) = scripted_page(scorer, upload_folder).rank_handlers.rank(
        "cat", numbers, History(), visitor()
    )  # the best has 9.2
    assert ("No picture matches: none scores 9.5 of 10 or more" in last["text"]) is says
    assert "4 pictures ranked" in last["text"]


def test_each_line_is_a_query_of_its_own(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder)
    outputs = list(page.rank_handlers.rank("a cat\n\n 一只狗 \na cat", numbers, History(), visitor()))
    statuses, books = [status["text"] for status, *_ in outputs], [history for _, history, *_ in outputs if history]
    assert [ranking_view.query for ranking_view in books[-1].ranking_views] == ["a cat", "一只狗"]
    assert all(ranking_view.ended and len(ranking_view.cards) == 4 for ranking_view in books[-1].ranking_views)
    assert statuses[0].startswith("1/2 “a cat” · 0/4")
    assert statuses[-1].startswith("2/2 “一只狗” · 4 pictures ranked")
    running = [rank["interactive"] for *_, rank, _ in outputs]
    assert running == [False] * (len(running) - 1) + [True]


def test_a_stop_between_two_queries_hands_the_buttons_back(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    outputs = []
    for each in page.rank_handlers.rank("a cat\na dog", numbers, History(), visitor()):
        outputs.append(each)
        if " ranked" in each[0]["text"]:
            page.rank_handlers.stop(visitor())
    status, _, rank, stop = outputs[-1]
    assert (status["tone"], rank["interactive"], stop["interactive"]) == ("done", True, False)
    assert status["text"].startswith("1/2")


def test_while_a_run_goes_on_the_book_is_its_own(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(judge=number), upload_folder)
    history = history_after(page, "a cat", numbers)
    run = page.rank_handlers.rank("a dog", numbers, history, visitor())
    next(run)
    assert "rankings" not in page.rank_handlers.change_view(history, pressed("open", index=0), visitor())[0]
    status, _ = page.rank_handlers.open_saved(history, {"path": numbers[0]}, visitor())
    assert status["text"].startswith("A run is in progress")
    run.close()


def test_too_many_queries_are_one_sentence(upload_folder, numbers):
    (outputs,) = scripted_page(ScriptedScorer(), upload_folder).rank_handlers.rank(
        "\n".join(map(str, range(51))), numbers, History(), visitor()
    )
    assert outputs[0]["text"].startswith("Too many sentences: 51 given, at most 50")


def test_what_was_asked_before_costs_no_look(upload_folder, numbers):
    page = scripted_page(ScriptedScorer(), upload_folder)
    history_after(page, "a cat", numbers)
    *_, (status, *_) = page.rank_handlers.rank("a cat", numbers, History(), visitor())
    assert "4 from the cache" in status["text"]


def test_the_language_that_was_chosen_holds_for_its_tab_alone(upload_folder, numbers):
    visitors = BrowserSessions()
    visitors.set_language("zh", visitor("en", "one"))
    assert [visitors.language(visitor("en", session)) for session in ("one", "two")] == ["zh", "en"]
    visitors.close(visitor("en", "one"))
    assert visitors.language(visitor("en", "one")) == "en"
