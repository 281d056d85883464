"""Rank pictures by a query: every candidate is encoded once, and comes out scored or with the reason why it failed."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureScoreNotFinite, PictureSkipped, PrecisionUnsuitable
from reranker.core.protocols import ImageT
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored
from reranker.engine.batching import float32
from reranker.engine.scoring_run import ScoringEngine, ScoringRun

Event = Scored | Failed | Ranking


def rank_stream(
    query: Query,
    candidates: Sequence[Candidate],
    engine: ScoringEngine[ImageT],
    *,
    prefetch_bytes: int | None = None,
    top_k: int | None = None,
    cancellation: Cancellation | None = None,
) -> "RankStream":
    """Return an iterator over one event per candidate, in the order of completion, and the `Ranking` at the end.

    The work begins with the first `next`. The iteration raises `DeviceFailed`.
    prefetch_bytes: bytes of prepared images held ahead of the device; the preprocessor chooses if None.
    top_k: how many scored candidates the `Ranking` keeps, all if None; events are never cut.
    cancellation: once cancelled, no further batch begins; candidates without a score come out as `PictureSkipped`.
    """
    return RankStream(query, candidates, engine, prefetch_bytes, top_k, Cancellation(parent=cancellation))


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    engine: ScoringEngine[ImageT],
    *,
    prefetch_bytes: int | None = None,
    top_k: int | None = None,
    cancellation: Cancellation | None = None,
) -> Ranking:
    """Return the last item of `rank_stream`."""
    return drain(
        rank_stream(query, candidates, engine, prefetch_bytes=prefetch_bytes, top_k=top_k, cancellation=cancellation)
    )


def drain(stream: Iterator[Event]) -> Ranking:
    """Return the ranking that a stream ends with."""
    *_, ranking = stream
    return cast(Ranking, ranking)


def unfit_precision(ranking: Ranking) -> PrecisionUnsuitable | None:
    """Return an error if every score came out as no number, which is the fault of the precision; else None."""
    errors = [failed.error for failed in ranking.failed]
    if ranking.scored or not errors or not all(isinstance(error, PictureScoreNotFinite) for error in errors):
        return None
    return PrecisionUnsuitable(precision=cast(PictureScoreNotFinite, errors[0]).precision)


def merge_rankings(rankings: Sequence[Ranking], each: int, top_k: int | None = None) -> Ranking:
    """Merge rankings of consecutive parts of `each` candidates, with the same query and scorer, into one."""
    events: list[Scored | Failed] = []
    for number, part in enumerate(rankings):
        events += [replace(scored, position=each * number + scored.position) for scored in part.scored]
        events += [replace(failed, position=each * number + failed.position) for failed in part.failed]
    scored, failed = sort_events(events, top_k)
    return replace(rankings[0], scored=scored, failed=failed)


def sort_events(
    events: Iterable[Scored | Failed], top_k: int | None = None
) -> tuple[tuple[Scored, ...], tuple[Failed, ...]]:
    """Return the scored candidates, best first and at most `top_k`, and the failed ones by position."""
    by_position = sorted(events, key=lambda event: event.position)
    scored = sorted((event for event in by_position if isinstance(event, Scored)), key=best_first)
    failed = (event for event in by_position if isinstance(event, Failed))
    return tuple(scored[:top_k]), tuple(failed)


def best_first(scored: Scored) -> tuple[int, float, int]:
    """Return the sort key: later stages first, then higher scores, then earlier positions."""
    return -scored.score.stage, -float32(scored.score.log_odds), scored.position


class RankStream(Iterator[Event]):
    """A run that is being watched. Dropping the stream closes it."""

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        engine: ScoringEngine[ImageT],
        prefetch_bytes: int | None,
        top_k: int | None,
        cancellation: Cancellation,
    ) -> None:
        info, candidates = engine.executor.info, tuple(candidates)
        self._run: ScoringRun[ImageT] = ScoringRun(
            query, candidates, engine, cancellation, prefetch_bytes=prefetch_bytes
        )
        self._cancellation, self._state = cancellation, _State()
        empty = Ranking(query=query, fingerprint=info.fingerprint, temperature=info.temperature, scored=(), failed=())
        self._events = _events(self._run, self._state, cancellation, candidates, empty, top_k)

    def __next__(self) -> Event:
        if self._state.closed:
            raise StopIteration
        return next(self._events)

    @property
    def queue_position(self) -> int | None:
        """The number of waiting runs that go first; see `Ticket.queue_position`."""
        return self._run.queue_position

    @property
    def coarse_count(self) -> int | None:
        """None: no score of this stream is provisional; see `CoarseToFine.coarse_count`."""
        return None

    def close(self) -> None:
        """Cancel the run, and end the iteration now, even if another thread waits in `next`.

        Returns at once: a batch that runs ends by itself.
        """
        self._state.closed = True
        self._run.close()


class StagedStream(Iterator[Event], ABC):
    """A run of several stages that is being watched, like `RankStream`; each stage is a run of its own.

    stream: the run of the first stage. Subclasses replace `_stream` when the next stage begins.
    """

    def __init__(self, stream: "RankStream | StagedStream") -> None:
        self._stream, self._closed = stream, False
        self._events = self._run()

    @abstractmethod
    def _run(self) -> Iterator[Event]:
        """Yield one event per candidate, and the ranking unless the stream is closed."""

    def __next__(self) -> Event:
        if self._closed:
            raise StopIteration
        event = next(self._events)
        if self._closed:  # while it was on its way
            raise StopIteration
        return event

    @property
    def queue_position(self) -> int | None:
        """The `RankStream.queue_position` of the current stage."""
        return self._stream.queue_position

    @property
    def coarse_count(self) -> int | None:
        """The number of pictures with a provisional score; None if the current stage has none."""
        return self._stream.coarse_count

    def close(self) -> None:
        """Cancel the run, and end the iteration now; see `RankStream.close`."""
        self._closed = True
        self._stream.close()


class _State:
    """Whether a stream was closed; shared with its generator, which must not hold the stream itself."""

    closed = False


def _events(
    run: "ScoringRun[ImageT]",
    state: _State,
    cancellation: Cancellation,
    candidates: Sequence[Candidate],
    empty: Ranking,
    top_k: int | None,
) -> Iterator[Event]:
    """Yield events as they come, then the skipped candidates of a cancelled run, then the ranking.

    Only here it is known which candidates had an event, so threads that end in any order cannot lose or repeat one.
    """
    seen: dict[int, Scored | Failed] = {}
    try:
        run.start()
        for event in run.events():
            seen[event.position] = event
            yield event
        if state.closed:
            return
        for position, candidate in enumerate(candidates):
            if position not in seen:
                error = PictureSkipped(name=candidate.name)
                seen[position] = Failed(position=position, candidate=candidate, error=error)
                yield seen[position]
        scored, failed = sort_events(seen.values(), top_k)
        yield replace(empty, scored=scored, failed=failed)
    finally:
        run.close()
        cancellation.detach()
