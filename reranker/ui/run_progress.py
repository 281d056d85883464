"""A run being watched: its status after every picture, the best so far now and then, and all at the end."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from reranker.core.errors import PictureSkipped
from reranker.core.scores import memory_text, none_fits
from reranker.core.types import Failed, Ranking, Scored
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase
from reranker.pipelines.rerank import sort_events
from reranker.server.status import Status
from reranker.ui.ranking_view import RankingView, cards, completed, placed
from reranker.ui.uploads import Admission

DECK_INTERVAL_S: Final = 0.5
HEARTBEAT_S: Final = 0.5  # how soon a place in the line is told, and a closed tab noticed, while nothing is judged
CARDS_WHILE_RUNNING: Final = 12
MAX_BACKLOG: Final = 16  # events that wait to be shown; where there are more, not each is shown by itself
# Between two statuses, for each picture on the page: with 1,000 there the browser took 0.06 s for each.
STATUS_INTERVAL_S: Final = 0.0001

Event = Scored | Failed | Ranking


@dataclass(frozen=True, kw_only=True)
class View:
    """The status line, and a deck where there is a new one."""

    status: Status
    ranking_view: RankingView | None = None


class Stream(Protocol):
    """A `reranker.pipelines.rerank.RankStream`, as far as it is needed here."""

    @property
    def queue_position(self) -> int | None: ...
    @property
    def coarse_count(self) -> int | None: ...
    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...


def progress_text(done: int, total: int, name: str, elapsed_s: float, language: Language) -> str:
    """`12/50 · dog_park_03.jpg · 6.2 pictures/s · 7 s left`; the rate from the second picture on."""
    parts = [phrase("progress", language, done=done, total=total, name=name)]
    if done > 1 and elapsed_s > 0:
        rate = done / elapsed_s
        parts.append(phrase("rate", language, rate=f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"))
        if done < total:
            parts.append(left_text((total - done) / rate, language))
    return " · ".join(parts)


def left_text(seconds: float, language: Language) -> str:
    """`7 s left`, at least 1; in minutes from 100 s on."""
    if seconds < 100:
        return phrase("seconds_left", language, seconds=max(1, round(seconds)))
    return phrase("minutes_left", language, minutes=round(seconds / 60))


def end_status(scored: int, failed: Sequence[Failed], elapsed_s: float, language: Language, known: int = 0) -> Status:
    """How a run ended. known: how many of the scored needed no look."""
    total = scored + len(failed)
    if any(isinstance(failure.error, PictureSkipped) for failure in failed):
        return Status(text=phrase("stopped", language, done=scored, total=total), tone="done")
    if not scored:
        return Status(text=phrase("none_scored", language), tone="trouble")
    parts = [phrase("ranked", language, count=scored)]
    if failed:
        parts.append(phrase("not_scored", language, count=len(failed)))
    if known:
        parts.append(phrase("reused", language, count=known))
    parts.append(phrase("took", language, seconds=f"{elapsed_s:.1f}"))
    return Status(text=" · ".join(parts), tone="done")


def watch(
    stream: Stream,
    admission: Admission,
    *,
    query: str,
    temperature: float,
    language: Language,
    clock: Callable[[], float] = time.monotonic,
    device_memory: Callable[[], tuple[int, int] | None] = lambda: None,
    relevance_threshold: float | None = None,
) -> Iterator[View]:
    """Views of a run of the admitted candidates: the status with every picture, a deck now and then, all at the end.

    card_memory: bytes in use on the card, and in all, for the status. fits: as `Scorer.fits`.

    Closing it ends the run before its next batch.
    """
    run = _Run(admission, query, temperature, language, clock, device_memory, relevance_threshold)
    inbox = _listen(stream)
    try:
        yield run.begun()
        while (item := _next(inbox)) is not None:
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, _Silence):
                yield run.silent(stream.queue_position, stream.coarse_count)
            elif isinstance(item, Ranking):
                yield run.ended(item)
            elif run.note(item, inbox.qsize()):
                yield run.moved()
    finally:
        stream.close()


class _Silence:
    """Nothing happened for `HEARTBEAT_S`."""


_Inbox = SimpleQueue[Event | BaseException | None]


def _listen(stream: Stream) -> _Inbox:
    """What the stream gives, read in a thread of its own, and None at its end."""
    inbox: _Inbox = SimpleQueue()

    def read() -> None:
        try:
            for item in stream:
                inbox.put(item)
        except BaseException as error:  # raised again where the run is watched
            inbox.put(error)
        finally:
            inbox.put(None)

    threading.Thread(target=read, name="reranker-page", daemon=True).start()
    return inbox


def _next(inbox: _Inbox) -> Event | BaseException | _Silence | None:
    try:
        return inbox.get(timeout=HEARTBEAT_S)
    except Empty:
        return _Silence()


class _Run:
    """What is known of a run so far."""

    def __init__(
        self,
        admission: Admission,
        query: str,
        temperature: float,
        language: Language,
        clock: Callable[[], float],
        device_memory: Callable[[], tuple[int, int] | None],
        relevance_threshold: float | None,
    ) -> None:
        self._admission, self._total, self._query = admission, admission.total, query
        self._events: list[Scored | Failed] = list(admission.refused)
        self._temperature, self._language, self._clock = temperature, language, clock
        self._card_memory, self._fits = device_memory, relevance_threshold
        self._began = self._clock()
        self._deck_due = self._status_due = self._began
        self._status = self._counted("reading")

    def begun(self) -> View:
        return View(status=self._status, ranking_view=RankingView(query=self._query))

    def note(self, event: Scored | Failed, backlog: int) -> bool:
        """Keep an event; True where it is time to show it, or a deck."""
        self._events.append(placed(event, self._admission))
        now = self._clock()
        return now >= self._deck_due or (now >= self._status_due and backlog < MAX_BACKLOG)

    def moved(self) -> View:
        """After a picture."""
        self._status_due = self._clock() + STATUS_INTERVAL_S * self._total
        name = self._events[-1].candidate.name
        text = progress_text(len(self._events), self._total, name, self._clock() - self._began, self._language)
        if (memory := self._card_memory()) is not None:
            text = f"{text} · {memory_text(*memory)}"
        self._status = Status(text=text, tone="busy", percent=self._percent)
        return View(status=self._status, ranking_view=self._best_so_far())

    def silent(self, queue_position: int | None, coarse_count: int | None) -> View:
        """After a while without one: why, or what is only provisional."""
        if queue_position:
            return View(status=self._counted("waiting", count=queue_position))
        none_judged = len(self._events) == len(self._admission.refused)
        return View(
            status=self._counted("coarse_scored", count=coarse_count) if coarse_count and none_judged else self._status
        )

    def ended(self, ranking: Ranking) -> View:
        scored, failed = sort_events(self._events)
        known = sum(one.score.cached for one in scored)
        status = end_status(len(scored), failed, self._clock() - self._began, self._language, known)
        note = ""
        if none_fits([one.score.log_odds for one in scored], self._temperature, self._fits):
            note = phrase("none_fits", self._language, line=f"{self._fits:g}")
            status = replace(status, text=f"{note} · {status.text}")
        ranking_view = RankingView(
            query=self._query,
            cards=cards(scored, self._temperature),
            failed=failed,
            note=note,
            ranking=completed(ranking, self._admission),
            ended=True,
        )
        return View(status=status, ranking_view=ranking_view)

    def _best_so_far(self) -> RankingView | None:
        """At most once in `DECK_INTERVAL_S`, and only the best: a gallery costs 0.65 ms for each card."""
        now = self._clock()
        if now < self._deck_due:
            return None
        self._deck_due = now + DECK_INTERVAL_S
        best = sort_events(self._events, CARDS_WHILE_RUNNING)[0]
        return RankingView(query=self._query, cards=cards(best, self._temperature))

    def _counted(self, key: str, **values: object) -> Status:
        text = phrase(key, self._language, done=len(self._events), total=self._total, **values)
        return Status(text=text, tone="busy", percent=self._percent)

    @property
    def _percent(self) -> int:
        return 100 * len(self._events) // max(1, self._total)
