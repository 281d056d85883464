"""Take pairs of queries and images to the device, all queries of an image in as few batches as it allows."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic

from reranker.core.errors import PictureError
from reranker.core.protocols import Executor, ImageT
from reranker.core.types import Query, ScoreResult
from reranker.engine.batching import halve, result_of, unless_not_finite
from reranker.engine.device_queue import Ticket

QUERY_TOKENS: Final = 16  # about what a short query takes in a batch, besides the image

Pair = tuple[Query, ImageT]


@dataclass(kw_only=True)
class _Started(Generic[ImageT]):
    batch: list[Pair[ImageT]]
    scores: "Future[Sequence[ScoreResult]]"


class PairBatches(Generic[ImageT]):
    """Scores the pairs of one image. `start` gives the device their first batch; `finish` returns all results.

    The pairs of other images may be started between the two: as many as the executor takes. Both raise `DeviceFailed`
    and `TicketCancelled`.
    """

    def __init__(self, pairs: Sequence[Pair[ImageT]], executor: Executor[ImageT], ticket: Ticket, run_id: str) -> None:
        self._waiting, self._executor, self._ticket, self._run_id = list(pairs), executor, ticket, run_id
        self._started: _Started[ImageT] | None = None

    def start(self) -> None:
        """Submit the first batch, once a slot of the device is free."""
        if self._waiting:
            self._started = self._submit(self._next_batch())

    def _next_batch(self) -> list[Pair[ImageT]]:
        tokens, count = self._executor.batch_tokens, 0
        for _, image in self._waiting:
            tokens -= image.tokens + QUERY_TOKENS
            if tokens < 0 and count:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _submit(self, batch: list[Pair[ImageT]]) -> "_Started[ImageT]":
        scores = self._ticket.submit(partial(self._executor.submit_pairs, batch, self._run_id))
        return _Started(batch=batch, scores=scores)

    def finish(self) -> list[ScoreResult]:
        """Return the result of each pair, in their order. A batch that fails is scored again in halves."""
        results: list[ScoreResult] = []
        while self._started:
            results += self._results(self._started)
            self._started = self._submit(self._next_batch()) if self._waiting else None
        return results

    def _results(self, started: "_Started[ImageT]") -> list[ScoreResult]:
        batch = started.batch
        try:
            scores = result_of(started.scores, len(batch))
        finally:
            self._started = None
            del started  # it holds the error, whose traceback holds tensors
        if not isinstance(scores, PictureError):
            return [unless_not_finite(each, self._executor.info.precision) for each in scores]
        if len(batch) == 1:
            return [scores]
        return [result for half in halve(batch) for result in self._results(self._submit(half))]

    def cancel(self) -> None:
        """Wait for a batch that was started, and forget it."""
        if self._started:
            started, self._started = self._started, None
            started.scores.exception()
