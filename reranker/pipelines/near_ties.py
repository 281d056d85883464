"""Score the first places again, one by one: they no longer depend on the pictures that were in a batch with them.

In half precision, kernels round differently for batches of different sizes, which moved log-odds of the toybox by up to
0.03. Pictures about that close to the first one are encoded and scored again alone.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from reranker.core.cancellation import Cancellation
from reranker.core.protocols import ImageT
from reranker.core.types import Failed, Query, Ranking, Scored
from reranker.engine.scoring_run import ScoringEngine
from reranker.pipelines.exclusion import query_stream
from reranker.pipelines.rerank import Event, RankStream, StagedStream, sort_events

MARGIN: Final = 0.1  # log-odds


class NearTies(StagedStream):
    """A run whose near ties at the first place are scored again: an event per picture, then the ranking.

    A picture is reported once it cannot be first any more, and the others at the end. New scores are of the next stage,
    so they rank before all others; a single picture in front keeps its score.

    stream: the run. alone: an engine that encodes and scores one picture at a time, and stores nothing.
    """

    def __init__(
        self,
        query: Query,
        stream: RankStream | StagedStream,
        alone: ScoringEngine[ImageT],
        *,
        top_k: int | None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._query, self._alone = query, alone
        self._top_k, self._cancellation = top_k, cancellation
        super().__init__(stream)

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

    def _confirm(self, held: list[Scored]) -> Iterator[Scored]:
        """Score several leaders again, and yield them. If that is cancelled or fails they keep their scores."""
        if len(held) < 2 or self._closed:
            yield from held
            return
        candidates = [each.candidate for each in held]
        self._stream = query_stream(self._query, candidates, self._alone, cancellation=self._cancellation)
        for event in self._stream:
            if not isinstance(event, Ranking):
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
        stage, best = max((each.score.stage, each.score.log_odds) for each in everyone)
        settled: list[Scored] = []
        self.held = []
        for each in everyone:
            is_near = each.score.stage == stage and each.score.log_odds >= best - MARGIN
            (self.held if is_near else settled).append(each)
        return settled
