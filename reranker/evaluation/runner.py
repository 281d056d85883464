"""Judges every set of a dataset by every combination: the same pictures, in the same batches, each looked at once.

What comes out depends on nothing but the dataset and the combination: batches are cut from the sets, and not from what
the readers happen to have ready, so that the same evaluation gives the same scores again.
"""

import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from reranker.api import Reranker, visual_tokens
from reranker.core.errors import CheckpointError, PictureError, TicketCancelled
from reranker.core.types import Candidate, Query, Scorer, Scoring
from reranker.engine.batching import picture_failure, score_prepared
from reranker.engine.device_queue import Ticket
from reranker.engine.prefetch_buffer import ScoreResult
from reranker.engine.process_memory import PeakMemory
from reranker.evaluation.calibration import fitted
from reranker.evaluation.comparison import compared
from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.metrics import figures
from reranker.evaluation.results import Configuration, Evaluated, Evaluation, JudgedSet
from reranker.evaluation.results_log import ResultsLog
from reranker.i18n.error_messages import sentence


@dataclass(frozen=True, kw_only=True)
class ModelRun:
    """One model in one precision, and the ways to ask it; `details` as in `Settings`, but for "auto".

    open: called once, when its turn comes; the model is let go before the next plan's is opened.
    """

    open: Callable[[], Reranker]
    scorings: tuple[Scoring, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Pictures judged by one combination or another, of all that there are to judge; left_s: None before the first."""

    configuration: Configuration
    done: int
    total: int
    left_s: float | None


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A plan whose model could not be loaded, and why."""

    error: CheckpointError


@dataclass(frozen=True, kw_only=True)
class _Way:
    configuration: Configuration
    scorer: Scorer


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Pictures of a set that go to the device together, for the ways that have not judged the set yet."""

    labelled: LabelledSet
    query: Query
    pictures: Sequence[LabelledPicture]
    ways: Sequence[_Way]
    is_last: bool


@dataclass(kw_only=True)
class _Tally:
    """What one way said of a set so far."""

    log_odds: list[float | None] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    looked_ms: float = 0.0
    asked_ms: float = 0.0
    peak_bytes: int | None = None

    def add(self, outcome: ScoreResult) -> None:
        if isinstance(outcome, PictureError):
            self.errors[len(self.log_odds)] = sentence(outcome, "en")
            self.log_odds.append(None)
        else:
            self.log_odds.append(outcome.log_odds)

    def took(self, peak_bytes: int | None, *, looked_ms: float = 0.0, asked_ms: float = 0.0) -> None:
        self.looked_ms += looked_ms
        self.asked_ms += asked_ms
        if peak_bytes is not None:
            self.peak_bytes = max(self.peak_bytes or 0, peak_bytes)

    def judged(self, set_id: str) -> JudgedSet:
        return JudgedSet(
            id=set_id,
            log_odds=tuple(self.log_odds),
            errors=self.errors,
            looked_ms=self.looked_ms,
            asked_ms=self.asked_ms,
            peak_bytes=self.peak_bytes,
        )


def evaluate_stream(
    dataset: Dataset,
    plans: Sequence[ModelRun],
    *,
    stop: threading.Event | None = None,
    results_log: ResultsLog | None = None,
) -> Generator[Progress | LeftOut | Evaluation, None, None]:
    """How far it is, after each batch; then the `Evaluation`, unless `stop` was set before or every plan was left out.

    ledger: what was judged before, which is not judged again; it learns each set as it is done.
    Raises `RequestError`.
    """
    run = _Run(dataset, results_log, stop or threading.Event(), plans)
    evaluated: dict[str, Evaluated] = {}
    for plan in plans:
        try:
            found = yield from run.of(plan)
        except CheckpointError as error:
            run.leave_out(plan)
            yield LeftOut(error=error)
            continue
        gc.collect()  # a network has cycles, and the next one needs its room
        if run.stop.is_set():
            return
        evaluated |= {one.fingerprint: one for one in found}
    if not evaluated:
        return
    different = _distinct(list(evaluated.values()))
    yield Evaluation(dataset=dataset, evaluated=different, comparisons=compared(dataset.sets, different))


def _distinct(evaluated: Sequence[Evaluated]) -> tuple[Evaluated, ...]:
    """Models of one name, each with the beginning of its fingerprint."""
    labels = [one.configuration.label for one in evaluated]
    return tuple(
        one if labels.count(label) == 1 else replace(one, configuration=_told_apart(one))
        for one, label in zip(evaluated, labels, strict=True)
    )


def _told_apart(one: Evaluated) -> Configuration:
    return replace(one.configuration, model=f"{one.configuration.model} ({one.fingerprint[:8]})")


class _Run:
    """One dataset, several plans, and how far they are."""

    def __init__(
        self, dataset: Dataset, results_log: ResultsLog | None, stop: threading.Event, plans: Sequence[ModelRun]
    ) -> None:
        self.stop = stop
        self._dataset, self._results_log = dataset, results_log
        self._done, self._judged, self._busy_s = 0, 0, 0.0
        self._total = sum(map(self._pictures, plans))

    def _pictures(self, plan: ModelRun) -> int:
        """To be judged, one as often as there are combinations."""
        pictures = sum(len(labelled.pictures) for labelled in self._dataset.sets)
        return len(plan.scorings) * len(plan.details) * pictures

    def leave_out(self, plan: ModelRun) -> None:
        """It is not waited for."""
        self._total -= self._pictures(plan)

    def of(self, plan: ModelRun) -> Generator[Progress, None, list[Evaluated]]:
        """All combinations of a plan; of no use where it was stopped."""
        reranker = plan.open()
        asked = {labelled.id: reranker.query(labelled.query) for labelled in self._dataset.sets}
        scorer, name = reranker.load(), reranker.model_name
        ticket, found = reranker.device_queue.ticket(self.stop), []
        details = dict.fromkeys(visual_tokens(detail, scorer) for detail in plan.details)
        self._total -= self._pictures(plan) * (len(plan.details) - len(details)) // len(plan.details)
        for tokens in details:
            seen_at = scorer.at(tokens)
            ways = [
                _Way(configuration=_configuration(name, seen_at, scoring, tokens), scorer=seen_at.with_scoring(scoring))
                for scoring in plan.scorings
            ]
            known = yield from self._judged_by(ways, asked, ticket, reranker.settings.engine.prefetch_threads)
            if self.stop.is_set():
                return []
            found += [self._evaluated(way, known[way.scorer.fingerprint]) for way in ways]
        return found

    def _evaluated(self, way: _Way, known: Mapping[str, JudgedSet]) -> Evaluated:
        sets = self._dataset.sets
        judged = tuple(known[labelled.id] for labelled in sets)
        return Evaluated(
            configuration=way.configuration,
            fingerprint=way.scorer.fingerprint,
            calibration_key=way.scorer.calibration_key,
            figures=figures(sets, judged, way.scorer.temperature),
            judged=judged,
            fit=fitted(sets, judged, way.scorer.temperature),
        )

    def _judged_by(
        self, ways: Sequence[_Way], asked: Mapping[str, Query], ticket: Ticket, prefetch_threads: int
    ) -> Generator[Progress, None, dict[str, dict[str, JudgedSet]]]:
        """Every set by every way: by fingerprint, then by the set's id. A way judges a set once, now or before."""
        known = {way.scorer.fingerprint: self._known(way) for way in ways}
        if before := sum(len(said.log_odds) for sets in known.values() for said in sets.values()):
            self._done += before
            yield self._progress(ways[-1].configuration)
        tallies = {fingerprint: _Tally() for fingerprint in known}
        memory = PeakMemory(on_gpu=ways[0].scorer.device_memory is not None)
        for part, prepared in _ahead(
            _parts(self._dataset, ways, known, asked), ways[0].scorer, prefetch_threads, self.stop
        ):
            began = time.perf_counter()
            try:
                _judge(part, prepared, tallies, ticket, memory)
            except TicketCancelled:
                break
            if self.stop.is_set():  # what was judged of it is not all of it
                break
            self._busy_s += time.perf_counter() - began
            self._judged += len(part.ways) * len(part.pictures)
            self._done += len(part.ways) * len(part.pictures)
            if part.is_last:
                for way in part.ways:
                    fingerprint = way.scorer.fingerprint
                    known[fingerprint][part.labelled.id] = self._kept(way, part.labelled, tallies[fingerprint])
                    tallies[fingerprint] = _Tally()
            yield self._progress(part.ways[-1].configuration)
        return known

    def _known(self, way: _Way) -> dict[str, JudgedSet]:
        if self._results_log is None:
            return {}
        found = ((one.id, self._results_log.get(way.scorer.fingerprint, one)) for one in self._dataset.sets)
        # What failed is tried again: it may have been for want of memory, or of a drive.
        return {set_id: judged for set_id, judged in found if judged is not None and not judged.errors}

    def _kept(self, way: _Way, labelled: LabelledSet, tally: _Tally) -> JudgedSet:
        judged = tally.judged(labelled.id)
        if self._results_log is not None:
            self._results_log.put(way.scorer.fingerprint, labelled, judged)
        return judged

    def _progress(self, configuration: Configuration) -> Progress:
        left_s = self._busy_s / self._judged * (self._total - self._done) if self._judged else None
        return Progress(configuration=configuration, done=self._done, total=self._total, left_s=left_s)


def _configuration(model: str, scorer: Scorer, scoring: Scoring, tokens: int) -> Configuration:
    return Configuration(model=model, precision=scorer.precision, scoring=scoring, visual_tokens=tokens)


def _parts(
    dataset: Dataset, ways: Sequence[_Way], known: Mapping[str, Mapping[str, JudgedSet]], asked: Mapping[str, Query]
) -> Iterator[_Part]:
    """What is still to be judged, cut into batches."""
    scorer, configuration = ways[0].scorer, ways[0].configuration
    size = max(1, scorer.batch_tokens // configuration.visual_tokens)
    different = {way.scorer.fingerprint: way for way in ways}
    for labelled in dataset.sets:
        left = [way for fingerprint, way in different.items() if labelled.id not in known[fingerprint]]
        for start in range(0, len(labelled.pictures) if left else 0, size):
            pictures = labelled.pictures[start : start + size]
            is_last = start + size >= len(labelled.pictures)
            yield _Part(labelled=labelled, query=asked[labelled.id], pictures=pictures, ways=left, is_last=is_last)


def _ahead(
    parts: Iterable[_Part], scorer: Scorer, prefetch_threads: int, stop: threading.Event
) -> Iterator[tuple[_Part, list[Any]]]:
    """Each part with its pictures prepared, or their errors; the next one is read while this one is judged."""
    waiting: deque[tuple[_Part, list[Future[Any]]]] = deque()
    with ThreadPoolExecutor(prefetch_threads, thread_name_prefix="reranker-reader") as pool:
        for part in parts:
            waiting.append((part, [pool.submit(_prepared, scorer, picture) for picture in part.pictures]))
            if len(waiting) > 1:
                yield _read(waiting.popleft())
            if stop.is_set():
                break
        while waiting and not stop.is_set():
            yield _read(waiting.popleft())


def _read(part: tuple[_Part, list[Future[Any]]]) -> tuple[_Part, list[Any]]:
    return part[0], [future.result() for future in part[1]]


def _prepared(scorer: Scorer, picture: LabelledPicture) -> Any:
    """Ready for the device; or its `PictureError`."""
    try:
        return scorer.prepare(Candidate(name=picture.name, source=picture.source))
    except Exception as error:
        return picture_failure(error, picture.name)


def _judge(
    part: _Part, prepared: Sequence[Any], tallies: Mapping[str, _Tally], ticket: Ticket, memory: PeakMemory
) -> None:
    """Looks at the pictures of a part once, and asks in each way. Raises `TurnCancelled`."""
    ready = {index: one for index, one in enumerate(prepared) if not isinstance(one, PictureError)}
    names = [part.pictures[index].name for index in ready]
    memory.begin()
    start = time.perf_counter()
    seen = _encode(part.ways[0].scorer, part.query, list(ready.values()), ticket)
    looked_ms, looked_peak = 1000 * (time.perf_counter() - start), memory.taken()
    for way in part.ways:
        memory.begin()
        start = time.perf_counter()
        said = score_prepared(part.query, seen, names, way.scorer, ticket)
        tally = tallies[way.scorer.fingerprint]
        tally.took(memory.taken(), asked_ms=1000 * (time.perf_counter() - start))
        tally.took(looked_peak, looked_ms=looked_ms)
        outcomes: dict[int, ScoreResult] = dict(zip(ready, said, strict=True))
        for index, one in enumerate(prepared):
            tally.add(outcomes.get(index, one))


def _encode(scorer: Scorer, query: Query, prepared: Sequence[Any], ticket: Ticket) -> Sequence[Any]:
    """The pictures, seen; as they were where that failed: whose fault it is is found when they are judged."""
    try:
        with ticket.turn():
            return scorer.encode(query, prepared) if prepared else prepared
    except TicketCancelled:
        raise
    except Exception as error:
        picture_failure(error, "")
    return prepared
