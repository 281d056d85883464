"""Follow a run: its status after each picture, the best pictures from time to time, the whole ranking at the end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from reranker.core.errors import PictureSkipped
from reranker.core.scores import memory_text, none_relevant
from reranker.core.types import Failed, Ranking, Scored
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase
from reranker.pipelines.rerank import sort_events
from reranker.server.status import Status
from reranker.ui.ranking_view import RankingView, make_cards, with_original_position, with_refused
from reranker.ui.uploads import CheckedPictures

CARDS_INTERVAL_S: Final = 0.5
HEARTBEAT_S: Final = 0.5  # the interval between updates, and checks for a closed tab, while no picture is scored
CARDS_WHILE_RUNNING: Final = 12
SHARE_BEFORE_TIME_LEFT: Final = 0.05  # of the pictures
SECONDS_BEFORE_TIME_LEFT: Final = 10
MAX_BACKLOG: Final = 16  # if more events wait to be shown, some are only counted
# Between two statuses, for each picture on the page: with 1,000 pictures, the browser took 0.06 s for a status.
STATUS_INTERVAL_S: Final = 0.0001

Event = Scored | Failed | Ranking


@dataclass(frozen=True, kw_only=True)
class RunUpdate:
    """A new status line, and a new view of the ranking if it has changed."""

    status: Status
    ranking_view: RankingView | None = None


class Stream(Protocol):
    """The part of `reranker.pipelines.rerank.RankStream` that is used here."""

    @property
    def queue_position(self) -> int | None: ...
    @property
    def coarse_count(self) -> int | None: ...
    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...


def progress_text(done: int, total: int, name: str, elapsed_s: float, language: Language) -> str:
    """Return `12/50 · dog_park_03.jpg · 6.2 pictures/s · 7 s left`, with the rate from the second picture on.

    The first pictures say little of how long the others take, so the time left comes later.
    """
    parts = [phrase("progress", language, done=done, total=total, name=name)]
    if done > 1 and elapsed_s > 0:
        rate = done / elapsed_s
        parts.append(phrase("rate", language, rate=f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"))
        if done < total and (done >= SHARE_BEFORE_TIME_LEFT * total or elapsed_s >= SECONDS_BEFORE_TIME_LEFT):
            parts.append(remaining_text((total - done) / rate, language))
    return " · ".join(parts)


def remaining_text(seconds: float, language: Language) -> str:
    """Return `7 s left`, at least 1; from 100 s on in minutes."""
    if seconds < 100:
        return phrase("seconds_left", language, seconds=max(1, round(seconds)))
    return phrase("minutes_left", language, minutes=round(seconds / 60))


def end_status(
    scored_count: int, failed: Sequence[Failed], elapsed_s: float, language: Language, cached_count: int = 0
) -> Status:
    """Return the status at the end of a run. cached_count: scored pictures whose features or score were cached."""
    total = scored_count + len(failed)
    if any(isinstance(failure.error, PictureSkipped) for failure in failed):
        return Status(text=phrase("stopped", language, done=scored_count, total=total), tone="done")
    if not scored_count:
        return Status(text=phrase("none_scored", language), tone="trouble")
    parts = [phrase("ranked", language, count=scored_count)]
    if failed:
        parts.append(phrase("not_scored", language, count=len(failed)))
    if cached_count:
        parts.append(phrase("reused", language, count=cached_count))
    parts.append(phrase("took", language, seconds=f"{elapsed_s:.1f}"))
    return Status(text=" · ".join(parts), tone="done")


def follow_run(
    stream: Stream,
    checked: CheckedPictures,
    *,
    query: str,
    temperature: float,
    language: Language,
    clock: Callable[[], float] = time.monotonic,
    device_memory: Callable[[], tuple[int, int] | None] = lambda: None,
    relevance_threshold: float | None = None,
) -> Iterator[RunUpdate]:
    """Yield the updates of a run over the allowed pictures. Closing the iterator stops the run before its next batch.

    device_memory: returns the bytes in use on the GPU and in all, for the status. relevance_threshold: the score, 0 to
    10, below which a picture does not match the query. Raises the errors of the stream.
    """
    run = _Run(checked, query, temperature, language, clock, device_memory, relevance_threshold)
    inbox = _read_in_thread(stream)
    try:
        yield run.start()
        while (item := _next_item(inbox)) is not None:
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, _Heartbeat):
                yield run.update_without_event(stream.queue_position, stream.coarse_count)
            elif isinstance(item, Ranking):
                yield run.end(item)
            elif run.add(item, inbox.qsize()):
                yield run.update()
    finally:
        stream.close()


class _Heartbeat:
    """No event has come for `HEARTBEAT_S`."""


_Inbox = SimpleQueue[Event | BaseException | None]


def _read_in_thread(stream: Stream) -> _Inbox:
    """Return a queue that receives the events of the stream or its error, and None at its end."""
    inbox: _Inbox = SimpleQueue()

    def read() -> None:
        try:
            for item in stream:
                inbox.put(item)
        except BaseException as error:  # `follow_run` raises it again
            inbox.put(error)
        finally:
            inbox.put(None)

    threading.Thread(target=read, name="reranker-page", daemon=True).start()
    return inbox


def _next_item(inbox: _Inbox) -> Event | BaseException | _Heartbeat | None:
    try:
        return inbox.get(timeout=HEARTBEAT_S)
    except Empty:
        return _Heartbeat()


class _Run:
    """The events of a run so far, and when the page was last updated."""

    def __init__(
        self,
        checked: CheckedPictures,
        query: str,
        temperature: float,
        language: Language,
        clock: Callable[[], float],
        device_memory: Callable[[], tuple[int, int] | None],
        relevance_threshold: float | None,
    ) -> None:
        self._checked, self._total, self._query = checked, checked.total, query
        self._events: list[Scored | Failed] = list(checked.refused)
        self._temperature, self._language, self._clock = temperature, language, clock
        self._device_memory, self._relevance_threshold = device_memory, relevance_threshold
        self._started = self._clock()
        self._cards_due = self._status_due = self._started
        self._status = self._counted("reading")

    def start(self) -> RunUpdate:
        return RunUpdate(status=self._status, ranking_view=RankingView(query=self._query))

    def add(self, event: Scored | Failed, backlog: int) -> bool:
        """Add an event. Returns whether it is time for an update."""
        self._events.append(with_original_position(event, self._checked))
        now = self._clock()
        return now >= self._cards_due or (now >= self._status_due and backlog < MAX_BACKLOG)

    def update(self) -> RunUpdate:
        """Return an update after a picture."""
        self._status_due = self._clock() + STATUS_INTERVAL_S * self._total
        name = self._events[-1].candidate.name
        text = progress_text(len(self._events), self._total, name, self._clock() - self._started, self._language)
        if (memory := self._device_memory()) is not None:
            text = f"{text} · {memory_text(*memory)}"
        self._status = Status(text=text, tone="busy", percent=self._percent)
        return RunUpdate(status=self._status, ranking_view=self._best_so_far())

    def update_without_event(self, place: int | None, coarse_count: int | None) -> RunUpdate:
        """Return an update while no picture is scored: the place in the queue, or the count of coarse scores."""
        if place:
            return RunUpdate(status=self._counted("waiting", count=place))
        none_scored = len(self._events) == len(self._checked.refused)
        if coarse_count and none_scored:
            return RunUpdate(status=self._counted("coarse_scored", count=coarse_count))
        return RunUpdate(status=self._status)

    def end(self, ranking: Ranking) -> RunUpdate:
        scored, failed = sort_events(self._events)
        cached_count = sum(event.score.cached for event in scored)
        status = end_status(len(scored), failed, self._clock() - self._started, self._language, cached_count)
        note, is_stopped = "", any(isinstance(failure.error, PictureSkipped) for failure in failed)
        log_odds = [event.score.log_odds for event in scored]
        if not is_stopped and none_relevant(log_odds, self._temperature, self._relevance_threshold):
            note = phrase("none_fits", self._language, line=f"{self._relevance_threshold:g}")
            status = replace(status, text=f"{note} · {status.text}")
        ranking_view = RankingView(
            query=self._query,
            cards=make_cards(scored, self._temperature),
            failed=failed,
            note=note,
            ranking=with_refused(ranking, self._checked),
            ended=True,
        )
        return RunUpdate(status=status, ranking_view=ranking_view)

    def _best_so_far(self) -> RankingView | None:
        """Return the best pictures at most once in `CARDS_INTERVAL_S`, since each card costs the page 0.65 ms."""
        now = self._clock()
        if now < self._cards_due:
            return None
        self._cards_due = now + CARDS_INTERVAL_S
        best = sort_events(self._events, CARDS_WHILE_RUNNING)[0]
        return RankingView(query=self._query, cards=make_cards(best, self._temperature))

    def _counted(self, key: str, **values: object) -> Status:
        """Return a status with the number of pictures done and of all."""
        text = phrase(key, self._language, done=len(self._events), total=self._total, **values)
        return Status(text=text, tone="busy", percent=self._percent)

    @property
    def _percent(self) -> int:
        return 100 * len(self._events) // max(1, self._total)
