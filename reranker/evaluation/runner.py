"""Score every set of a dataset by every configuration, with the same batches; each picture is encoded once a detail.

The result depends only on the dataset and the configurations: batches are cut from the sets, and not from the pictures
that happen to be read already, so that the same evaluation gives the same scores again. Pictures of equal pixels get
one score for a query, as in a ranking: otherwise the rounding of their batches would decide which of them is first.
"""

import gc
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from reranker.api import Reranker, visual_tokens
from reranker.core.cancellation import Cancellation
from reranker.core.errors import CheckpointError, DetailTooHigh, DeviceFailed, PictureError, TicketCancelled
from reranker.core.types import Candidate, Query, ScoreResult, ScorerInfo, Scoring
from reranker.engine.batching import score_prepared
from reranker.engine.device_queue import Ticket
from reranker.engine.process_memory import PeakMemory
from reranker.engine.results import failure, with_name
from reranker.engine.scoring_run import ScoringEngine, new_run_id
from reranker.evaluation.calibration import fit_calibration
from reranker.evaluation.comparison import compare_results
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet
from reranker.evaluation.metrics import compute_metrics
from reranker.evaluation.results import Configuration, Evaluation, EvaluationResult, ScoredSet
from reranker.evaluation.results_log import ResultsLog
from reranker.i18n.error_messages import sentence


@dataclass(frozen=True, kw_only=True)
class ModelRun:
    """A model in one precision, with the scoring methods and details to evaluate.

    open: called once, when the run starts; the model is released before the next run opens its own. details: as in
    `Settings`, except "auto".
    """

    open: Callable[[], Reranker]
    scorings: tuple[Scoring, ...]
    details: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The number of scored pictures, counted once for each configuration. left_s: None before the first batch."""

    configuration: Configuration
    done: int
    total: int
    left_s: float | None


@dataclass(frozen=True, kw_only=True)
class SkippedRun:
    """A run whose model could not be loaded, or has no room for one of the details."""

    error: CheckpointError | DetailTooHigh


@dataclass(frozen=True, kw_only=True)
class _ConfiguredScorer:
    """A configuration, and the engine that scores with it."""

    configuration: Configuration
    engine: ScoringEngine[Any]

    @property
    def info(self) -> ScorerInfo:
        return self.engine.executor.info


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Pictures of one set that are encoded together, and the scorers that have not scored the set yet.

    prepared: for each picture the prepared image or its `PictureError`. is_last: whether it has the last pictures of
    the set.
    """

    labelled: LabelledSet
    query: Query
    pictures: Sequence[LabelledPicture]
    prepared: Sequence[Any]
    scorers: Sequence[_ConfiguredScorer]
    is_last: bool


@dataclass(kw_only=True)
class _PartialSet:
    """The scores of a set by one configuration, as far as its batches are done."""

    log_odds: list[float | None] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    encode_ms: float = 0.0
    score_ms: float = 0.0
    peak_bytes: int | None = None

    def add(self, result: ScoreResult) -> None:
        if isinstance(result, PictureError):
            self.errors[len(self.log_odds)] = sentence(result, "en")
            self.log_odds.append(None)
        else:
            self.log_odds.append(result.log_odds)

    def add_cost(self, peak_bytes: int | None, *, encode_ms: float = 0.0, score_ms: float = 0.0) -> None:
        self.encode_ms += encode_ms
        self.score_ms += score_ms
        if peak_bytes is not None:
            self.peak_bytes = max(self.peak_bytes or 0, peak_bytes)

    def scored_set(self, set_id: str) -> ScoredSet:
        return ScoredSet(
            id=set_id,
            log_odds=tuple(self.log_odds),
            errors=self.errors,
            encode_ms=self.encode_ms,
            score_ms=self.score_ms,
            peak_bytes=self.peak_bytes,
        )


def evaluate_stream(
    dataset: Dataset,
    runs: Sequence[ModelRun],
    *,
    cancellation: Cancellation | None = None,
    results_log: ResultsLog | None = None,
) -> Generator[Progress | SkippedRun | Evaluation, None, None]:
    """Yield the progress after each batch, and at last the `Evaluation`.

    There is no `Evaluation` if it was cancelled before, or if all runs were skipped. results_log: sets that it has are
    not scored again; each set is added when it is complete. Raises `RequestError`, `DeviceFailed`.
    """
    evaluator = _Evaluator(dataset, results_log, cancellation or Cancellation(), runs)
    results_by_fingerprint: dict[str, EvaluationResult] = {}
    for run in runs:
        try:
            results = yield from evaluator.evaluate(run)
        except (CheckpointError, DetailTooHigh) as error:
            evaluator.skip(run)
            yield SkippedRun(error=error)
            continue
        gc.collect()  # a network has reference cycles, and the next one needs its memory
        if evaluator.cancellation.cancelled:
            return
        results_by_fingerprint |= {result.fingerprint: result for result in results}
    if not results_by_fingerprint:
        return
    distinct = _with_distinct_labels(list(results_by_fingerprint.values()))
    yield Evaluation(dataset=dataset, results=distinct, comparisons=compare_results(dataset.sets, distinct))


def _with_distinct_labels(results: Sequence[EvaluationResult]) -> tuple[EvaluationResult, ...]:
    """Add the start of the fingerprint to the name of each model whose label is not unique."""
    labels = [result.configuration.label for result in results]
    return tuple(
        result
        if labels.count(label) == 1
        else replace(result, configuration=_with_fingerprint(result.configuration, result.fingerprint))
        for result, label in zip(results, labels, strict=True)
    )


def _with_fingerprint(configuration: Configuration, fingerprint: str) -> Configuration:
    return replace(configuration, model=f"{configuration.model} ({fingerprint[:8]})")


class _Evaluator:
    """Evaluates runs on one dataset, and counts the progress over all of them."""

    def __init__(
        self, dataset: Dataset, results_log: ResultsLog | None, cancellation: Cancellation, runs: Sequence[ModelRun]
    ) -> None:
        self.cancellation = cancellation
        self._dataset, self._results_log = dataset, results_log
        self._done, self._scored, self._busy_s = 0, 0, 0.0
        self._total = sum(map(self._picture_count, runs))

    def _picture_count(self, run: ModelRun) -> int:
        """Return the number of pictures to score, counted once for each configuration."""
        pictures = sum(len(labelled.pictures) for labelled in self._dataset.sets)
        return len(run.scorings) * len(run.details) * pictures

    def skip(self, run: ModelRun) -> None:
        """Remove the pictures of a run from the total."""
        self._total -= self._picture_count(run)

    def evaluate(self, run: ModelRun) -> Generator[Progress, None, list[EvaluationResult]]:
        """Return the results of all configurations of a run; none if it was cancelled."""
        reranker = run.open()
        queries = {labelled.id: reranker.query(labelled.query) for labelled in self._dataset.sets}
        model, name, results = reranker.load(), reranker.model_name, []
        token_counts = dict.fromkeys(visual_tokens(detail, model.info) for detail in run.details)
        scorers_by_detail = [  # all of them first, as the model may have no room for one of the details
            [
                _ConfiguredScorer(
                    configuration=_configuration(name, model.info, scoring, tokens),
                    engine=reranker.engine_of(model.variant(visual_tokens=tokens, scoring=scoring)),
                )
                for scoring in run.scorings
            ]
            for tokens in token_counts
        ]
        self._total -= self._picture_count(run) * (len(run.details) - len(token_counts)) // len(run.details)
        for scorers in scorers_by_detail:
            scored = yield from self._score_sets(scorers, queries, on_gpu=model.device_memory is not None)
            if self.cancellation.cancelled:
                return []
            results += [self._result(each, scored[each.info.fingerprint]) for each in scorers]
        return results

    def _result(self, configured: _ConfiguredScorer, scored_by_id: Mapping[str, ScoredSet]) -> EvaluationResult:
        sets, info = self._dataset.sets, configured.info
        scored_sets = tuple(scored_by_id[labelled.id] for labelled in sets)
        return EvaluationResult(
            configuration=configured.configuration,
            fingerprint=info.fingerprint,
            calibration_key=info.calibration_key,
            metrics=compute_metrics(sets, scored_sets, info.temperature),
            scored_sets=scored_sets,
            fit=fit_calibration(sets, scored_sets, info.temperature),
        )

    def _score_sets(
        self, scorers: Sequence[_ConfiguredScorer], queries: Mapping[str, Query], *, on_gpu: bool
    ) -> Generator[Progress, None, dict[str, dict[str, ScoredSet]]]:
        """Score every set by every scorer that has not scored it yet.

        Returns the scored sets by the scorer's fingerprint, then by the set's id.
        """
        scored = {each.info.fingerprint: self._logged(each, queries) for each in scorers}
        if logged := sum(len(each.log_odds) for sets in scored.values() for each in sets.values()):
            self._done += logged
            yield self._progress(scorers[-1].configuration)
        partial_sets: defaultdict[str, _PartialSet] = defaultdict(_PartialSet)
        results = _ResultsByQuery(queries[labelled.id] for labelled in self._dataset.sets)
        memory, engine = PeakMemory(on_gpu=on_gpu), scorers[0].engine
        ticket = engine.device_queue.ticket(self.cancellation)
        with suppress(TicketCancelled):
            for batch in _batches(self._dataset, scorers, scored, queries, ticket):
                start = time.perf_counter()
                _score_batch(batch, partial_sets, results, ticket, memory)
                if self.cancellation.cancelled:  # the batch may be incomplete
                    break
                self._busy_s += time.perf_counter() - start
                self._scored += len(batch.scorers) * len(batch.pictures)
                self._done += len(batch.scorers) * len(batch.pictures)
                if batch.is_last:
                    results.forget(batch.query)
                    for fingerprint in [each.info.fingerprint for each in batch.scorers]:
                        scored_set = self._log(fingerprint, batch.labelled, partial_sets.pop(fingerprint))
                        scored[fingerprint][batch.labelled.id] = scored_set
                yield self._progress(batch.scorers[-1].configuration)
        ticket.close()
        return scored

    def _logged(self, configured: _ConfiguredScorer, queries: Mapping[str, Query]) -> dict[str, ScoredSet]:
        """Return the sets in the log by id, except those with failures: memory or a drive may be available again.

        Sets with the same query may share scores, so either all of them are returned or none.
        """
        if self._results_log is None:
            return {}
        fingerprint = configured.info.fingerprint
        logged = {labelled.id: self._results_log.get(fingerprint, labelled) for labelled in self._dataset.sets}
        complete = {set_id: scored for set_id, scored in logged.items() if scored is not None and not scored.errors}
        incomplete = {queries[set_id] for set_id in logged if set_id not in complete}
        return {set_id: scored for set_id, scored in complete.items() if queries[set_id] not in incomplete}

    def _log(self, fingerprint: str, labelled: LabelledSet, partial_set: _PartialSet) -> ScoredSet:
        scored = partial_set.scored_set(labelled.id)
        if self._results_log is not None:
            self._results_log.put(fingerprint, labelled, scored)
        return scored

    def _progress(self, configuration: Configuration) -> Progress:
        left_s = self._busy_s / self._scored * (self._total - self._done) if self._scored else None
        return Progress(configuration=configuration, done=self._done, total=self._total, left_s=left_s)


def _configuration(model: str, info: ScorerInfo, scoring: Scoring, tokens: int) -> Configuration:
    return Configuration(model=model, precision=info.precision, scoring=scoring, visual_tokens=tokens)


def _batches(
    dataset: Dataset,
    scorers: Sequence[_ConfiguredScorer],
    scored: Mapping[str, Mapping[str, ScoredSet]],
    queries: Mapping[str, Query],
    ticket: Ticket,
) -> Iterator[_Batch]:
    """Prepare the pictures of the sets that are not scored by all scorers, and cut them into batches.

    Raises `TicketCancelled`, `DeviceFailed`.
    """
    by_fingerprint = {each.info.fingerprint: each for each in scorers}
    left = {
        labelled.id: [each for fingerprint, each in by_fingerprint.items() if labelled.id not in scored[fingerprint]]
        for labelled in dataset.sets
    }
    sets = [labelled for labelled in dataset.sets if left[labelled.id]]
    with ticket.slot():  # a batch of another run would take memory meanwhile
        max_tokens = scorers[0].engine.executor.batch_tokens
    ahead = max(1, max_tokens // scorers[0].configuration.visual_tokens)
    prepared = _prefetch([picture for labelled in sets for picture in labelled.pictures], scorers[0].engine, ahead)
    for labelled in sets:
        done = 0
        for images in _cut(islice(prepared, len(labelled.pictures)), max_tokens):
            pictures = labelled.pictures[done : done + len(images)]
            done += len(images)
            yield _Batch(
                labelled=labelled,
                query=queries[labelled.id],
                pictures=pictures,
                prepared=images,
                scorers=left[labelled.id],
                is_last=done == len(labelled.pictures),
            )


def _prefetch(pictures: Iterable[LabelledPicture], engine: ScoringEngine[Any], ahead: int) -> Iterator[Any]:
    """Yield each prepared picture or its `PictureError`, in order, while threads prepare `ahead` more."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(engine.prefetch_threads, thread_name_prefix="reranker-prefetch") as pool:
        for picture in pictures:
            waiting.append(pool.submit(_prepare, engine, picture))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _cut(prepared: Iterable[Any], max_tokens: int) -> Iterator[list[Any]]:
    """Cut prepared pictures into batches of at most so many tokens, or one picture; an unreadable one takes none."""
    batch: list[Any] = []
    left = max_tokens
    for image in prepared:
        tokens = 0 if isinstance(image, PictureError) else image.tokens
        if batch and tokens > left:
            yield batch
            batch, left = [], max_tokens
        batch.append(image)
        left -= tokens
    if batch:
        yield batch


def _prepare(engine: ScoringEngine[Any], picture: LabelledPicture) -> Any:
    """Return the prepared picture or its `PictureError`."""
    try:
        candidate = Candidate(name=picture.name, source=picture.source)
        return engine.preprocessor.prepare(engine.preprocessor.identify(candidate))
    except Exception as error:
        return failure(error, picture.name)


class _ResultsByQuery:
    """The results of pictures by their `pixel_key`, for a scorer and a query, as long as a set needs them.

    queries: those of all sets, in which equal ones repeat.
    """

    def __init__(self, queries: Iterable[Query]) -> None:
        self._sets_left = Counter(queries)
        self._results: defaultdict[Query, defaultdict[str, dict[str, ScoreResult]]] = defaultdict(
            lambda: defaultdict(dict)
        )

    def of(self, query: Query, fingerprint: str) -> dict[str, ScoreResult]:
        """Return the results of one scorer, to which new ones are added."""
        return self._results[query][fingerprint]

    def forget(self, query: Query) -> None:
        """Note that a set with this query is complete."""
        self._sets_left[query] -= 1
        if not self._sets_left[query]:
            self._results.pop(query, None)


def _score_batch(
    batch: _Batch,
    partial_sets: Mapping[str, _PartialSet],
    results: _ResultsByQuery,
    ticket: Ticket,
    memory: PeakMemory,
) -> None:
    """Encode the pictures of a batch once, and score them by each scorer. Raises `TicketCancelled`, `DeviceFailed`."""
    known = [results.of(batch.query, each.info.fingerprint) for each in batch.scorers]
    readable = {image.pixel_key: image for image in batch.prepared if not isinstance(image, PictureError)}
    new = [image for key, image in readable.items() if any(key not in each for each in known)]
    run_id = new_run_id()
    memory.reset()
    start = time.perf_counter()
    encoded = _encode(batch.scorers[0].engine, new, ticket, run_id)
    encode_ms, encode_peak = 1000 * (time.perf_counter() - start), memory.peak_bytes()
    for each, known_results in zip(batch.scorers, known, strict=True):
        partial_set = partial_sets[each.info.fingerprint]
        memory.reset()
        start = time.perf_counter()
        _add_results(known_results, batch.query, encoded, each.engine, ticket, run_id)
        partial_set.add_cost(memory.peak_bytes(), score_ms=1000 * (time.perf_counter() - start))
        partial_set.add_cost(encode_peak, encode_ms=encode_ms)
        for picture, image in zip(batch.pictures, batch.prepared, strict=True):
            result = image if isinstance(image, PictureError) else known_results[image.pixel_key]
            partial_set.add(with_name(result, picture.name))


def _add_results(
    known: dict[str, ScoreResult],
    query: Query,
    encoded: Sequence[Any],
    engine: ScoringEngine[Any],
    ticket: Ticket,
    run_id: str,
) -> None:
    """Score the pictures without a result, and add their results by `pixel_key`."""
    images = [image for image in encoded if image.pixel_key not in known]
    scores = score_prepared(query, images, [""] * len(images), engine.executor, ticket, run_id)
    known |= {image.pixel_key: score for image, score in zip(images, scores, strict=True)}


def _encode(engine: ScoringEngine[Any], prepared: Sequence[Any], ticket: Ticket, run_id: str) -> Sequence[Any]:
    """Return the encoded pictures; unchanged if that fails, since scoring then finds the picture that is the cause."""
    try:
        with ticket.slot():
            return engine.executor.encode(prepared, run_id).result() if prepared else prepared
    except (DeviceFailed, TicketCancelled):
        raise
    except Exception as error:
        failure(error, "")
    return prepared
