"""The two ends of a run's work: readers that make pictures ready, and the judge that takes them to the device."""

import logging
import math
import os
import sys
import threading
from array import array
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import SimpleQueue

from reranker.core.errors import (
    PictureError,
    PictureScoreNotFinite,
    PictureSkipped,
    PictureUnrated,
    PictureUnscored,
    TicketCancelled,
)
from reranker.core.types import Candidate, Failed, Prepared, Query, Score, Scored, Scorer, ScoreStore
from reranker.engine.device_queue import Ticket
from reranker.engine.prefetch_buffer import PendingImage, PrefetchBuffer, ScoreResult

_log = logging.getLogger(__name__)

READER_NICENESS, LEAST_PRIORITY = 10, 19
Events = SimpleQueue[Scored | Failed | BaseException | None]  # None: no more will come


def float32(value: float) -> float:
    """Rounded to the precision that models score in; infinite beyond its range."""
    return array("f", [value])[0]


class StoredScores:
    """What the store knows of one query, and learns of it; where there is no store, nothing."""

    def __init__(self, store: ScoreStore | None, query: Query, fingerprint: str) -> None:
        self._store, self._query, self._fingerprint = store, query, fingerprint

    def get(self, content_hash: str) -> Score | None:
        """What was said of the picture."""
        return None if self._store is None else self._store.get(content_hash, self._query, self._fingerprint)

    def put(self, batch: list[PendingImage]) -> None:
        """Those of the batch that were judged."""
        judged = [
            (picture.prepared.content_hash, picture.answer.result()) for picture in batch if picture.answer.done()
        ]
        scores = {content_hash: said for content_hash, said in judged if isinstance(said, Score)}
        if self._store is not None and scores:
            self._store.put(self._query, self._fingerprint, scores)


class Prefetcher:
    """Makes pictures ready, in as many threads as call `work`. Equal bytes go to the device once."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        scorer: Scorer,
        known: StoredScores,
        prefetch_buffer: PrefetchBuffer,
        events: Events,
    ) -> None:
        self._candidates = candidates
        self._scorer = scorer
        self._known = known
        self._prefetch_buffer = prefetch_buffer
        self._events = events
        self._answers: dict[str, Future[ScoreResult]] = {}

    def work(self) -> None:
        """Until there is nothing left to read."""
        _yield_to_the_device()
        while (position := self._prefetch_buffer.claim()) is not None:
            # No name for the picture here: it would keep the memory of it while waiting for room.
            self._prefetch_buffer.put(self._read(position))

    def _read(self, position: int) -> PendingImage | None:
        candidate = self._candidates[position]
        try:
            content_hash = self._scorer.identify(candidate)
        except Exception as error:
            self._events.put(_event(position, candidate, picture_failure(error, candidate.name)))
            return None
        answer = Future[ScoreResult]()
        first = self._answers.setdefault(content_hash, answer)
        first.add_done_callback(partial(self._report, position, candidate, first is not answer))
        return self._made_ready(candidate, content_hash, answer) if first is answer else None

    def _made_ready(self, candidate: Candidate, content_hash: str, answer: Future[ScoreResult]) -> PendingImage | None:
        try:
            known = self._known.get(content_hash)
            if known is not None:
                answer.set_result(known)
                return None
            prepared: Prepared = self._scorer.prepare(candidate)
            return PendingImage(name=candidate.name, prepared=prepared, nbytes=prepared.nbytes, answer=answer)
        except Exception as error:
            answer.set_result(picture_failure(error, candidate.name))
            return None

    def _report(self, position: int, candidate: Candidate, repeat: bool, answer: Future[ScoreResult]) -> None:
        """Called once, whether the answer came before the repeat was read or after."""
        outcome = answer.result()
        if repeat and isinstance(outcome, Score):
            outcome = replace(outcome, cached=True)
        self._events.put(_event(position, candidate, outcome))


class BatchRunner:
    """Takes ready pictures to the device, one batch a turn; one that fails is halved until only the culprit does."""

    def __init__(self, query: Query, scorer: Scorer, known: StoredScores, prefetch_buffer: PrefetchBuffer) -> None:
        self._query = query
        self._scorer = scorer
        self._known = known
        self._prefetch_buffer = prefetch_buffer
        self._halves: list[list[PendingImage]] = []

    def work(self) -> None:
        """Until there is nothing left to judge."""
        try:
            while self._halves or self._prefetch_buffer.wait():
                # No name for the batch here: it would keep its pictures while waiting for the next ones.
                self._prefetch_buffer.free(self._done_with(self._take_turn()))
        except TicketCancelled:
            _log.debug("Stopped before the next batch")

    def _take_turn(self) -> list[PendingImage]:
        """One batch, whatever its size: an idle device is worth less than a full batch."""
        with self._prefetch_buffer.ticket.turn():
            # Taken only now that the device is ours: more pictures became ready while we waited.
            batch = self._next_half() if self._halves else self._prefetch_buffer.take(self._scorer.batch_tokens)
            if batch:  # else the run was closed a moment ago
                self._score(batch)
        return batch

    def _done_with(self, batch: list[PendingImage]) -> int:
        """What was judged is known from now on. Returns the bytes that are held for it no longer."""
        self._known.put(batch)
        return sum(picture.nbytes for picture in batch if picture.answer.done())

    def _next_half(self) -> list[PendingImage]:
        """Part of a batch that failed, halved on where the device has less room by now."""
        half = self._halves.pop()
        while len(half) > 1 and _tokens(half) > self._scorer.batch_tokens:
            half, rest = _halved(half)
            self._halves.append(rest)
        return half

    def _score(self, batch: list[PendingImage]) -> None:
        try:
            for index, score in self._scorer.score(self._query, [picture.prepared for picture in batch]):
                batch[index].answer.set_result(self._checked(score, batch[index].name))
        except Exception as error:
            _log_unexpected(error, "A batch of %d failed", len(batch))
            self._blame(batch, error)
            return
        for picture in _unanswered(batch):
            picture.answer.set_result(PictureUnscored(name=picture.name, reason="no answer"))

    def _checked(self, score: Score, name: str) -> ScoreResult:
        if math.isfinite(float32(score.log_odds)):
            return score
        if score.generated_text is not None:
            return PictureUnrated(name=name, generated_text=score.generated_text)
        return PictureScoreNotFinite(name=name, precision=self._scorer.precision)

    def _blame(self, batch: list[PendingImage], error: Exception) -> None:
        """Only who failed alone is the culprit; the others get another turn in half the company.

        Nothing here keeps `error`: its traceback holds the tensors that the next try needs the memory of.
        """
        rest = _unanswered(batch)
        if len(batch) > 1:
            self._halves += [half for half in reversed(_halved(rest)) if half]
        elif rest:
            batch[0].answer.set_result(_as_picture_error(error, batch[0].name))


def score_prepared(
    query: Query, pictures: Sequence[Prepared], names: Sequence[str], scorer: Scorer, ticket: Ticket
) -> list[ScoreResult]:
    """Of pictures that are ready, by these names, in batches that depend on nothing else; no score is stored."""
    ready = [
        PendingImage(name=name, prepared=one, nbytes=0, answer=Future[ScoreResult]())
        for name, one in zip(names, pictures, strict=True)
    ]
    prefetch_buffer = PrefetchBuffer(len(ready), scorer.prefetch_bytes, ticket)
    for picture in ready:
        prefetch_buffer.claim()
        prefetch_buffer.put(picture)
    BatchRunner(query, scorer, StoredScores(None, query, scorer.fingerprint), prefetch_buffer).work()
    for picture in _unanswered(ready):
        picture.answer.set_result(PictureSkipped(name=picture.name))
    return [picture.answer.result() for picture in ready]


def _halved(batch: list[PendingImage]) -> tuple[list[PendingImage], list[PendingImage]]:
    middle = (len(batch) + 1) // 2
    return batch[:middle], batch[middle:]


def _tokens(batch: list[PendingImage]) -> int:
    return sum(picture.prepared.visual_tokens for picture in batch)


def _unanswered(batch: list[PendingImage]) -> list[PendingImage]:
    return [picture for picture in batch if not picture.answer.done()]


def _event(position: int, candidate: Candidate, outcome: ScoreResult) -> Scored | Failed:
    if isinstance(outcome, Score):
        return Scored(position=position, candidate=candidate, score=outcome)
    return Failed(position=position, candidate=candidate, error=replace(outcome, name=candidate.name))


def _as_picture_error(error: Exception, name: str) -> PictureError:
    """The same error without its traceback, whose frames would keep pixels alive; the class name of one not foreseen.

    The text of an unforeseen error may show paths, so it goes to the log alone.
    """
    if isinstance(error, PictureError):
        return replace(error, name=name)
    return PictureUnscored(name=name, reason=type(error).__name__)


def _yield_to_the_device() -> None:
    """Let this thread run on what the device's leaves over, where the system knows such a thing.

    On two busy cores the first answer came after 370 ms with readers of equal rank, and after 40 ms like this.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # where a sandbox forbids it, all threads are equal
            nicer = os.getpriority(os.PRIO_PROCESS, thread) + READER_NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, min(nicer, LEAST_PRIORITY))


def picture_failure(error: Exception, name: str) -> PictureError:
    """What failed for one picture alone, as `_as_picture_error` has it; logged where it was not foreseen."""
    _log_unexpected(error, "A picture failed: %r", name)
    return _as_picture_error(error, name)


def _log_unexpected(error: Exception, message: str, *values: object) -> None:
    if not isinstance(error, PictureError):
        _log.error(message, *values, exc_info=error)
