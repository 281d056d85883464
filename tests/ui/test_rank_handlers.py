"""What happens on the page, without a browser: runs, their rankings, pictures that come in, what visitors are told."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from reranker import Candidate, Failed, Query, Ranking, Reranker, Score, Scored, Settings
from reranker.core.errors import (
    CheckpointMissing,
    PictureForbidden,
    PictureMissing,
    PictureSkipped,
    PictureUnreadable,
    ResultUnreadable,
)
from reranker.images.limits import Limits
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.explain_handlers import ExplainHandlers
from reranker.ui.galleries import Galleries
from reranker.ui.history import MAX_EARLIER, History, rankings_value, read_saved_ranking
from reranker.ui.model_status import ModelStatus
from reranker.ui.page import SAMPLES
from reranker.ui.rank_handlers import RankHandlers
from reranker.ui.ranking_view import RankingView, failure_lists, make_cards, picture_details
from reranker.ui.run_progress import CARDS_WHILE_RUNNING, end_status, follow_run, progress_text
from reranker.ui.sessions import BrowserSessions
from reranker.ui.upload_handlers import UploadHandlers
from reranker.ui.uploads import CheckedPictures, Uploads
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number, until
from tests.support.visitor import visitor


def scored(position: int, log_odds: float, name: str = "a.png", visual_tokens: int = 49) -> Scored:
    score = Score(log_odds=log_odds, visual_tokens=visual_tokens, latency_ms=1)
    return Scored(position=position, candidate=Candidate(name=name, source=Path(name)), score=score)


def failed(position: int, error: Exception) -> Failed:
    return Failed(position=position, candidate=Candidate(name=error.name, source=Path(error.name)), error=error)


# What is shown


def test_cards_tell_neighbours_apart():
    shown = make_cards([scored(0, 3.0, "b.png"), scored(1, 0.001, "c.png"), scored(2, 0.0, "d.png")], 1.0)
    assert [(card.rank, card.score_text, card.name) for card in shown] == [
        (1, "9.5", "b.png"),
        (2, "5.002", "c.png"),
        (3, "5.000", "d.png"),
    ]


def test_the_score_is_calibrated():
    (card,) = make_cards([scored(0, 2.0)], temperature=2.0)
    assert card.score_text == "7.3"


def test_a_chosen_card_tells_its_numbers():
    (card,) = make_cards([scored(0, -1.25, "猫.png", visual_tokens=64)], 1.0)
    assert picture_details(card, (1920, 1080), "zh") == [
        ["分数（0–10）", "2.2"],
        ["像素", "1,920 × 1,080"],
        ["对数几率", "-1.2500"],
        ["视觉 token 数", "64"],
        ["评分", "所在批次用时 1 毫秒"],
    ]


@pytest.mark.parametrize(
    ("latency_ms", "known", "said"),
    [
        (12.4, False, "in a batch that took 12 ms"),
        (12.4, True, "in a batch that took 12 ms, with cached features"),
        (0, True, "earlier; this is the stored score"),
    ],
)
def test_it_tells_whether_it_was_known(latency_ms, known, said):
    (card,) = make_cards([scored(0, 1.0)], 1.0)
    judged = replace(card, score=replace(card.score, latency_ms=latency_ms, cached=known))
    assert picture_details(judged, None, "en")[-1][1] == said


@pytest.mark.parametrize(
    ("done", "elapsed_s", "language", "text"),
    [
        (12, 12 / 6.2, "en", "12/50 · dog_park_03.jpg · 6.2 pictures/s · 6 s left"),
        (12, 12 / 6.2, "zh", "12/50 · dog_park_03.jpg · 6.2 张/秒 · 剩余 6 秒"),
        (1, 5.0, "en", "1/50 · dog_park_03.jpg"),
        (2, 0.0, "en", "2/50 · dog_park_03.jpg"),
        (2, 20.0, "en", "2/50 · dog_park_03.jpg · 0.1 pictures/s · 8 min left"),
        (49, 0.1, "en", "49/50 · dog_park_03.jpg · 490 pictures/s · 1 s left"),
        (50, 10.0, "en", "50/50 · dog_park_03.jpg · 5.0 pictures/s"),
    ],
)
def test_the_status_line(done, elapsed_s, language, text):
    assert progress_text(done, 50, "dog_park_03.jpg", elapsed_s, language) == text


def test_how_a_run_ended():
    broken, skipped = (
        failed(1, PictureUnreadable(name="b.png", reason="truncated")),
        failed(2, PictureSkipped(name="c.png")),
    )
    assert end_status(24, [], 3.04, "en").text == "24 pictures ranked · 3.0 s"
    assert end_status(1, [broken], 3.04, "zh").text == "已排序 1 张图片 · 1 张未评分 · 用时 3.0 秒"
    assert end_status(1, [broken, skipped], 3.04, "en").text == "Stopped · 1 of 3 pictures ranked"
    assert end_status(0, [broken], 3.04, "en").tone == "trouble"
    assert end_status(24, [], 3.04, "en", cached_count=20).text == "24 pictures ranked · 20 from the cache · 3.0 s"


def test_failures_have_reasons_and_what_was_stopped_only_names():
    shown = failure_lists(
        [failed(0, PictureUnreadable(name="b.png", reason="empty")), failed(1, PictureSkipped(name="c.png"))], "en"
    )
    assert shown["title"] == "Not scored (1)"
    assert shown["sentences"] == ["“b.png” is an empty file; export or download it again."]
    assert shown["skipped"] == ["c.png"]


# A run, watched


class Told:
    """A stream that gives what it is told to give, and remembers that it was closed."""

    def __init__(self, *items: object) -> None:
        self.items, self.closed, self.place, self.coarse_count = items, threading.Event(), None, None

    def __iter__(self) -> Iterator[object]:
        for item in self.items:
            if isinstance(item, BaseException):
                raise item
            if callable(item):
                item()
            else:
                yield item

    def close(self) -> None:
        self.closed.set()


def told(total: int) -> tuple[Told, CheckedPictures]:
    events = [scored(position, float(position), f"{position}.png") for position in range(total)]
    ranking = Ranking(query=Query(text="?"), fingerprint="", temperature=1, scored=(), failed=())
    pictures = tuple(event.candidate.source for event in events)
    return Told(*events, ranking), CheckedPictures(
        candidates=tuple(map(Candidate.of, pictures)), positions=tuple(range(total)), refused=()
    )


def test_the_status_moves_with_every_picture_and_the_cards_now_and_then():
    stream, admission = told(12)
    ticks = count()
    views = list(
        follow_run(stream, admission, query="?", temperature=1, language="en", clock=lambda: next(ticks) * 0.1)
    )
    assert [view.status.text.split(" · ")[0] for view in views[:-1]] == [f"{done}/12" for done in range(13)]
    assert [view.status.percent for view in views[:-1]] == [100 * done // 12 for done in range(13)]
    ranking_views = [view.ranking_view for view in views[1:-1] if view.ranking_view is not None]
    assert 2 <= len(ranking_views) < 10
    assert all(len(ranking_view.cards) <= CARDS_WHILE_RUNNING for ranking_view in ranking_views)
    assert [card.name for card in views[-1].ranking_view.cards] == [
        f"{position}.png" for position in reversed(range(12))
    ]
    assert [ranking_view.ended for ranking_view in ranking_views] == [False] * len(ranking_views)
    assert views[-1].ranking_view.ended
    assert stream.closed.is_set()


def test_who_reads_too_slowly_misses_pictures_and_not_the_end():
    stream, admission = told(100)
    judged = threading.Event()
    stream.items = (*stream.items, judged.set)
    views = follow_run(stream, admission, query="?", temperature=1, language="en", clock=lambda: 0.0)
    next(views)
    assert judged.wait(PATIENCE_S)
    left = list(views)
    assert len(left) < 30
    assert len(left[-1].ranking_view.cards) == 100


def test_cards_stand_still_while_no_time_passes():
    stream, admission = told(20)
    views = list(follow_run(stream, admission, query="?", temperature=1, language="en", clock=lambda: 0.0))
    assert sum(view.ranking_view is not None for view in views) == 3  # none, the first, all


def test_a_view_that_nobody_waits_for_any_more_ends_the_run():
    stream, admission = told(20)
    views = follow_run(stream, admission, query="?", temperature=1, language="en")
    next(views)
    views.close()
    assert stream.closed.is_set()


def test_who_waits_is_told_how_many_go_first():
    waiting = threading.Event()
    stream, admission = told(1)
    stream.items = (lambda: waiting.wait(PATIENCE_S), *stream.items)
    stream.place = 2
    views = follow_run(stream, admission, query="?", temperature=1, language="en")
    assert next(views).status.text == "0/1 · reading the pictures"
    assert next(views).status.text == "0/1 · waiting for 2 batches of other users"
    stream.place = 1
    assert next(views).status.text == "0/1 · waiting for 1 batch of other users"
    waiting.set()
    assert list(views)[-1].status.tone == "done"


def test_what_is_provisional_is_told_and_is_no_result():
    glimpsing, looking = threading.Event(), threading.Event()
    stream, admission = told(2)
    first, *others = stream.items
    stream.items = (lambda: glimpsing.wait(PATIENCE_S), first, lambda: looking.wait(PATIENCE_S), *others)
    stream.coarse_count = 7
    views = follow_run(stream, admission, query="?", temperature=1, language="en")
    next(views)
    view = next(views)
    assert view.status.text == "0/2 · 7 scored at low detail; the best are scored again at high detail"
    assert view.ranking_view is None
    glimpsing.set()
    judged = next(view for view in views if not view.status.text.startswith("0/2"))
    assert next(views).status == judged.status, "once there are results, they are what is told"
    looking.set()
    assert list(views)[-1].status.tone == "done"


def test_what_breaks_a_run_is_raised_where_it_is_watched():
    with pytest.raises(ZeroDivisionError):
        list(follow_run(Told(ZeroDivisionError()), told(1)[1], query="?", temperature=1, language="en"))


def test_the_refused_are_counted_and_listed_in_their_places():
    stream, _ = told(2)
    refused = failed(1, PictureForbidden(name="passwd"))
    admission = CheckedPictures(
        candidates=tuple(map(Candidate.of, ("0.png", "1.png"))), positions=(0, 2), refused=(refused,)
    )
    *_, last = follow_run(stream, admission, query="?", temperature=1, language="en")
    assert last.ranking_view.failed == (refused,)
    assert last.status.text.startswith("2 pictures ranked · 1 not scored")


# The desk


@pytest.fixture
def numbers(upload_folder) -> list[str]:
    """Uploaded files that hold their own log-odds."""
    paths = [upload_folder / f"{value}.png" for value in (-1.5, 2.5, 0.5, 1.5)]
    for path in paths:
        path.write_text(path.stem)
    return [str(path) for path in paths]


def rooms(reranker: Reranker, folder: Path) -> SimpleNamespace:
    """What serves the events of a page."""
    uploads, visitors = Uploads(folder), BrowserSessions()
    thumbnails = ThumbnailStore(uploads, reranker.limits, 2)
    return SimpleNamespace(
        uploads_=UploadHandlers(reranker, uploads, thumbnails, visitors, SAMPLES),
        runs=RankHandlers(reranker, uploads, thumbnails, visitors),
        reception=ModelStatus(reranker, visitors),
        inquiries=ExplainHandlers(reranker, thumbnails, visitors),
    )


def page_of(scorer: ScriptedScorer, folder: Path, **settings: int) -> SimpleNamespace:
    return rooms(Reranker(scorer=scorer, settings=Settings.of(model="toybox", **settings)), folder)


def pressed(action: str, **place: object) -> SimpleNamespace:
    """As the board tells of it."""
    return SimpleNamespace(_data={"action": action, **place})


def shown_at(page: SimpleNamespace, history: History, place: int) -> str:
    """By what the browser knows a picture of the first deck."""
    return page.runs.draw(history, visitor())[0]["rankings"][0]["cards"][place]["src"]


def asked(
    page: SimpleNamespace, query: str, items: list, history: History | None = None, language: str = "en"
) -> History:
    """The book after a run."""
    *_, (_, history, *_) = page.runs.rank(query, items, history or History(), visitor(language))
    return history


def test_a_run_shows_the_ranking_and_hands_the_buttons_back(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    first, *_, last = page.runs.rank(
        " 猫 ", [{"image": {"path": path}} for path in numbers], History(), visitor("zh-CN")
    )
    status, history, *buttons = last
    (ranking_view,) = history.ranking_views
    assert status["text"].startswith("已排序 4 张图片")
    assert [card.name for card in ranking_view.cards] == ["2.5.png", "1.5.png", "0.5.png", "-1.5.png"]
    assert [button["interactive"] for button in first[-2:]] == [False, True]
    assert [button["interactive"] for button in buttons] == [True, False]


def test_a_book_is_drawn_with_thumbnails_and_reasons(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    Path(numbers[0]).write_text("no number")
    history = asked(page, "cat", [*numbers, "/etc/passwd"])
    board, why, takeaway, chosen = page.runs.draw(history, visitor())
    (ranking_view,) = board["rankings"]
    assert [(card["rank"], card["name"]) for card in ranking_view["cards"]] == [
        (1, "2.5.png"),
        (2, "1.5.png"),
        (3, "0.5.png"),
    ]
    assert all(Path(card["src"]).is_relative_to(upload_folder / "thumbnails") for card in ranking_view["cards"])
    assert (ranking_view["ended"], takeaway["visible"], len(why["sentences"])) == (True, True, 2)
    assert "value" not in chosen
    assert page.runs.draw(History().start_run(1), visitor())[-1] is None


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
    page = page_of(ScriptedScorer(), upload_folder, max_query_length=50, max_pictures=3)
    (outputs,) = page.runs.rank(query, numbers[:kept], History(), visitor())
    assert outputs[0]["text"].startswith(text)
    assert outputs[0]["tone"] == "trouble"
    assert [button["interactive"] for button in outputs[-2:]] == [True, False]


def test_trouble_that_nobody_foresaw_is_a_sentence_too(upload_folder, numbers, caplog):
    scorer = ScriptedScorer()
    scorer.batch_tokens = "eight"
    *_, last = page_of(scorer, upload_folder).runs.rank("cat", numbers, History(), visitor())
    assert last[0]["text"].startswith("An unexpected error occurred")
    assert "TypeError" in caplog.text


def test_stop_keeps_what_was_judged_and_names_the_rest(upload_folder, numbers):
    judging, go_on = threading.Event(), threading.Event()

    def judge(query: Query, content: bytes) -> float:
        judging.set()
        assert go_on.wait(PATIENCE_S)
        return number(query, content)

    page = page_of(ScriptedScorer(judge=judge, batch_tokens=1), upload_folder)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(lambda: list(page.runs.rank("cat", numbers, History(), visitor())))
        assert judging.wait(PATIENCE_S)
        assert "text" not in page.runs.stop(visitor(session="another tab"))
        assert page.runs.stop(visitor())["text"] == "Stopping after this batch …"
        go_on.set()
        *_, last = run.result(PATIENCE_S)
    status, history, *_ = last
    assert status["text"] == "Stopped · 1 of 4 pictures ranked"
    (judged,), skipped = history.ranking_views[0].cards, page.runs.draw(history, visitor())[1]["skipped"]
    assert sorted([judged.name, *skipped]) == ["-1.5.png", "0.5.png", "1.5.png", "2.5.png"]


def test_a_closed_tab_ends_its_run(upload_folder, numbers):
    scorer = ScriptedScorer(judge=number, batch_tokens=1)
    page = page_of(scorer, upload_folder)
    run = page.runs.rank("cat", numbers, History(), visitor())
    while next(run)[0]["percent"] in (None, 0):
        pass
    run.close()
    before = threading.active_count()
    until(lambda: threading.active_count() <= before)
    assert "text" not in page.runs.stop(visitor())


def test_a_model_that_is_not_there_is_a_sentence_without_its_folder(upload_folder, numbers):
    page = rooms(Reranker("/nowhere/secret/lychee-rerank-mm"), upload_folder)
    for told in (page.reception.show(visitor()), page.runs.rank("cat", numbers, History(), visitor())):
        *_, (last, *_) = told
        assert "lychee-rerank-mm" in last["text"]
        assert "secret" not in last["text"]
        assert last["tone"] == "trouble"


def test_the_memory_of_a_card_is_in_the_status_and_how_the_model_was_loaded_in_the_greeting(upload_folder, numbers):
    scorer = ScriptedScorer(judge=number)
    scorer.device_memory = 3 * 2**29, 24 * 2**30
    scorer.with_info(load_warnings=("fp16",))
    page = page_of(scorer, upload_folder)
    assert any("1.5/24.0 GiB" in status["text"] for status, *_ in page.runs.rank("cat", numbers, History(), visitor()))
    *_, (greeting, *_) = page.reception.show(visitor("zh-CN"))
    assert "FP16" in greeting["text"]


class Loading(Reranker):
    """One that is half loaded until it may go on, or fails then."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("toybox", scorer=ScriptedScorer(judge=number))
        self.go_on, self.error, self.loaded = threading.Event(), error, []

    @property
    def is_loaded(self) -> bool:
        return bool(self.loaded) and self.error is None

    @property
    def loaded_share(self) -> float:
        return 0.5

    def load(self):
        self.go_on.wait(PATIENCE_S)
        self.loaded.append(threading.get_ident())
        if self.error is not None:
            raise self.error
        return super().load()


@pytest.mark.parametrize("door", ["greet", "rank"])
def test_while_the_model_loads_everybody_is_told_how_far(upload_folder, numbers, door):
    reranker = Loading()
    page = rooms(reranker, upload_folder)
    told = page.reception.show(visitor()) if door == "greet" else page.runs.rank("cat", numbers, History(), visitor())
    first, half = next(told)[0], next(told)[0]
    assert (first["percent"], half["percent"]) == (0, 50)
    assert half["text"] == "Loading the model …"
    reranker.go_on.set()
    *_, (last, *_) = told
    assert last["text"].startswith("The model “toybox” is ready" if door == "greet" else "4 pictures ranked")


@pytest.mark.parametrize("error", [TimeoutError(), CheckpointMissing(name="x", missing="config.json")])
def test_a_model_that_fails_to_load_is_said_and_tried_again(upload_folder, error):
    reranker = Loading(error)
    reranker.go_on.set()
    page = rooms(reranker, upload_folder)
    for _ in range(2):
        *_, (last, *_) = page.reception.show(visitor())
        assert last["tone"] == "trouble"
    reranker.error = None
    *_, (last, *_) = page.reception.show(visitor())
    assert last["text"].startswith("The model “toybox” is ready")


@pytest.mark.parametrize(("line", "says"), [(9.5, True), (9.0, False), (None, False)])
def test_where_nothing_fits_the_status_says_so(upload_folder, numbers, line, says):
    scorer = ScriptedScorer(judge=number)
    scorer.with_info(relevance_threshold=line)
    *_, (last, *_) = page_of(scorer, upload_folder).runs.rank("cat", numbers, History(), visitor())  # the best has 9.2
    assert ("No picture matches: none scores 9.5 of 10 or more" in last["text"]) is says
    assert "4 pictures ranked" in last["text"]


def test_more_pictures_than_allowed_are_cut_with_a_sentence(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder, max_pictures=3)
    shown, names, status = page.uploads_.upload(numbers, visitor())
    assert [name for _, name in shown] == ["-1.5.png", "2.5.png", "0.5.png"]
    assert names["title"] == "3 pictures"
    assert status["text"] == "At most 3 pictures are allowed: the first 3 of 4 were kept."


def test_samples_come_after_what_is_there_and_only_once(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder)
    shown, names, _ = page.uploads_.add_samples(numbers, visitor())
    assert len(shown) == len(numbers) + len(page.uploads_.samples)
    again, _, _ = page.uploads_.add_samples([path for path, _ in shown], visitor())
    assert again == shown
    left, names = page.uploads_.remove([path for path, _ in shown], SimpleNamespace(index=1), visitor())
    assert [name for _, name in left] == [row["name"] for row in names["items"]]
    assert "2.5.png" not in [name for _, name in left]
    assert len(left) == len(shown) - 1


def test_choosing_looks_up_what_was_shown(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    history = asked(page, "cat", numbers)
    src = shown_at(page, history, 1)
    chosen = page.inquiries.choose(history, pressed("choose", tab=0, src=src), visitor())
    assert (chosen["title"], chosen["rows"][0]) == ("#2 · 1.5.png", ["Score, 0 to 10", "8.2"])
    for tab, other in ((0, "/etc/passwd"), (0, None), (1, src), (None, src), (0, [src])):
        assert page.inquiries.choose(history, pressed("choose", tab=tab, src=other), visitor()) is None


def test_one_picture_is_asked_why_and_for_the_models_own_words(upload_folder, toybox, drawings):
    uploaded = [upload_folder / path.name for path in drawings]
    for path, source in zip(uploaded, drawings, strict=True):
        path.write_bytes(source.read_bytes())
    page = rooms(toybox, upload_folder)
    history = asked(page, "a blue car and a tree", list(map(str, uploaded)))
    place = {"tab": 0, "src": shown_at(page, history, 0)}
    panel = page.inquiries.choose(history, pressed("choose", **place), visitor())
    busy, why = page.inquiries.explain(history, panel, pressed("why", **place), visitor())
    assert (busy["busy"], why["busy"], busy["trouble"]) == (True, False, "Running the model …")
    assert [part["text"] for part in why["why"]["parts"]] == ["a blue car", "a tree"]
    assert why["why"]["parts"][0]["value"] > why["why"]["parts"][1]["value"]
    drops = why["why"]["where"]["drops"]
    assert {len(row) for row in drops} == {4} == {len(drops)}
    *_, both = page.inquiries.explain(history, why, pressed("words", **place), visitor("zh-CN"))
    assert both["words"].startswith("Score: ")
    assert both["why"] == why["why"]


def test_asking_of_what_is_not_shown_any_more_does_nothing(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    history = asked(page, "cat", numbers)
    src = shown_at(page, history, 0)
    panel = page.inquiries.choose(history, pressed("choose", tab=0, src=src), visitor())
    again = asked(page, "dog", numbers, history)
    for known, held, other in ((again, panel, src), (history, None, src), (history, panel, "/etc/passwd")):
        (answer,) = page.inquiries.explain(known, held, pressed("why", tab=0, src=other), visitor())
        assert "src" not in answer


def test_a_picture_that_is_gone_when_it_is_asked_of_is_a_sentence(upload_folder, toybox, drawings):
    gone = upload_folder / "gone.png"
    gone.write_bytes(drawings[0].read_bytes())
    page = rooms(toybox, upload_folder)
    history = asked(page, "a red house", [str(gone), str(gone)])
    place = {"tab": 0, "src": shown_at(page, history, 0)}
    panel = page.inquiries.choose(history, pressed("choose", **place), visitor())
    gone.unlink()
    *_, told = page.inquiries.explain(history, panel, pressed("why", **place), visitor())
    assert told["trouble"].startswith("“gone.png” was not found")
    assert str(upload_folder) not in told["trouble"]


# Several rankings


def test_each_line_is_a_query_of_its_own(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder)
    outputs = list(page.runs.rank("a cat\n\n 一只狗 \na cat", numbers, History(), visitor()))
    statuses, books = [status["text"] for status, *_ in outputs], [history for _, history, *_ in outputs if history]
    assert [ranking_view.query for ranking_view in books[-1].ranking_views] == ["a cat", "一只狗"]
    assert all(ranking_view.ended and len(ranking_view.cards) == 4 for ranking_view in books[-1].ranking_views)
    assert statuses[0].startswith("1/2 “a cat” · 0/4")
    assert statuses[-1].startswith("2/2 “一只狗” · 4 pictures ranked")
    running = [rank["interactive"] for *_, rank, _ in outputs]
    assert running == [False] * (len(running) - 1) + [True]


def test_a_stop_between_two_queries_hands_the_buttons_back(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    outputs = []
    for each in page.runs.rank("a cat\na dog", numbers, History(), visitor()):
        outputs.append(each)
        if " ranked" in each[0]["text"]:
            page.runs.stop(visitor())
    status, _, rank, stop = outputs[-1]
    assert (status["tone"], rank["interactive"], stop["interactive"]) == ("done", True, False)
    assert status["text"].startswith("1/2")


def test_while_a_run_goes_on_the_book_is_its_own(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    history = asked(page, "a cat", numbers)
    run = page.runs.rank("a dog", numbers, history, visitor())
    next(run)
    assert "rankings" not in page.runs.change_view(history, pressed("open", index=0), visitor())[0]
    status, _ = page.runs.open_saved(history, {"path": numbers[0]}, visitor())
    assert status["text"].startswith("A run is in progress")
    run.close()


def test_too_many_queries_are_one_sentence(upload_folder, numbers):
    (outputs,) = page_of(ScriptedScorer(), upload_folder).runs.rank(
        "\n".join(map(str, range(51))), numbers, History(), visitor()
    )
    assert outputs[0]["text"].startswith("Too many sentences: 51 given, at most 50")


def test_earlier_rankings_are_kept_and_shown_again(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder)
    history = asked(page, "a dog", numbers, asked(page, "a cat", numbers))
    assert [ranking_view.query for ranking_view in history.earlier] == ["a dog", "a cat"]
    opened, chosen = page.runs.change_view(history, pressed("open", index=1), visitor())
    assert ([ranking_view.query for ranking_view in opened.ranking_views], chosen) == (["a cat"], None)
    assert [ranking_view.query for ranking_view in asked(page, "a cat", numbers, opened).earlier] == ["a cat", "a dog"]
    assert page.runs.change_view(history, pressed("open", index=7), visitor())[0] is history


def test_no_more_rankings_are_kept_than_some(upload_folder, numbers):
    page, history = page_of(ScriptedScorer(), upload_folder), History()
    for query in range(MAX_EARLIER + 3):
        history = asked(page, str(query), numbers, history)
    assert [ranking_view.query for ranking_view in history.earlier] == [
        str(query) for query in range(MAX_EARLIER + 2, 2, -1)
    ]


def test_two_rankings_stand_side_by_side(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder)
    history = asked(page, "a dog", numbers, asked(page, "a cat", numbers))
    beside, _ = page.runs.change_view(history, pressed("compare", index=1, tab=0), visitor())
    board = page.runs.draw(beside, visitor())[0]
    assert [ranking_view["query"] for ranking_view in board["compared"]] == ["a cat", "a dog"]
    before, after = (
        {card["key"]: card["rank"] for card in ranking_view["cards"]} for ranking_view in board["compared"]
    )
    assert set(before) == set(after)
    assert before != after
    for index, tab in ((9, 0), (1, 5), (None, 0)):
        assert page.runs.change_view(history, pressed("compare", index=index, tab=tab), visitor())[0] is history


def test_pictures_of_one_name_are_told_apart(upload_folder):
    shown = RankingView(cards=make_cards([scored(0, 1.0, "a.png"), scored(1, 0.5, "a.png")], 1.0), ended=True)
    (ranking_view,) = rankings_value(History(ranking_views=(shown,)), lambda path: path, {})["rankings"]
    assert len({card["key"] for card in ranking_view["cards"]}) == 2


def test_a_ranking_that_was_taken_away_is_opened_beside_the_shown_one(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder)
    history = asked(page, "a cat", numbers)
    file = page.runs.download_handler("json")(history, 10, 0, visitor())["value"]
    opened = page.runs.open_saved(asked(page, "a dog", numbers, history), {"path": file}, visitor())[1]
    (ranking_view,) = opened.ranking_views
    assert (ranking_view.query, ranking_view.note, ranking_view.ranking) == ("a cat", "toybox · fp32", None)
    assert [(card.name, card.score_text) for card in ranking_view.cards] == [
        (card.name, card.score_text) for card in history.ranking_views[0].cards
    ]
    board = page.runs.draw(opened, visitor())[0]
    assert [card["src"] for card in board["rankings"][0]["cards"]] == [None] * 4


def test_a_ranking_of_the_command_line_is_known_by_the_names_of_its_pictures():
    rows = '[{"status": "scored", "score": 9.5, "path": "photos/猫/a.png"}]'
    text = f'{{"query": "q", "judged_by": {{"model": "m", "precision": "bf16"}}, "results": {rows}}}'
    (card,) = read_saved_ranking(text.encode(), "x.json").cards
    assert card.name == "a.png"
    for wrong in ("NaN", "Infinity", "-1", "10.5", "1" + "0" * 400):
        with pytest.raises(ResultUnreadable):
            read_saved_ranking(text.replace("9.5", wrong).encode(), "x.json")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"results": [{}]}', "[" * 100_000, '{"results": 5, "query": "a"}'])
def test_what_is_no_saved_ranking_is_one_sentence(upload_folder, text):
    page = page_of(ScriptedScorer(), upload_folder)
    (upload_folder / "a.json").write_text(text)
    status, history = page.runs.open_saved(History(), {"path": str(upload_folder / "a.json")}, visitor())
    assert status["text"].startswith("“a.json” is not a ranking saved by this program")
    assert "rankings" not in history
    status, _ = page.runs.open_saved(History(), {"path": "/etc/passwd"}, visitor())
    assert "outside" in status["text"]


def test_what_was_asked_before_costs_no_look(upload_folder, numbers):
    page = page_of(ScriptedScorer(), upload_folder)
    asked(page, "a cat", numbers)
    *_, (status, *_) = page.runs.rank("a cat", numbers, History(), visitor())
    assert "4 from the cache" in status["text"]


# Languages


def test_the_language_that_was_chosen_holds_for_its_tab_alone(upload_folder, numbers):
    visitors = BrowserSessions()
    visitors.set_language("zh", visitor("en", "one"))
    assert [visitors.language(visitor("en", session)) for session in ("one", "two")] == ["zh", "en"]
    visitors.close(visitor("en", "one"))
    assert visitors.language(visitor("en", "one")) == "en"


# Who leaves


def test_what_comes_after_the_end_of_a_tab_is_not_remembered(upload_folder):
    visitors, gone = BrowserSessions(), visitor(session="gone")
    visitors.close(gone)
    visitors.add_files([upload_folder / "a.png"], gone)
    assert visitors.close(gone) == set()


def test_a_thumbnail_is_made_anew_for_a_picture_that_changed(upload_folder):
    picture = upload_folder / "a.png"
    thumbnails = ThumbnailStore(Uploads(upload_folder), Limits(), 1)
    shown = []
    for colour in ("red", "blue"):
        Image.new("RGB", (9, 9), colour).save(picture)
        os.utime(picture, (2**31 - 1,) * 2)
        shown.append(thumbnails.get(picture).read_bytes())
    assert shown[0] != shown[1]


def test_what_a_closed_tab_alone_had_uploaded_is_deleted(upload_folder, numbers):
    page = page_of(ScriptedScorer(judge=number), upload_folder)
    first, second = visitor(session="one"), visitor(session="two")
    page.uploads_.upload(numbers[:3], first)
    page.uploads_.add_samples([], first)
    page.uploads_.upload(numbers[2:], second)
    thumbnails = [page.uploads_._uploads.thumbnail(Path(path)) for path in numbers]
    page.uploads_.close_session(first)
    assert [Path(path).exists() for path in numbers] == [False, False, True, True]
    assert [path.exists() for path in thumbnails] == [False, False, True, True]
    assert all((upload_folder / "samples" / sample.name).exists() for sample in page.uploads_.samples)
    page.uploads_.close_session(second)
    page.uploads_.close_session(second)
    assert not any(Path(path).exists() for path in numbers)


# Galleries


def test_a_gallery_of_the_server_is_read_and_never_left(upload_folder, tmp_path):
    gallery, outside = tmp_path / "名画", tmp_path / "secret"
    for folder in (gallery / "more", outside):
        folder.mkdir(parents=True)
    for path in (gallery / "2.png", gallery / "10.png", gallery / "more" / "1.png", outside / "s.png"):
        path.write_text("1")
    (gallery / "notes.txt").write_text("no picture")
    (gallery / ".hidden.png").write_text("1")
    (gallery / f"{'x' * 250}.png").write_text("1")
    Path(os.fsdecode(bytes(gallery) + b"/\xff.png")).write_text("1")
    (gallery / "link.png").symlink_to(outside / "s.png")
    uploads = Uploads(upload_folder, Galleries([gallery]))
    assert uploads.galleries.names == ["名画"]
    found = uploads.galleries.pictures("名画", 10)
    assert [path.relative_to(gallery).as_posix() for path in found] == ["2.png", "10.png", "more/1.png"]
    assert uploads.galleries.pictures("名画", 2) == found[:2]
    assert uploads.galleries.pictures("secret", 10) == []
    for path in found:
        thumbnail = uploads.thumbnail(path)
        assert thumbnail.is_relative_to(upload_folder)
        assert uploads.resolve(str(thumbnail)) == path
    mirrored = uploads.thumbnails / "galleries"
    linked, unknown = mirrored / "名画" / "link.png.jpg", mirrored / "none" / "a.png.jpg"
    for elsewhere in (gallery / "2.png", linked, unknown, mirrored / "a.png.jpg"):
        with pytest.raises((PictureForbidden, PictureMissing)):
            uploads.resolve(str(elsewhere))
    with pytest.raises(PictureForbidden):
        uploads.resolve(f"{uploads.thumbnails}/galleries/名画/../../../../secret/s.png.jpg")


def test_the_pictures_of_a_gallery_are_ranked_where_they_lie(upload_folder, tmp_path):
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    for value in ("1.5", "-2"):
        (gallery / f"{value}.png").write_text(value)
    reranker = Reranker(scorer=ScriptedScorer(judge=number), settings=Settings.of(galleries=(gallery,)))
    uploads, visitors = Uploads(upload_folder, Galleries([gallery])), BrowserSessions()
    thumbnails = ThumbnailStore(uploads, reranker.limits, 2)
    uploads_ = UploadHandlers(reranker, uploads, thumbnails, visitors, SAMPLES)
    shown, names, _ = uploads_.add_gallery([], "gallery", visitor())
    assert [row["name"] for row in names["items"]] == ["1.5.png", "-2.png"]
    assert uploads_.add_gallery([path for path, _ in shown], "gallery", visitor())[0] == shown
    *_, (_, history, *_) = RankHandlers(reranker, uploads, thumbnails, visitors).rank(
        "a", [p for p, _ in shown], History(), visitor()
    )
    assert [card.name for card in history.ranking_views[0].cards] == ["1.5.png", "-2.png"]
    assert not any(path.suffix == ".png" for path in upload_folder.rglob("*"))
