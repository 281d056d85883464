"""Rank the pictures of a session in a thread of its own, and tell the session how far it is.

The work goes on whether a browser is connected or not.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Final, Protocol

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureSkipped, RerankerError
from reranker.core.scores import memory_text
from reranker.core.types import Failed, Ranking, Scored
from reranker.server.error_responses import log_unexpected
from reranker.ui.background_progress import poll_progress
from reranker.ui.session.model_state import judged_by
from reranker.ui.session.records import Picture, RankingHeader, Results, failed_row, scored_row
from reranker.ui.session.session import Session

REPORT_INTERVAL_S: Final = 0.1
SHARE_BEFORE_TIME_LEFT: Final = 0.05  # of the pictures
SECONDS_BEFORE_TIME_LEFT: Final = 10

Event = tuple[int, Scored | Failed | Ranking]


class Stream(Protocol):
    """The part of the engine's stream that is used here."""

    @property
    def queue_position(self) -> int | None: ...
    @property
    def coarse_count(self) -> int | None: ...
    def __iter__(self) -> Iterator[Event]: ...
    def close(self) -> None: ...


@dataclass(kw_only=True)
class RankingPart:
    """One ranking of a job. pictures: those that are scored. results: also earlier ones, of other pictures."""

    header: RankingHeader
    pictures: Sequence[Picture]
    results: Results = field(default_factory=Results)
    done: int = 0
    has_ended: bool = False
    _unreported: "SimpleQueue[tuple[str, Scored | Failed]]" = field(default_factory=SimpleQueue, init=False)

    def add(self, event: Scored | Failed) -> None:
        """Add the result of a picture, and remember to report it. One that is skipped keeps the score that it has."""
        key = self.pictures[event.position].id
        self.done += 1
        if _is_skipped(event) and key in self.results.scored:
            return
        self.results.add(key, event)
        self._unreported.put((key, event))

    def skip_rest(self) -> None:
        """Add a result for each picture that has none, as if the run had been stopped."""
        for position, picture in self.missing.items():
            error = PictureSkipped(name=picture.name)
            self.add(Failed(position=position, candidate=picture.candidate, error=error))

    @property
    def missing(self) -> dict[int, Picture]:
        """The pictures without a result, by their positions."""
        pictures = enumerate(self.pictures)
        return {position: each for position, each in pictures if not self.results.has(each.id)}

    def take_change(self) -> dict[str, Any] | None:
        """Return what was not reported yet, for the browser; None if there is nothing."""
        events = [self._unreported.get() for _ in range(self._unreported.qsize())]
        if not events:
            return None
        scored = [scored_row(key, event) for key, event in events if isinstance(event, Scored)]
        failed = [failed_row(key, event) for key, event in events if isinstance(event, Failed)]
        return {"scored": {"ranking": self.header.id, "scored": scored, "failed": failed}}


class RankJob:
    """Rank the same pictures by one sentence or several.

    parts: of equal pictures, one for each sentence. clock: seconds that never run backwards.
    """

    def __init__(
        self,
        session: Session,
        reranker: Reranker,
        parts: Sequence[RankingPart],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session, self._reranker, self._parts, self._clock = session, reranker, parts, clock
        self._cancellation, self._started_s = Cancellation(), clock()
        self._total = sum(len(part.pictures) for part in parts)
        self._name = ""
        self._current = parts[0]
        self._stream: Stream | None = None
        self._reporting = threading.Lock()

    @property
    def results(self) -> dict[str, tuple[RankingHeader, Results]]:
        """The rankings that it writes, by id."""
        return {part.header.id: (part.header, part.results) for part in self._parts}

    def missing(self, id_: str) -> dict[int, Picture]:
        """Return the pictures without a result in one of its rankings, by their positions."""
        return next(part.missing for part in self._parts if part.header.id == id_)

    def start(self) -> None:
        """Start the thread. Raises `RunActive` if the session has a job."""
        self._session.start_job(self)
        self._show(loading=None if self._reranker.is_loaded else 0.0)
        threading.Thread(target=self._run, name="reranker-job", daemon=True).start()

    def stop(self) -> None:
        """Stop before the next batch. Returns at once."""
        self._cancellation.cancel()
        self._show()

    def _run(self) -> None:
        error: RerankerError | None = None
        try:
            self._load()
            self._score()
        except RerankerError as expected:
            error = expected
        except Exception as unexpected:
            log_unexpected(unexpected, "a ranking of the page")
            error = RerankerError()
        finally:
            self._end(error)

    def _load(self) -> None:
        """Load the model, and report its progress. Raises `CheckpointError` and other errors of the model."""
        for share in poll_progress(self._reranker.load, lambda: self._reranker.loaded_share):
            self._show(loading=share)
        info, judged_by_model = self._reranker.load().info, judged_by(self._reranker)
        for part in self._parts:
            part.header = replace(
                part.header,
                judged_by=judged_by_model,
                temperature=info.temperature,
                threshold=info.relevance_threshold,
            )

    def _score(self) -> None:
        """Raises the errors of the stream."""
        queries = [part.header.query for part in self._parts]
        candidates = [picture.candidate for picture in self._parts[0].pictures]
        stream = self._reranker.rank_each_stream(queries, candidates, cancellation=self._cancellation)
        self._stream = stream
        self._started_s = self._clock()
        ended = threading.Event()
        reporter = threading.Thread(target=self._keep_reporting, args=(ended,), name="reranker-report", daemon=True)
        reporter.start()
        try:
            for index, event in stream:
                self._add(self._parts[index], event)
        finally:
            ended.set()
            reporter.join()
            stream.close()
            self._stream = None

    def _add(self, part: RankingPart, event: Scored | Failed | Ranking) -> None:
        self._current = part
        if isinstance(event, Ranking):
            part.header = replace(part.header, fingerprint=event.fingerprint)
            self._end_part(part, None)
        else:
            part.add(event)
            self._name = event.candidate.name

    def _keep_reporting(self, ended: threading.Event) -> None:
        """Report at intervals, in a thread of its own: the stream may not give anything for long."""
        while not ended.wait(REPORT_INTERVAL_S):
            try:
                self._report()
            except Exception as error:  # the results are reported at the end
                log_unexpected(error, "the progress of a ranking")

    def _report(self) -> None:
        for part in self._parts:
            with self._reporting:  # otherwise the end of a part might be told before this
                if (change := part.take_change()) is not None:
                    self._session.publish(change)
                    is_complete = part.done == len(part.pictures)  # other sentences may go on
                    results = part.results.copy()
                    state = end_state(results) if is_complete else "running"
                    self._session.put_ranking(part.header, results, state, self._elapsed_s, store=is_complete)
        self._show()

    def _end_part(self, part: RankingPart, error: RerankerError | None) -> None:
        with self._reporting:
            if (change := part.take_change()) is not None:
                self._session.publish(change)
            part.has_ended = True
            state = "failed" if error else end_state(part.results)
            self._session.put_ranking(part.header, part.results, state, self._elapsed_s, error)

    def _end(self, error: RerankerError | None) -> None:
        try:
            for part in self._parts:
                if not part.has_ended:
                    part.skip_rest()
                    self._end_part(part, error)
        finally:
            self._session.end_job()

    @property
    def _elapsed_s(self) -> float:
        return self._clock() - self._started_s

    def _show(self, loading: float | None = None) -> None:
        done, elapsed_s = sum(part.done for part in self._parts), self._elapsed_s
        self._session.show_job(
            {
                "rankings": [part.header.id for part in self._parts],
                "current": self._current.header.id,
                "done": done,
                "total": self._total,
                "name": self._name,
                **pace(done, self._total, elapsed_s),
                "place": self._stream.queue_position if self._stream else None,
                "loading": loading,
                "coarse": (self._stream.coarse_count if self._stream else None) or None,
                "stopping": self._cancellation.cancelled,
                "memory": self._memory(),
                "workers": [round(each.pictures_per_s, 1) for each in self._reranker.workers],
            }
        )

    def _memory(self) -> str | None:
        memory = self._reranker.load().device_memory if self._reranker.is_loaded else None
        return None if memory is None else memory_text(*memory)


def pace(done: int, total: int, elapsed_s: float) -> dict[str, float | None]:
    """Return the pictures per second and the seconds left, each None as long as it would be a guess."""
    rate = done / elapsed_s if done > 1 and elapsed_s > 0 else None
    says_time = done >= SHARE_BEFORE_TIME_LEFT * total or elapsed_s >= SECONDS_BEFORE_TIME_LEFT
    return {"rate": rate, "left_s": (total - done) / rate if rate and says_time else None}


def end_state(results: Results) -> str:
    """Return the state of a ranking once all its pictures have a result."""
    return "stopped" if results.is_stopped else "done"


def _is_skipped(event: Scored | Failed) -> bool:
    return isinstance(event, Failed) and isinstance(event.error, PictureSkipped)
