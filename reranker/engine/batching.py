"""Takes prepared images to the device in batches, and finds the image that a failing batch fails on."""

import logging
import math
import sys
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

from reranker.core.errors import (
    DeviceFailed,
    PictureError,
    PictureScoreNotFinite,
    PictureSkipped,
    PictureUnscored,
    TicketCancelled,
)
from reranker.core.protocols import Executor, ImageT
from reranker.core.types import Query, Score, ScoreResult
from reranker.engine.device_queue import Ticket
from reranker.engine.prefetch import PrefetchBuffer
from reranker.engine.results import StoredScores, as_picture_error, with_name

_log = logging.getLogger(__name__)

_Item = TypeVar("_Item")
OnResult = Callable[[str, ScoreResult], None]


def float32(value: float) -> float:
    """Round to the precision that models score in; infinite beyond its range."""
    return array("f", [value])[0]


class BatchRunner(Generic[ImageT]):
    """Scores the images of a prefetch buffer, one batch per slot of the device.

    A batch that fails is scored again in halves, until only the image at fault fails. on_result: called once per key,
    with its score or its error. example: that of the query, prepared. Its tokens count with each image, since attention
    takes their keys and values for each.
    """

    def __init__(
        self,
        query: Query,
        executor: Executor[ImageT],
        buffer: PrefetchBuffer[ImageT],
        ticket: Ticket,
        *,
        run_id: str,
        stored: StoredScores,
        on_result: OnResult,
        example: ImageT | None = None,
    ) -> None:
        self._example, self._example_tokens = example, example.tokens if example else 0
        self._query, self._executor, self._buffer, self._ticket = query, executor, buffer, ticket
        self._run_id, self._stored, self._on_result = run_id, stored, on_result
        self._halves: list[list[ImageT]] = []
        self._in_flight: dict[Future[Sequence[ScoreResult]], list[ImageT]] = {}
        self._done: SimpleQueue[Future[Sequence[ScoreResult]]] = SimpleQueue()

    def run(self) -> None:
        """Score until the buffer is empty and closed, or the ticket is cancelled. Raises `DeviceFailed`."""
        try:
            while self._step():
                pass
        except TicketCancelled:
            _log.debug("Cancelled before the next batch")
        finally:
            while self._in_flight:
                with suppress(DeviceFailed):  # of a run that ends anyway
                    self._finish()

    def _step(self) -> bool:
        """Report a batch that is done, or submit one that the devices take. Returns False if there is nothing left."""
        self._buffer.wait_until(lambda: not self._done.empty() or self._can_submit())
        if self._done.empty() and self._can_submit():
            self._submit()
        elif self._in_flight:
            self._finish()
        else:
            return False
        return True

    def _can_submit(self) -> bool:
        """Whether the devices take another batch: an idle one of whatever size, those that work when it is full."""
        in_flight, executor = len(self._in_flight), self._executor
        if in_flight >= executor.capacity:
            return False
        if self._halves:
            return True
        return self._buffer.has_ready(
            1 if in_flight < executor.workers else executor.batch_tokens, self._example_tokens
        )

    def _submit(self) -> None:
        """Submit one batch of what is ready: an idle device costs more than a small batch."""
        batch: list[ImageT] = []

        def start() -> "Future[Sequence[ScoreResult]]":
            # Images are taken only now that a slot is free: more became ready during the wait.
            batch.extend(self._next_half() if self._halves else self._take())
            if not batch:  # the run was closed a moment ago
                raise TicketCancelled
            return self._executor.submit(self._query, batch, self._run_id, self._example)

        future = self._ticket.submit(start)
        self._in_flight[future] = batch
        future.add_done_callback(self._note_done)

    def _note_done(self, future: "Future[Sequence[ScoreResult]]") -> None:
        self._done.put(future)
        self._buffer.notify()

    def _take(self) -> list[ImageT]:
        return self._buffer.take(self._executor.batch_tokens, self._example_tokens)

    def _next_half(self) -> list[ImageT]:
        """Return part of a batch that failed, halved further if less fits the device by now."""
        half = self._halves.pop()
        while len(half) > 1 and self._tokens(half) > self._executor.batch_tokens:
            half, rest = halve(half)
            self._halves.append(rest)
        return half

    def _tokens(self, batch: list[ImageT]) -> int:
        return sum(image.tokens + self._example_tokens for image in batch)

    def _finish(self) -> None:
        """Wait for a batch that is done, and report it."""
        # The batch gets no name here: a name would hold its images while the thread waits for the next ones.
        self._buffer.release(self._report())

    def _report(self) -> int:
        """Report the results of a batch. Returns the bytes of its images that are no longer needed."""
        future = self._done.get()
        batch = self._in_flight.pop(future)
        try:
            result = result_of(future, len(batch))
        finally:
            del future  # it holds the error, whose traceback holds the tensors whose memory the next batch needs
        if isinstance(result, PictureError):
            return self._report_failure(batch, result)
        results = self._settled(batch, self._checked(batch, result))
        for key, each in results.items():
            self._on_result(key, each)
        return sum(image.nbytes for image in batch)

    def _report_failure(self, batch: list[ImageT], error: PictureError) -> int:
        """Halve a batch that failed; an image that failed alone is at fault."""
        if len(batch) > 1:
            self._halves += reversed(halve(batch))
            return 0
        self._on_result(batch[0].key, error)
        return batch[0].nbytes

    def _checked(self, batch: list[ImageT], scores: Sequence[ScoreResult]) -> dict[str, ScoreResult]:
        """Return the result of each key: a score that is no number is an error."""
        if len(scores) != len(batch):
            return {image.key: PictureUnscored(name="", reason="no answer") for image in batch}
        precision = self._executor.info.precision
        return {image.key: unless_not_finite(score, precision) for image, score in zip(batch, scores, strict=True)}

    def _settled(self, batch: list[ImageT], results: dict[str, ScoreResult]) -> dict[str, ScoreResult]:
        """Store the scores, and return the results with those that other runs have stored for equal pixels."""
        scores = {image.key: each for image in batch if isinstance(each := results[image.key], Score)}
        by_pixels = self._stored.settle({image.pixel_key: scores[image.key] for image in batch if image.key in scores})
        settled = {image.key: by_pixels[image.pixel_key] for image in batch if image.key in scores}
        self._stored.put(settled)
        return results | settled


def unless_not_finite(result: ScoreResult, precision: str) -> ScoreResult:
    """Return a result, or the error of a score that is no number. precision: that of the model."""
    if isinstance(result, PictureError) or math.isfinite(float32(result.log_odds)):
        return result
    return PictureScoreNotFinite(name="", precision=precision)


def result_of(future: "Future[Sequence[ScoreResult]]", count: int) -> Sequence[ScoreResult] | PictureError:
    """Wait for the scores of a batch of `count` images; return the error without its traceback if it failed.

    Raises `DeviceFailed`, which is not the fault of an image.
    """
    try:
        return future.result()
    except DeviceFailed:
        raise
    except Exception as error:
        if not isinstance(error, PictureError):
            _log.error("A batch of %d failed", count, exc_info=error)
        return as_picture_error(error, "")
    finally:
        del future  # the traceback of the error holds this frame


def score_prepared(
    query: Query,
    images: Sequence[ImageT],
    names: Sequence[str],
    executor: Executor[ImageT],
    ticket: Ticket,
    run_id: str,
    example: ImageT | None = None,
) -> list[ScoreResult]:
    """Score images that are prepared already, in batches that depend on nothing but their order; nothing is stored.

    names: of the pictures, for errors. example: that of the query. Returns a result per image; `PictureSkipped` if the
    ticket was cancelled before. Raises `DeviceFailed`.
    """
    buffer: PrefetchBuffer[ImageT] = PrefetchBuffer(len(images), max_bytes=sys.maxsize)
    for image in images:
        buffer.claim()
        buffer.put(image)
    results: dict[str, ScoreResult] = {}
    stored = StoredScores(None, query, executor.info.fingerprint)
    runner = BatchRunner(
        query,
        executor,
        buffer,
        ticket,
        run_id=run_id,
        stored=stored,
        on_result=results.__setitem__,
        example=example,
    )
    runner.run()
    skipped = PictureSkipped(name="")
    return [with_name(results.get(image.key, skipped), name) for image, name in zip(images, names, strict=True)]


def halve(batch: list[_Item]) -> tuple[list[_Item], list[_Item]]:
    """Return the first and the second half of a batch."""
    middle = (len(batch) + 1) // 2
    return batch[:middle], batch[middle:]
