"""Ranks pictures by a sentence: every picture is looked at once, and comes out scored or with the reason why not.

    reader threads --- pictures made ready, bounded in bytes ---> device thread --- events ---> whoever iterates

`rank_stream` is the one path; `rank` drains it.
"""

import atexit
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from queue import SimpleQueue
from typing import cast

from reranker.core.errors import PictureScoreNotFinite, PictureSkipped, PrecisionUnsuitable
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored, Scorer, ScoreStore
from reranker.engine.batching import BatchRunner, Events, Prefetcher, StoredScores, float32
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.prefetch_buffer import PrefetchBuffer


def rank_stream(
    query: Query,
    candidates: Sequence[Candidate],
    *,
    scorer: Scorer,
    device_queue: DeviceQueue,
    store: ScoreStore | None = None,
    prefetch_threads: int = 2,
    prefetch_bytes: int | None = None,
    top_k: int | None = None,
    stop: threading.Event | None = None,
) -> "RankStream":
    """One event per candidate in the order of completion, then the `Ranking`. The work begins with the first `next`.

    store: scores already known, which are not judged again; those that are judged go into it, batch by batch.
    readers: threads that make pictures ready.
    look_ahead_bytes: nothing more is read while so much is ready and not yet judged; what the scorer finds worth having
        ready where None. As many pictures as there are
        readers may go beyond it, since a size is known only once the picture is read.
    top_k: how many of the scored the `Ranking` keeps, all where None; events are never cut.
    stop: once set, no further batch begins; what was not judged by then comes out as `PictureSkipped`.
    """
    ticket = device_queue.ticket(stop)
    prefetch_buffer = PrefetchBuffer(
        len(candidates), scorer.prefetch_bytes if prefetch_bytes is None else prefetch_bytes, ticket
    )
    run = _Run(query, candidates, scorer, store, prefetch_buffer, prefetch_threads)
    return RankStream(run, top_k)


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    *,
    scorer: Scorer,
    device_queue: DeviceQueue,
    store: ScoreStore | None = None,
    prefetch_threads: int = 2,
    prefetch_bytes: int | None = None,
    top_k: int | None = None,
    stop: threading.Event | None = None,
) -> Ranking:
    """The last item of `rank_stream`."""
    stream = rank_stream(
        query,
        candidates,
        scorer=scorer,
        device_queue=device_queue,
        store=store,
        prefetch_threads=prefetch_threads,
        prefetch_bytes=prefetch_bytes,
        top_k=top_k,
        stop=stop,
    )
    return drain(stream)


def drain(stream: Iterator[Scored | Failed | Ranking]) -> Ranking:
    """The ranking that a stream ends with; its events are passed over."""
    *_, ranking = stream
    return cast(Ranking, ranking)


def unfit_precision(ranking: Ranking) -> PrecisionUnsuitable | None:
    """Where every picture's score came out as no number, which is no fault of the pictures; else None."""
    errors = [one.error for one in ranking.failed]
    if ranking.scored or not errors or not all(isinstance(error, PictureScoreNotFinite) for error in errors):
        return None
    return PrecisionUnsuitable(precision=cast(PictureScoreNotFinite, errors[0]).precision)


def merge_rankings(rankings: Sequence[Ranking], each: int, top_k: int | None = None) -> Ranking:
    """One ranking of what was ranked in parts of `each` candidates, with the same query and scorer."""
    events: list[Scored | Failed] = []
    for number, part in enumerate(rankings):
        events += [replace(one, position=each * number + one.position) for one in part.scored]
        events += [replace(one, position=each * number + one.position) for one in part.failed]
    scored, failed = ordered(events, top_k)
    return replace(rankings[0], scored=scored, failed=failed)


def ordered(
    events: Iterable[Scored | Failed], top_k: int | None = None
) -> tuple[tuple[Scored, ...], tuple[Failed, ...]]:
    """The scored ones, best first and `top_k` at most, and the failed ones by position; of a part as of a whole run."""
    by_position = sorted(events, key=lambda event: event.position)
    scored = sorted((event for event in by_position if isinstance(event, Scored)), key=best_first)
    failed = (event for event in by_position if isinstance(event, Failed))
    return tuple(scored[:top_k]), tuple(failed)


def best_first(one: Scored) -> tuple[int, float, int]:
    """What sorting uses: who was looked at more closely, then who scored higher, then who was asked for earlier."""
    return -one.score.stage, -float32(one.score.log_odds), one.position


class RankStream(Iterator[Scored | Failed | Ranking]):
    """A run being watched. Dropping it closes it."""

    def __init__(self, run: "_Run", top_k: int | None) -> None:
        self._run = run
        self._events = _drain(run, top_k)

    def __next__(self) -> Scored | Failed | Ranking:
        if self._run.closed:
            raise StopIteration
        return next(self._events)

    @property
    def place(self) -> int | None:
        """How many batches of others go first, while this run waits for the device; see `Caller.place`."""
        return self._run.ticket.place

    @property
    def coarse_count(self) -> int | None:
        """None: nothing here is provisional; see `reranker.pipelines.coarse_to_fine`."""
        return None

    def close(self) -> None:
        """End the run before its next batch, and the iteration now, even where another thread waits in `next`.

        Returns at once: a batch that runs ends by itself.
        """
        self._run.close()


def _drain(run: "_Run", top_k: int | None) -> Iterator[Scored | Failed | Ranking]:
    """Events as they come in, then those of the candidates that a stop left over, then the ranking.

    Only here is it known who has had an event, so threads that end in any order cannot lose or repeat one.
    """
    seen: dict[int, Scored | Failed] = {}
    try:
        run.start()
        for event in run.reported():
            seen[event.position] = event
            yield event
        if run.closed:
            return
        for skipped in run.skipped(seen):
            seen[skipped.position] = skipped
            yield skipped
        yield run.ranking(seen.values(), top_k)
    finally:
        run.close()


class _Run:
    """One query over its candidates: the threads, what they report, and their end."""

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        scorer: Scorer,
        store: ScoreStore | None,
        prefetch_buffer: PrefetchBuffer,
        prefetch_threads: int,
    ) -> None:
        self._events: Events = SimpleQueue()
        self.ticket = prefetch_buffer.ticket
        self.closed = False
        self._query = query
        self._candidates = tuple(candidates)
        self._scorer = scorer
        self._store = store
        self._prefetch_buffer = prefetch_buffer
        self._readers = max(1, prefetch_threads)
        self._thread = threading.Thread(target=self._work, name="reranker-device", daemon=True)

    def start(self) -> None:
        # Daemons, or a stream that was left open would keep the program alive until its last picture; and yet waited
        # for at the exit, since a thread that dies inside a model takes the process down with it.
        atexit.register(self._end)
        self._thread.start()

    def close(self) -> None:
        self.closed = True
        self.ticket.cancel()
        self._prefetch_buffer.close()
        self._events.put(None)

    def reported(self) -> Iterator[Scored | Failed]:
        """Events until no more will come. Raises what ended a thread."""
        while (event := self._events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def skipped(self, seen: Container[int]) -> Iterator[Failed]:
        """One event for each candidate that has had none."""
        for position, candidate in enumerate(self._candidates):
            if position not in seen:
                yield Failed(position=position, candidate=candidate, error=PictureSkipped(name=candidate.name))

    def ranking(self, events: Iterable[Scored | Failed], top_k: int | None) -> Ranking:
        scored, failed = ordered(events, top_k)
        return Ranking(
            query=self._query,
            fingerprint=self._scorer.fingerprint,
            temperature=self._scorer.temperature,
            scored=scored,
            failed=failed,
        )

    def _work(self) -> None:
        known = StoredScores(self._store, self._query, self._scorer.fingerprint)
        reader = Prefetcher(self._candidates, self._scorer, known, self._prefetch_buffer, self._events)
        threads = [
            threading.Thread(target=self._forwarding, args=(reader.work,), name="reranker-reader", daemon=True)
            for _ in range(self._readers)
        ]
        for thread in threads:
            thread.start()
        self._forwarding(BatchRunner(self._query, self._scorer, known, self._prefetch_buffer).work)
        self._prefetch_buffer.close()
        self._events.put(None)
        for thread in threads:
            thread.join()
        atexit.unregister(self._end)

    def _forwarding(self, work: Callable[[], None]) -> None:
        """What a thread must not swallow is raised where the events are read."""
        try:
            work()
        except BaseException as error:
            self._events.put(error)

    def _end(self) -> None:
        self.close()
        self._thread.join()
