"""The status line, and a run that is watched."""

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from reranker import Candidate, Query, Ranking
from reranker.core.errors import (
    PictureForbidden,
    PictureSkipped,
    PictureUnreadable,
)
from reranker.ui.run_progress import CARDS_WHILE_RUNNING, end_status, follow_run, progress_text
from reranker.ui.uploads import CheckedPictures
from tests.support.results import failed, scored
from tests.support.scripted_scorer import PATIENCE_S


@pytest.mark.parametrize(
    ("done", "elapsed_s", "language", "text"),
    [
        (12, 12 / 6.2, "en", "12/50 · dog_park_03.jpg · 6.2 pictures/s · 6 s left"),
        (12, 12 / 6.2, "zh", "12/50 · dog_park_03.jpg · 6.2 张/秒 · 剩余 6 秒"),
        (1, 5.0, "en", "1/50 · dog_park_03.jpg"),
        (2, 0.0, "en", "2/50 · dog_park_03.jpg"),
        (2, 9.0, "en", "2/50 · dog_park_03.jpg · 0.2 pictures/s"),
        (3, 9.0, "en", "3/50 · dog_park_03.jpg · 0.3 pictures/s · 2 min left"),
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


class Told:
    """A stream that gives what it is told to give, and remembers that it was closed."""

    def __init__(self, *items: object) -> None:
        self.items, self.closed, self.queue_position, self.coarse_count = items, threading.Event(), None, None

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
    stream.queue_position = 2
    views = follow_run(stream, admission, query="?", temperature=1, language="en")
    assert next(views).status.text == "0/1 · reading the pictures"
    assert next(views).status.text == "0/1 · waiting for 2 batches of other users"
    stream.queue_position = 1
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


def test_a_stopped_run_never_says_that_nothing_matches():
    stream, admission = told(2)
    *events, ranking = stream.items
    skipped = failed(1, PictureSkipped(name="1.png"))
    for events_shown, says in (((events[0], events[1]), True), ((events[0], skipped), False)):
        stream.items = (*events_shown, ranking)
        followed = follow_run(stream, admission, query="?", temperature=1, language="en", relevance_threshold=9.99)
        *_, last = followed
        assert ("No picture matches" in last.status.text) is says
        assert bool(last.ranking_view.note) is says


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
