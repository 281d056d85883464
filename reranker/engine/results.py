"""Results of the pictures of a run, and the events that report them."""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue

from reranker.core.errors import PictureError, PictureUnscored
from reranker.core.protocols import ScoreStore
from reranker.core.types import Candidate, EncodedPicture, Failed, Query, Score, Scored, ScoreResult
from reranker.engine.metrics import count_event

_log = logging.getLogger(__name__)


class EventQueue:
    """Events of a run, from the threads that work to the one that iterates."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Scored | Failed | BaseException | None] = SimpleQueue()

    def put(self, event: Scored | Failed) -> None:
        """Report what became of one candidate."""
        count_event(event)
        self._queue.put(event)

    def fail(self, error: BaseException) -> None:
        """Report an error that must end the run."""
        self._queue.put(error)

    def close(self) -> None:
        """Report that no more events come."""
        self._queue.put(None)

    def __iter__(self) -> Iterator[Scored | Failed]:
        """Yield events until `close`. Raises what was given to `fail`."""
        while (event := self._queue.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """A candidate that waits for a result: an `EncodedPicture` without its bytes."""

    position: int
    candidate: Candidate
    content_hash: str | None


class ResultCollector:
    """Turns the result of each picture into one event per candidate. Thread-safe.

    Candidates with equal keys, or of equal pixels, share one result: the first of them is scored, the others wait for
    it. Otherwise the rounding of their batches would decide which of two equal pictures is better.
    """

    def __init__(self, events: EventQueue) -> None:
        self._events, self._lock = events, threading.Lock()
        self._waiting: dict[str, list[_Waiting]] = {}
        self._results: dict[str, ScoreResult] = {}
        self._first_by_pixels: dict[str, str] = {}
        self._equal_keys: dict[str, list[str]] = {}

    def register(self, position: int, picture: EncodedPicture) -> bool:
        """Note that a candidate waits for the result of its key. Returns whether it is the first one with that key."""
        one = _Waiting(position=position, candidate=picture.candidate, content_hash=picture.content_hash)
        with self._lock:
            result = self._results.get(picture.key)
            if result is None:
                waiting = self._waiting.setdefault(picture.key, [])
                waiting.append(one)
                return len(waiting) == 1
        self._report(one, result, is_repeat=True)
        return False

    def register_pixels(self, key: str, pixel_key: str) -> bool:
        """Note the pixels of a registered key. Returns whether it is the first one with them.

        Otherwise it gets the result of the first one, now or once that has one.
        """
        with self._lock:
            first = self._first_by_pixels.setdefault(pixel_key, key)
            if first == key:
                return True
            result = self._results.get(first)
            if result is None:
                self._equal_keys.setdefault(first, []).append(key)
                return False
        self._set_repeated(key, result)
        return False

    def set_result(self, key: str, result: ScoreResult) -> None:
        """Report the result of a key to all its candidates, and to those of equal pixels."""
        with self._lock:
            self._results[key] = result
            first, *others = self._waiting.pop(key)
            equal_keys = self._equal_keys.pop(key, [])
        self._report(first, result, is_repeat=False)
        self._report_repeats(others, result)
        for each in equal_keys:
            self._set_repeated(each, result)

    def _set_repeated(self, key: str, result: ScoreResult) -> None:
        """Report the result of another key to the candidates of this one."""
        with self._lock:
            self._results[key] = result
            waiting = self._waiting.pop(key)
        self._report_repeats(waiting, result)

    def _report_repeats(self, waiting: Sequence[_Waiting], result: ScoreResult) -> None:
        for each in waiting:
            self._report(each, result, is_repeat=True)

    def fail(self, position: int, candidate: Candidate, error: PictureError) -> None:
        """Report a candidate that has no key, because it could not be read."""
        self._report(_Waiting(position=position, candidate=candidate, content_hash=None), error, is_repeat=False)

    def _report(self, one: _Waiting, result: ScoreResult, *, is_repeat: bool) -> None:
        named = with_name(result, one.candidate.name)
        if isinstance(named, PictureError):
            self._events.put(Failed(**vars(one), error=named))
        else:
            self._events.put(Scored(**vars(one), score=replace(named, cached=True) if is_repeat else named))


class StoredScores:
    """The scores of one query and one scorer in the store; empty if there is no store."""

    def __init__(self, store: ScoreStore | None, query: Query, fingerprint: str) -> None:
        self._store, self._query, self._fingerprint = store, query, fingerprint

    def get(self, key: str) -> Score | None:
        """Return the stored score of a picture, or None."""
        return None if self._store is None else self._store.get(key, self._query, self._fingerprint)

    def put(self, scores: dict[str, Score]) -> None:
        """Store the scores of a batch, by the keys of the pictures."""
        if self._store is not None and scores:
            self._store.put(self._query, self._fingerprint, scores)

    def settle(self, scores: Mapping[str, Score]) -> dict[str, Score]:
        """Store scores by the keys of the pixels, and return those that are stored: of two runs, the faster one's.

        Otherwise runs at the same time would store different scores for files of equal pixels.
        """
        if self._store is None or not scores:
            return dict(scores)
        self._store.put_new(self._query, self._fingerprint, scores)
        return {key: _with_value_of(score, self.get(key) or score) for key, score in scores.items()}


def _with_value_of(score: Score, stored: Score) -> Score:
    return replace(score, log_odds=stored.log_odds, generated_text=stored.generated_text)


def with_name(result: ScoreResult, name: str) -> ScoreResult:
    """Return a result for a picture of this name: only errors have one."""
    return replace(result, name=name) if isinstance(result, PictureError) else result


def failure(error: Exception, name: str) -> PictureError:
    """Return the error of one picture as `as_picture_error` does; log an unexpected one."""
    if not isinstance(error, PictureError):
        _log.error("A picture failed: %r", name, exc_info=error)
    return as_picture_error(error, name)


def as_picture_error(error: Exception, name: str) -> PictureError:
    """Return an error without its traceback, whose frames would keep pixels alive.

    The text of an unexpected error may show paths, so only its class is kept.
    """
    if isinstance(error, PictureError):
        return replace(error, name=name)
    return PictureUnscored(name=name, reason=type(error).__name__)
