"""Ranks pictures by a sentence: every picture is looked at once, and comes out scored or with the reason why not.

    reader threads --- pictures made ready, bounded in bytes ---> device thread --- events ---> whoever iterates

`rank_stream` is the one path; `rank` drains it.
"""

import atexit
import logging
import math
import os
import sys
import threading
from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import SimpleQueue
from typing import cast

from reranker.errors import PictureError, PictureSkipped, PictureUnjudged, TurnCancelled
from reranker.look_ahead import LookAhead, Outcome, ReadyPicture
from reranker.turns import Turns
from reranker.types import Candidate, Failed, Judgement, Prepared, Query, Ranking, Scored, Scorer, ScoreStore

_log = logging.getLogger(__name__)

READER_NICENESS, LEAST_PRIORITY = 10, 19


def rank_stream(
    query: Query,
    candidates: Sequence[Candidate],
    *,
    scorer: Scorer,
    turns: Turns,
    store: ScoreStore | None = None,
    readers: int = 2,
    look_ahead_bytes: int | None = None,
    top_k: int | None = None,
    stop: threading.Event | None = None,
) -> "RankStream":
    """One event per candidate in the order of completion, then the `Ranking`. The work begins with the first `next`.

    store: scores already known, which are not judged again; those that are judged go into it, batch by batch.
    readers: threads that make pictures ready.
    look_ahead_bytes: nothing more is read while so much is ready and not yet judged; what the scorer finds worth having
        ready where None. As many pictures as there are
        readers may go beyond it, since a size is known only once the picture is read.
    top_k: how many of the scored the `Ranking` keeps, all where None; events are never cut.
    stop: once set, no further batch begins; what was not judged by then comes out as `PictureSkipped`.
    """
    caller = turns.caller(stop)
    look_ahead = LookAhead(
        len(candidates), scorer.look_ahead_bytes if look_ahead_bytes is None else look_ahead_bytes, caller
    )
    run = _Run(query, candidates, scorer, store, look_ahead, readers)
    return RankStream(run, top_k)


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    *,
    scorer: Scorer,
    turns: Turns,
    store: ScoreStore | None = None,
    readers: int = 2,
    look_ahead_bytes: int | None = None,
    top_k: int | None = None,
    stop: threading.Event | None = None,
) -> Ranking:
    """The last item of `rank_stream`."""
    stream = rank_stream(
        query,
        candidates,
        scorer=scorer,
        turns=turns,
        store=store,
        readers=readers,
        look_ahead_bytes=look_ahead_bytes,
        top_k=top_k,
        stop=stop,
    )
    return drained(stream)


def drained(stream: Iterator[Scored | Failed | Ranking]) -> Ranking:
    """The ranking that a stream ends with; its events are passed over."""
    *_, ranking = stream
    return cast(Ranking, ranking)


def joined(rankings: Sequence[Ranking], each: int, top_k: int | None = None) -> Ranking:
    """One ranking of what was ranked in parts of `each` candidates, with the same query and scorer."""
    events: list[Scored | Failed] = []
    for number, part in enumerate(rankings):
        events += [replace(one, position=each * number + one.position) for one in part.scored]
        events += [replace(one, position=each * number + one.position) for one in part.failed]
    scored, failed = ordered(events, top_k)
    return replace(rankings[0], scored=scored, failed=failed)


def ordered(
    events: Iterable[Scored | Failed], top_k: int | None = None
) -> tuple[tuple[Scored, ...], tuple[Failed, ...]]:
    """The scored ones, best first and `top_k` at most, and the failed ones by position; of a part as of a whole run."""
    by_position = sorted(events, key=lambda event: event.position)
    scored = [event for event in by_position if isinstance(event, Scored)]
    scored.sort(key=lambda event: (-event.judgement.level, -_float32(event.judgement.order_key)))
    failed = (event for event in by_position if isinstance(event, Failed))
    return tuple(scored[:top_k]), tuple(failed)


def _float32(value: float) -> float:
    """Rounded to the precision that models score in; infinite beyond its range."""
    return array("f", [value])[0]


class RankStream(Iterator[Scored | Failed | Ranking]):
    """A run being watched. Dropping it closes it."""

    def __init__(self, run: "_Run", top_k: int | None) -> None:
        self._run = run
        self._events = _drain(run, top_k)

    def __next__(self) -> Scored | Failed | Ranking:
        if self._run.closed:
            raise StopIteration
        return next(self._events)

    @property
    def place(self) -> int | None:
        """How many batches of others go first, while this run waits for the device; see `Caller.place`."""
        return self._run.caller.place

    @property
    def glimpsed(self) -> int | None:
        """None: nothing here is provisional; see `reranker.closer_look`."""
        return None

    def close(self) -> None:
        """End the run before its next batch, and the iteration now, even where another thread waits in `next`.

        Returns at once: a batch that runs ends by itself.
        """
        self._run.close()


def _drain(run: "_Run", top_k: int | None) -> Iterator[Scored | Failed | Ranking]:
    """Events as they come in, then those of the candidates that a stop left over, then the ranking.

    Only here is it known who has had an event, so threads that end in any order cannot lose or repeat one.
    """
    seen: dict[int, Scored | Failed] = {}
    try:
        run.start()
        for event in run.reported():
            seen[event.position] = event
            yield event
        if run.closed:
            return
        for skipped in run.skipped(seen):
            seen[skipped.position] = skipped
            yield skipped
        yield run.ranking(seen.values(), top_k)
    finally:
        run.close()


_Events = SimpleQueue[Scored | Failed | BaseException | None]  # None: no more will come


class _KnownScores:
    """What the store knows of one query, and learns of it; where there is no store, nothing."""

    def __init__(self, store: ScoreStore | None, query: Query, fingerprint: str) -> None:
        self._store, self._query, self._fingerprint = store, query, fingerprint

    def get(self, content_hash: str) -> Judgement | None:
        return None if self._store is None else self._store.get(content_hash, self._query, self._fingerprint)

    def put(self, batch: list[ReadyPicture]) -> None:
        """Those of the batch that were judged."""
        judged = [
            (picture.prepared.content_hash, picture.answer.result()) for picture in batch if picture.answer.done()
        ]
        judgements = {content_hash: said for content_hash, said in judged if isinstance(said, Judgement)}
        if self._store is not None and judgements:
            self._store.put(self._query, self._fingerprint, judgements)


class _Reader:
    """Makes pictures ready, in as many threads as call `work`. Equal bytes go to the device once."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        scorer: Scorer,
        known: "_KnownScores",
        look_ahead: LookAhead,
        events: _Events,
    ) -> None:
        self._candidates = candidates
        self._scorer = scorer
        self._known = known
        self._look_ahead = look_ahead
        self._events = events
        self._answers: dict[str, Future[Outcome]] = {}

    def work(self) -> None:
        _yield_to_the_device()
        while (position := self._look_ahead.claim()) is not None:
            # No name for the picture here: it would keep the memory of it while waiting for room.
            self._look_ahead.put(self._read(position))

    def _read(self, position: int) -> ReadyPicture | None:
        candidate = self._candidates[position]
        try:
            content_hash = self._scorer.identify(candidate)
        except Exception as error:
            self._events.put(_event(position, candidate, _unreadable(error, candidate.name)))
            return None
        answer = Future[Outcome]()
        first = self._answers.setdefault(content_hash, answer)
        first.add_done_callback(partial(self._report, position, candidate, first is not answer))
        return self._made_ready(candidate, content_hash, answer) if first is answer else None

    def _made_ready(self, candidate: Candidate, content_hash: str, answer: Future[Outcome]) -> ReadyPicture | None:
        try:
            known = self._known.get(content_hash)
            if known is not None:
                answer.set_result(known)
                return None
            prepared: Prepared = self._scorer.prepare(candidate)
            return ReadyPicture(name=candidate.name, prepared=prepared, nbytes=prepared.nbytes, answer=answer)
        except Exception as error:
            answer.set_result(_unreadable(error, candidate.name))
            return None

    def _report(self, position: int, candidate: Candidate, repeat: bool, answer: Future[Outcome]) -> None:
        """Called once, whether the answer came before the repeat was read or after."""
        outcome = answer.result()
        if repeat and isinstance(outcome, Judgement):
            outcome = replace(outcome, known=True)
        self._events.put(_event(position, candidate, outcome))


class _Judge:
    """Takes ready pictures to the device, one batch a turn; one that fails is halved until only the culprit does."""

    def __init__(self, query: Query, scorer: Scorer, known: _KnownScores, look_ahead: LookAhead) -> None:
        self._query = query
        self._scorer = scorer
        self._known = known
        self._look_ahead = look_ahead
        self._halves: list[list[ReadyPicture]] = []

    def work(self) -> None:
        try:
            while self._halves or self._look_ahead.wait():
                # No name for the batch here: it would keep its pictures while waiting for the next ones.
                self._look_ahead.free(self._done_with(self._take_turn()))
        except TurnCancelled:
            _log.debug("Stopped before the next batch")

    def _take_turn(self) -> list[ReadyPicture]:
        """One batch, whatever its size: an idle device is worth less than a full batch."""
        with self._look_ahead.caller.turn():
            # Taken only now that the device is ours: more pictures became ready while we waited.
            batch = self._next_half() if self._halves else self._look_ahead.take(self._scorer.batch_tokens)
            if batch:  # else the run was closed a moment ago
                self._score(batch)
        return batch

    def _done_with(self, batch: list[ReadyPicture]) -> int:
        """What was judged is known from now on. Returns the bytes that are held for it no longer."""
        self._known.put(batch)
        return sum(picture.nbytes for picture in batch if picture.answer.done())

    def _next_half(self) -> list[ReadyPicture]:
        """Part of a batch that failed, halved on where the device has less room by now."""
        half = self._halves.pop()
        while len(half) > 1 and _tokens(half) > self._scorer.batch_tokens:
            half, rest = _halved(half)
            self._halves.append(rest)
        return half

    def _score(self, batch: list[ReadyPicture]) -> None:
        try:
            for index, judgement in self._scorer.score(self._query, [picture.prepared for picture in batch]):
                batch[index].answer.set_result(_checked(judgement, batch[index].name))
        except Exception as error:
            _log_unexpected(error, "A batch of %d failed", len(batch))
            self._blame(batch, error)
            return
        for picture in _unanswered(batch):
            picture.answer.set_result(PictureUnjudged(name=picture.name, reason="no answer"))

    def _blame(self, batch: list[ReadyPicture], error: Exception) -> None:
        """Only who failed alone is the culprit; the others get another turn in half the company.

        Nothing here keeps `error`: its traceback holds the tensors that the next try needs the memory of.
        """
        rest = _unanswered(batch)
        if len(batch) > 1:
            self._halves += [half for half in reversed(_halved(rest)) if half]
        elif rest:
            batch[0].answer.set_result(_as_picture_error(error, batch[0].name))


class _Run:
    """One query over its candidates: the threads, what they report, and their end."""

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        scorer: Scorer,
        store: ScoreStore | None,
        look_ahead: LookAhead,
        readers: int,
    ) -> None:
        self._events: _Events = SimpleQueue()
        self.caller = look_ahead.caller
        self.closed = False
        self._query = query
        self._candidates = tuple(candidates)
        self._scorer = scorer
        self._store = store
        self._look_ahead = look_ahead
        self._readers = max(1, readers)
        self._thread = threading.Thread(target=self._work, name="reranker-device", daemon=True)

    def start(self) -> None:
        # Daemons, or a stream that was left open would keep the program alive until its last picture; and yet waited
        # for at the exit, since a thread that dies inside a model takes the process down with it.
        atexit.register(self._end)
        self._thread.start()

    def close(self) -> None:
        self.closed = True
        self.caller.cancel()
        self._look_ahead.close()
        self._events.put(None)

    def reported(self) -> Iterator[Scored | Failed]:
        """Events until no more will come. Raises what ended a thread."""
        while (event := self._events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    def skipped(self, seen: Container[int]) -> Iterator[Failed]:
        """One event for each candidate that has had none."""
        for position, candidate in enumerate(self._candidates):
            if position not in seen:
                yield Failed(position=position, candidate=candidate, error=PictureSkipped(name=candidate.name))

    def ranking(self, events: Iterable[Scored | Failed], top_k: int | None) -> Ranking:
        scored, failed = ordered(events, top_k)
        return Ranking(
            query=self._query,
            fingerprint=self._scorer.fingerprint,
            temperature=self._scorer.temperature,
            scored=scored,
            failed=failed,
        )

    def _work(self) -> None:
        known = _KnownScores(self._store, self._query, self._scorer.fingerprint)
        reader = _Reader(self._candidates, self._scorer, known, self._look_ahead, self._events)
        threads = [
            threading.Thread(target=self._forwarding, args=(reader.work,), name="reranker-reader", daemon=True)
            for _ in range(self._readers)
        ]
        for thread in threads:
            thread.start()
        self._forwarding(_Judge(self._query, self._scorer, known, self._look_ahead).work)
        self._look_ahead.close()
        self._events.put(None)
        for thread in threads:
            thread.join()
        atexit.unregister(self._end)

    def _forwarding(self, work: Callable[[], None]) -> None:
        """What a thread must not swallow is raised where the events are read."""
        try:
            work()
        except BaseException as error:
            self._events.put(error)

    def _end(self) -> None:
        self.close()
        self._thread.join()


def _halved(batch: list[ReadyPicture]) -> tuple[list[ReadyPicture], list[ReadyPicture]]:
    middle = (len(batch) + 1) // 2
    return batch[:middle], batch[middle:]


def _tokens(batch: list[ReadyPicture]) -> int:
    return sum(picture.prepared.visual_tokens for picture in batch)


def _unanswered(batch: list[ReadyPicture]) -> list[ReadyPicture]:
    return [picture for picture in batch if not picture.answer.done()]


def _checked(judgement: Judgement, name: str) -> Outcome:
    if math.isfinite(_float32(judgement.order_key)):
        return judgement
    return PictureUnjudged(name=name, reason="not finite")


def _event(position: int, candidate: Candidate, outcome: Outcome) -> Scored | Failed:
    if isinstance(outcome, Judgement):
        return Scored(position=position, candidate=candidate, judgement=outcome)
    return Failed(position=position, candidate=candidate, error=replace(outcome, name=candidate.name))


def _as_picture_error(error: Exception, name: str) -> PictureError:
    """The same error without its traceback, whose frames would keep pixels alive; the class name of one not foreseen.

    The text of an unforeseen error may show paths, so it goes to the log alone.
    """
    if isinstance(error, PictureError):
        return replace(error, name=name)
    return PictureUnjudged(name=name, reason=type(error).__name__)


def _yield_to_the_device() -> None:
    """Let this thread run on what the device's leaves over, where the system knows such a thing.

    On two busy cores the first answer came after 370 ms with readers of equal rank, and after 40 ms like this.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # where a sandbox forbids it, all threads are equal
            nicer = os.getpriority(os.PRIO_PROCESS, thread) + READER_NICENESS
            os.setpriority(os.PRIO_PROCESS, thread, min(nicer, LEAST_PRIORITY))


def _unreadable(error: Exception, name: str) -> PictureError:
    _log_unexpected(error, "A picture could not be read: %r", name)
    return _as_picture_error(error, name)


def _log_unexpected(error: Exception, message: str, *values: object) -> None:
    if not isinstance(error, PictureError):
        _log.error(message, *values, exc_info=error)
