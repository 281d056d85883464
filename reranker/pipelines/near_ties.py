"""Score the first places again, one by one: they no longer depend on the pictures that were in a batch with them.

In half precision, kernels round differently for batches of different sizes, which moves log-odds by some hundredths.
Pictures that close to the first one are encoded and scored again alone.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Final

from reranker.core.cancellation import Cancellation
from reranker.core.protocols import ImageT
from reranker.core.types import Failed, Query, Ranking, Scored
from reranker.engine.scoring_run import ScoringEngine
from reranker.pipelines.coarse_to_fine import CoarseToFine
from reranker.pipelines.rerank import Event, RankStream, rank_stream, sort_events

MARGIN: Final = 0.1  # log-odds


class NearTies(Iterator[Event]):
    """A run whose near ties at the first place are scored again: an event per picture, then the ranking.

    A picture is reported once it cannot be first any more, and the others at the end. New scores are of the next stage,
    so they rank before all others; a single picture in front keeps its score.

    stream: the run. alone: an engine that encodes and scores one picture at a time, and stores nothing.
    """

    def __init__(
        self,
        query: Query,
        stream: RankStream | CoarseToFine,
        alone: ScoringEngine[ImageT],
        *,
        top_k: int | None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._query, self._stream, self._alone = query, stream, alone
        self._top_k, self._cancellation = top_k, Cancellation(parent=cancellation)
        self._closed = False
        self._events = self._run()

    def __next__(self) -> Event:
        if self._closed:
            raise StopIteration
        return next(self._events)

    @property
    def queue_position(self) -> int | None:
        """The `RankStream.queue_position` of the run."""
        return self._stream.queue_position

    @property
    def coarse_count(self) -> int | None:
        """The number of provisional scores; see `CoarseToFine.coarse_count`."""
        return self._stream.coarse_count

    def close(self) -> None:
        """Cancel the run, and end the iteration now; see `RankStream.close`."""
        self._closed = True
        self._cancellation.cancel()
        self._stream.close()

    def _run(self) -> Iterator[Event]:
        events: list[Scored | Failed] = []
        leaders = _Leaders()
        for item in self._stream:
            if isinstance(item, Ranking):
                for event in self._confirm(leaders.held):
                    events.append(event)
                    yield event
                if not self._closed:
                    scored, failed = sort_events(events, self._top_k)
                    yield replace(item, scored=scored, failed=failed)
                return
            settled = leaders.settle(item) if isinstance(item, Scored) else [item]
            events += settled
            yield from settled

    def _confirm(self, held: list[Scored]) -> Iterator[Scored | Failed]:
        """Score several leaders again, and yield them. If that is cancelled or fails they keep their scores."""
        if len(held) < 2:
            yield from held
            return
        with closing(
            rank_stream(self._query, [each.candidate for each in held], self._alone, cancellation=self._cancellation)
        ) as stream:
            for event in stream:
                if isinstance(event, Ranking):
                    return
                yield _confirmed(held[event.position], event)


def _confirmed(scored: Scored, event: Scored | Failed) -> Scored:
    if isinstance(event, Failed):
        return scored
    return replace(scored, score=replace(event.score, stage=scored.score.stage + 1))


class _Leaders:
    """The scored pictures that may still be first, or within the margin of the first."""

    def __init__(self) -> None:
        self.held: list[Scored] = []

    def settle(self, scored: Scored) -> list[Scored]:
        """Take one more; return those that are known to be behind by more than the margin."""
        everyone = [*self.held, scored]
        self.held = [each for each in everyone if _is_near(each, everyone)]
        return [each for each in everyone if each not in self.held]


def _is_near(scored: Scored, others: Iterable[Scored]) -> bool:
    stage = max(other.score.stage for other in others)
    best = max(other.score.log_odds for other in others if other.score.stage == stage)
    return scored.score.stage == stage and scored.score.log_odds >= best - MARGIN
