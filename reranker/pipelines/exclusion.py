"""Rank by what a picture shows and by what it must not show: a run for each of two sentences, combined.

The probability that a picture fits is p(query) * (1 - p(exclude)), both by the same scorer at the same detail. A part
of the pictures is scored for the query and then for what is excluded, so that each is encoded once.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from reranker.core.cancellation import Cancellation
from reranker.core.protocols import ImageT
from reranker.core.types import Candidate, Failed, Query, Ranking, Score, Scored
from reranker.engine.batching import float32
from reranker.engine.scoring_run import ScoringEngine
from reranker.pipelines.rerank import Event, RankStream, StagedStream, rank_stream, sort_events

PART_SIZE: Final = 64  # pictures; between two parts the device waits for the first picture of the next
_MAX_FLOAT32: Final = math.ldexp(2 - 2**-23, 127)


def combined_log_odds(query: float, exclude: float) -> float:
    """Return the log-odds of p(query) * (1 - p(exclude)), from the finite log-odds of both, rounded to float32.

    With log-odds a and b, p = 1 / ((1 + e^-a) (1 + e^b)), so (1 - p) / p = e^-a + e^b + e^(b - a), and the log-odds are
    minus the logarithm of this sum. Its largest term is taken out, so that nothing overflows.
    """
    *others, largest = sorted((-query, exclude, exclude - query))
    log_odds = -(largest + math.log1p(math.fsum(math.exp(term - largest) for term in others)))
    return float32(max(-_MAX_FLOAT32, min(_MAX_FLOAT32, log_odds)))


def query_stream(
    query: Query,
    candidates: Sequence[Candidate],
    engine: ScoringEngine[ImageT],
    *,
    top_k: int | None = None,
    cancellation: Cancellation | None = None,
) -> RankStream | StagedStream:
    """Return the run of a query, with or without what is excluded. Arguments as in `rerank.rank_stream`."""
    if not query.exclude:
        return rank_stream(query, candidates, engine, top_k=top_k, cancellation=cancellation)
    return Exclusion(query, candidates, engine, top_k=top_k, cancellation=cancellation)


class Exclusion(StagedStream):
    """A run of a query that excludes something: an event per picture once both scores are known, then the ranking.

    A picture that fails for either sentence fails.
    """

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        engine: ScoringEngine[ImageT],
        *,
        top_k: int | None,
        cancellation: Cancellation | None,
    ) -> None:
        self._query, self._candidates, self._engine = query, tuple(candidates), engine
        self._part_size, self._top_k = min(PART_SIZE, engine.cache_capacity or PART_SIZE), top_k
        self._cancellation = Cancellation(parent=cancellation)
        super().__init__(self._open(query.without_exclude, self._part(0)))

    def close(self) -> None:
        """Cancel the run, and end the iteration now; see `RankStream.close`."""
        super().close()
        self._cancellation.cancel()  # also a stage that has begun meanwhile

    def _part(self, start: int) -> Sequence[Candidate]:
        return self._candidates[start : start + self._part_size]

    def _open(self, query: Query, candidates: Sequence[Candidate]) -> RankStream:
        return rank_stream(query, candidates, self._engine, cancellation=self._cancellation)

    def _run(self) -> Iterator[Event]:
        events: list[Scored | Failed] = []
        try:
            for start in range(0, len(self._candidates), self._part_size):
                if start:
                    self._stream = self._open(self._query.without_exclude, self._part(start))
                for event in self._score_part(start):
                    events.append(event)
                    yield event
        finally:
            self._cancellation.detach()
        if not self._closed:
            info = self._engine.executor.info
            scored, failed = sort_events(events, self._top_k)
            yield Ranking(
                query=self._query,
                fingerprint=info.fingerprint,
                temperature=info.temperature,
                scored=scored,
                failed=failed,
            )

    def _score_part(self, start: int) -> Iterator[Scored | Failed]:
        """Score a part of the pictures for the query, then those with a score for what is excluded."""
        fitting: list[Scored] = []
        for event in self._stage_events():
            moved = replace(event, position=start + event.position)
            if isinstance(moved, Scored):
                fitting.append(moved)
            else:
                yield moved
        self._stream = self._open(Query(text=self._query.exclude), [scored.candidate for scored in fitting])
        for event in self._stage_events():
            fits = fitting[event.position]
            if isinstance(event, Scored):
                yield replace(fits, score=_combined(fits.score, event.score))
            else:
                yield replace(event, position=fits.position)

    def _stage_events(self) -> Iterator[Scored | Failed]:
        """Yield the events of the current stage."""
        with closing(self._stream) as stream:
            for event in stream:
                if not isinstance(event, Ranking):
                    yield event


def _combined(fits: Score, excluded: Score) -> Score:
    """Return the score of a picture from those for the query and for what is excluded.

    The model was asked two questions, so no text is the answer.
    """
    return replace(
        fits,
        log_odds=combined_log_odds(fits.log_odds, excluded.log_odds),
        generated_text=None,
        latency_ms=fits.latency_ms + excluded.latency_ms,
    )
