"""All pictures at a low detail first, then the best of them at a high one: `detail="auto"`.

Most pictures of a large set have nothing to do with the sentence, which a low detail shows as well. What it puts on top
is looked at closely, from the top downward, until `patience` pictures in a row no longer reach the first `first`.
"""

import hashlib
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from reranker.core.types import Candidate, Failed, Query, Ranking, Scored, Scorer
from reranker.pipelines.rerank import RankStream, ordered

PATIENCE = 12
OpenStream = Callable[[Scorer, Sequence[Candidate]], RankStream]


class CoarseToFine(Iterator[Scored | Failed | Ranking]):
    """A run being watched, like `RankStream`: an event a picture, then the ranking.

    What was looked at closely has level 1 and comes first; scores of the low detail are events only for the rest, once
    it is known that they stay.

    open_stream: starts a run of some candidates with a scorer.
    """

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        *,
        low: Scorer,
        high: Scorer,
        open_stream: OpenStream,
        first: int,
        top_k: int | None,
    ) -> None:
        self._query, self._candidates = query, tuple(candidates)
        self._low, self._high, self._open_stream = low, high, open_stream
        self._first, self._top_k = first, top_k
        self._coarse: dict[int, Scored] = {}
        self._closed = False
        self._stream = open_stream(low, self._candidates)
        self._events = self._run()

    def __next__(self) -> Scored | Failed | Ranking:
        if self._closed:
            raise StopIteration
        return next(self._events)

    @property
    def place(self) -> int | None:
        """As `RankStream.place`."""
        return self._stream.place

    @property
    def coarse_count(self) -> int:
        """How many pictures have been scored at the low detail so far, provisionally."""
        return len(self._coarse)

    def close(self) -> None:
        """As `RankStream.close`."""
        self._closed = True
        self._stream.close()

    def _run(self) -> Iterator[Scored | Failed | Ranking]:
        events: list[Scored | Failed] = []
        looked: Iterator[Scored | Failed] = chain(self._score_coarse(), self._score_fine())
        for event in looked:
            events.append(event)
            yield event
        if not self._closed:
            scored, failed = ordered(events, self._top_k)
            yield Ranking(
                query=self._query,
                fingerprint=self._fingerprint(),
                temperature=self._high.temperature,
                scored=scored,
                failed=failed,
            )

    def _score_coarse(self) -> Iterator[Failed]:
        """All at the low detail; only failures are final."""
        for event in self._stream:
            if isinstance(event, Scored):
                self._coarse[event.position] = event
            elif isinstance(event, Failed):
                yield event

    def _score_fine(self) -> Iterator[Scored]:
        """The best at the high detail, and when it is enough, the rest as they are."""
        order, _ = ordered(self._coarse.values())
        if self._closed:
            return
        self._stream = self._open_stream(self._high, [scored.candidate for scored in order])
        best, rest = _Best(self._first), dict(self._coarse)
        for event in self._stream:
            if isinstance(event, Scored):
                position = order[event.position].position
                del rest[position]
                yield replace(event, position=position, score=replace(event.score, stage=1))
                if best.has_enough(event.score.log_odds):
                    break
        self._stream.close()
        yield from rest.values()

    def _fingerprint(self) -> str:
        parts = (self._low.fingerprint, self._high.fingerprint, str(self._first), str(PATIENCE))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


class _Best:
    """The best so many numbers, and how many in a row were not among them."""

    def __init__(self, count: int) -> None:
        self._count, self._numbers, self._misses = count, list[float](), 0

    def has_enough(self, number: float) -> bool:
        """Take one more; True where so many in a row did not reach the best."""
        if len(self._numbers) < self._count:
            heapq.heappush(self._numbers, number)
        elif number > self._numbers[0]:
            heapq.heapreplace(self._numbers, number)
            self._misses = 0
        else:
            self._misses += 1
        return self._misses >= PATIENCE
