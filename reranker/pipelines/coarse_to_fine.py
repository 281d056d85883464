"""Score all pictures at a low detail, then the best of them at a high one: `detail="auto"`.

Most pictures of a large set have nothing to do with the query, which a low detail shows as well. The best ones are
scored again at the high detail, from the top downward, until `PATIENCE` pictures in a row do not reach the first
`first` places.
"""

import hashlib
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from reranker.core.cancellation import Cancellation
from reranker.core.protocols import ImageT
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored
from reranker.engine.scoring_run import ScoringEngine
from reranker.pipelines.exclusion import query_stream
from reranker.pipelines.rerank import Event, RankStream, StagedStream, sort_events

PATIENCE = 12


class CoarseToFine(StagedStream):
    """A run of two stages that is being watched, like `RankStream`: an event per picture, then the ranking.

    Scores at the high detail have stage 1 and rank first. Scores at the low detail are reported only for the other
    pictures, once it is known that they keep them.

    low, high: the engines of the two stages. first: how many first places must be right.
    """

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        *,
        low: ScoringEngine[ImageT],
        high: ScoringEngine[ImageT],
        first: int,
        top_k: int | None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._query, self._candidates = query, tuple(candidates)
        self._low, self._high, self._cancellation = low, high, cancellation
        self._first, self._top_k = first, top_k
        self._coarse: dict[int, Scored] = {}
        super().__init__(self._open(low, self._candidates))

    @property
    def coarse_count(self) -> int:
        """The number of pictures that have been scored at the low detail so far, provisionally."""
        return len(self._coarse)

    def _open(self, engine: ScoringEngine[ImageT], candidates: Sequence[Candidate]) -> RankStream | StagedStream:
        return query_stream(self._query, candidates, engine, cancellation=self._cancellation)

    def _run(self) -> Iterator[Event]:
        events: list[Scored | Failed] = []
        stages: Iterator[Scored | Failed] = chain(self._score_coarse(), self._score_fine())
        for event in stages:
            events.append(event)
            yield event
        if not self._closed:
            scored, failed = sort_events(events, self._top_k)
            yield Ranking(
                query=self._query,
                fingerprint=self._fingerprint(),
                temperature=self._high.executor.info.temperature,
                scored=scored,
                failed=failed,
            )

    def _score_coarse(self) -> Iterator[Failed]:
        """Score all pictures at the low detail; only failures are final."""
        for event in self._stream:
            if isinstance(event, Scored):
                self._coarse[event.position] = event
            elif isinstance(event, Failed):
                yield event

    def _score_fine(self) -> Iterator[Scored]:
        """Score the best pictures at the high detail, and yield the others with their coarse scores."""
        order, _ = sort_events(self._coarse.values())
        if self._closed:
            return
        self._stream = self._open(self._high, [scored.candidate for scored in order])
        best, coarse = _BestNumbers(self._first), dict(self._coarse)
        for event in self._stream:
            if isinstance(event, Scored):
                position = order[event.position].position
                del coarse[position]
                yield replace(event, position=position, score=replace(event.score, stage=1))
                if best.is_settled(event.score.log_odds):
                    break
        self._stream.close()
        yield from coarse.values()

    def _fingerprint(self) -> str:
        stages = (self._low.executor.info.fingerprint, self._high.executor.info.fingerprint)
        parts = (*stages, str(self._first), str(PATIENCE))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


class _BestNumbers:
    """The `count` largest numbers so far, and how many numbers in a row were not among them."""

    def __init__(self, count: int) -> None:
        self._count, self._numbers, self._misses = count, list[float](), 0

    def is_settled(self, number: float) -> bool:
        """Take one more number; return whether `PATIENCE` in a row did not reach the largest ones."""
        if len(self._numbers) < self._count:
            heapq.heappush(self._numbers, number)
        elif number > self._numbers[0]:
            heapq.heapreplace(self._numbers, number)
            self._misses = 0
        else:
            self._misses += 1
        return self._misses >= PATIENCE
