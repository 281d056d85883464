"""Judges every set of a dataset by every combination: the same pictures, in the same batches, each looked at once.

What comes out depends on nothing but the dataset and the combination: batches are cut from the sets, and not from what
the readers happen to have ready, so that the same evaluation gives the same scores again.
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from reranker.api import Reranker, visual_tokens
from reranker.core.cancellation import Cancellation
from reranker.core.errors import CheckpointError, PictureError, TicketCancelled
from reranker.core.types import Candidate, Query, ScorerInfo, Scoring
from reranker.engine.batching import score_prepared
from reranker.engine.device_queue import Ticket
from reranker.engine.process_memory import PeakMemory
from reranker.engine.results import ScoreResult, failure
from reranker.engine.scoring_run import ScoringEngine, new_run_id
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
class _ScoringRun:
    """One configuration, and the engine that scores with it."""

    configuration: Configuration
    engine: ScoringEngine[Any]

    @property
    def info(self) -> ScorerInfo:
        return self.engine.executor.info


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Pictures of a set that go to the device together, for the configurations that have not scored the set yet."""

    labelled: LabelledSet
    query: Query
    pictures: Sequence[LabelledPicture]
    runs: Sequence[_ScoringRun]
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
    cancellation: Cancellation | None = None,
    results_log: ResultsLog | None = None,
) -> Generator[Progress | LeftOut | Evaluation, None, None]:
    """How far it is, after each batch; then the `Evaluation`, unless it was cancelled before or every plan was left
    out.

    ledger: what was judged before, which is not judged again; it learns each set as it is done.
    Raises `RequestError`.
    """
    run = _Run(dataset, results_log, cancellation or Cancellation(), plans)
    evaluated: dict[str, Evaluated] = {}
    for plan in plans:
        try:
            found = yield from run.evaluate(plan)
        except CheckpointError as error:
            run.leave_out(plan)
            yield LeftOut(error=error)
            continue
        gc.collect()  # a network has cycles, and the next one needs its room
        if run.cancellation.cancelled:
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
    """One dataset, several model runs, and their progress."""

    def __init__(
        self, dataset: Dataset, results_log: ResultsLog | None, cancellation: Cancellation, plans: Sequence[ModelRun]
    ) -> None:
        self.cancellation = cancellation
        self._dataset, self._results_log = dataset, results_log
        self._done, self._judged, self._busy_s = 0, 0, 0.0
        self._total = sum(map(self._pictures, plans))

    def _pictures(self, plan: ModelRun) -> int:
        """Count pictures to score, each once per configuration."""
        pictures = sum(len(labelled.pictures) for labelled in self._dataset.sets)
        return len(plan.scorings) * len(plan.details) * pictures

    def leave_out(self, plan: ModelRun) -> None:
        """Do not wait for a model run."""
        self._total -= self._pictures(plan)

    def evaluate(self, plan: ModelRun) -> Generator[Progress, None, list[Evaluated]]:
        """Evaluate all configurations of a model run; returns nothing if it is cancelled."""
        reranker = plan.open()
        queries = {labelled.id: reranker.query(labelled.query) for labelled in self._dataset.sets}
        model, name, found = reranker.load(), reranker.model_name, []
        details = dict.fromkeys(visual_tokens(detail, model.info) for detail in plan.details)
        self._total -= self._pictures(plan) * (len(plan.details) - len(details)) // len(plan.details)
        for tokens in details:
            runs = [
                _ScoringRun(
                    configuration=_configuration(name, model.info, scoring, tokens),
                    engine=reranker.engine_of(model.variant(visual_tokens=tokens, scoring=scoring)),
                )
                for scoring in plan.scorings
            ]
            scored = yield from self._score_sets(runs, queries, on_gpu=model.device_memory is not None)
            if self.cancellation.cancelled:
                return []
            found += [self._evaluated(run, scored[run.info.fingerprint]) for run in runs]
        return found

    def _evaluated(self, run: _ScoringRun, known: Mapping[str, JudgedSet]) -> Evaluated:
        sets, info = self._dataset.sets, run.info
        judged = tuple(known[labelled.id] for labelled in sets)
        return Evaluated(
            configuration=run.configuration,
            fingerprint=info.fingerprint,
            calibration_key=info.calibration_key,
            figures=figures(sets, judged, info.temperature),
            judged=judged,
            fit=fitted(sets, judged, info.temperature),
        )

    def _score_sets(
        self, runs: Sequence[_ScoringRun], queries: Mapping[str, Query], *, on_gpu: bool
    ) -> Generator[Progress, None, dict[str, dict[str, JudgedSet]]]:
        """Score every set by every configuration, each once, now or in an earlier evaluation.

        Returns scored sets by fingerprint, then by the id of the set.
        """
        scored = {run.info.fingerprint: self._logged(run) for run in runs}
        if before := sum(len(result.log_odds) for sets in scored.values() for result in sets.values()):
            self._done += before
            yield self._progress(runs[-1].configuration)
        tallies = {fingerprint: _Tally() for fingerprint in scored}
        memory, engine = PeakMemory(on_gpu=on_gpu), runs[0].engine
        ticket = engine.device_queue.ticket(self.cancellation)
        for batch, prepared in _prefetch(_batches(self._dataset, runs, scored, queries), engine, self.cancellation):
            start = time.perf_counter()
            try:
                _score(batch, prepared, tallies, ticket, memory)
            except TicketCancelled:
                break
            if self.cancellation.cancelled:  # the batch may be scored in part
                break
            self._busy_s += time.perf_counter() - start
            self._judged += len(batch.runs) * len(batch.pictures)
            self._done += len(batch.runs) * len(batch.pictures)
            if batch.is_last:
                self._finish_set(batch, scored, tallies)
            yield self._progress(batch.runs[-1].configuration)
        ticket.close()
        return scored

    def _finish_set(self, batch: _Batch, scored: dict[str, dict[str, JudgedSet]], tallies: dict[str, _Tally]) -> None:
        """Keep the results of a set whose last batch was scored."""
        for run in batch.runs:
            fingerprint = run.info.fingerprint
            result = tallies[fingerprint].judged(batch.labelled.id)
            if self._results_log is not None:
                self._results_log.put(fingerprint, batch.labelled, result)
            scored[fingerprint][batch.labelled.id] = result
            tallies[fingerprint] = _Tally()

    def _logged(self, run: _ScoringRun) -> dict[str, JudgedSet]:
        """Return the sets that the results log has. Sets with errors are scored again: the cause may have gone."""
        if self._results_log is None:
            return {}
        found = (
            (labelled.id, self._results_log.get(run.info.fingerprint, labelled)) for labelled in self._dataset.sets
        )
        return {set_id: result for set_id, result in found if result is not None and not result.errors}

    def _progress(self, configuration: Configuration) -> Progress:
        left_s = self._busy_s / self._judged * (self._total - self._done) if self._judged else None
        return Progress(configuration=configuration, done=self._done, total=self._total, left_s=left_s)


def _configuration(model: str, info: ScorerInfo, scoring: Scoring, tokens: int) -> Configuration:
    return Configuration(model=model, precision=info.precision, scoring=scoring, visual_tokens=tokens)


def _batches(
    dataset: Dataset,
    runs: Sequence[_ScoringRun],
    scored: Mapping[str, Mapping[str, JudgedSet]],
    queries: Mapping[str, Query],
) -> Iterator[_Batch]:
    """Cut what is left to score into batches, set by set."""
    size = max(1, runs[0].engine.executor.batch_tokens // runs[0].configuration.visual_tokens)
    by_fingerprint = {run.info.fingerprint: run for run in runs}
    for labelled in dataset.sets:
        left = [run for fingerprint, run in by_fingerprint.items() if labelled.id not in scored[fingerprint]]
        for start in range(0, len(labelled.pictures) if left else 0, size):
            yield _Batch(
                labelled=labelled,
                query=queries[labelled.id],
                pictures=labelled.pictures[start : start + size],
                runs=left,
                is_last=start + size >= len(labelled.pictures),
            )


def _prefetch(
    batches: Iterable[_Batch], engine: ScoringEngine[Any], cancellation: Cancellation
) -> Iterator[tuple[_Batch, list[Any]]]:
    """Yield each batch with its prepared images, or their errors, and prepare the next one while it is scored."""
    waiting: deque[tuple[_Batch, list[Future[Any]]]] = deque()
    with ThreadPoolExecutor(engine.prefetch_threads, thread_name_prefix="reranker-prefetch") as pool:
        for batch in batches:
            waiting.append((batch, [pool.submit(_prepare, engine, picture) for picture in batch.pictures]))
            if len(waiting) > 1:
                yield _results(waiting.popleft())
            if cancellation.cancelled:
                break
        while waiting and not cancellation.cancelled:
            yield _results(waiting.popleft())


def _results(submitted: tuple[_Batch, list[Future[Any]]]) -> tuple[_Batch, list[Any]]:
    return submitted[0], [future.result() for future in submitted[1]]


def _prepare(engine: ScoringEngine[Any], picture: LabelledPicture) -> Any:
    """Return the prepared image, or its `PictureError`."""
    try:
        candidate = Candidate(name=picture.name, source=picture.source)
        return engine.preprocessor.prepare(engine.preprocessor.identify(candidate))
    except Exception as error:
        return failure(error, picture.name)


def _score(
    batch: _Batch, prepared: Sequence[Any], tallies: Mapping[str, _Tally], ticket: Ticket, memory: PeakMemory
) -> None:
    """Encode the images of a batch once, and score them by each configuration. Raises `TicketCancelled`."""
    images = {index: image for index, image in enumerate(prepared) if not isinstance(image, PictureError)}
    names, run_id = [batch.pictures[index].name for index in images], new_run_id()
    memory.begin()
    start = time.perf_counter()
    encoded = _encode(batch.runs[0].engine, list(images.values()), ticket, run_id)
    looked_ms, looked_peak = 1000 * (time.perf_counter() - start), memory.taken()
    for run in batch.runs:
        memory.begin()
        start = time.perf_counter()
        results = score_prepared(batch.query, encoded, names, run.engine.executor, ticket, run_id)
        tally = tallies[run.info.fingerprint]
        tally.took(memory.taken(), asked_ms=1000 * (time.perf_counter() - start))
        tally.took(looked_peak, looked_ms=looked_ms)
        by_index: dict[int, ScoreResult] = dict(zip(images, results, strict=True))
        for index, image in enumerate(prepared):
            tally.add(by_index.get(index, image))


def _encode(engine: ScoringEngine[Any], images: Sequence[Any], ticket: Ticket, run_id: str) -> Sequence[Any]:
    """Return the images with their features; as they were if that failed: scoring finds the image at fault."""
    try:
        with ticket.slot():
            return engine.executor.encode(images, run_id).result() if images else images
    except TicketCancelled:
        raise
    except Exception as error:
        failure(error, "")
    return images
