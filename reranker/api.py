"""`Reranker`: the Python interface, and the one place that puts settings, model and queue together."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reranker.config.paths import cache_folder
from reranker.config.settings import AUTO, DETAILS, MEGABYTE, Settings, is_token_count
from reranker.core.cancellation import Cancellation
from reranker.core.errors import (
    ExampleUnreadable,
    ExampleUnsupported,
    PictureError,
    QueryEmpty,
    QueryTooLong,
    SettingInvalid,
    TextNotUnicode,
    TextTooLong,
)
from reranker.core.protocols import LocalModel
from reranker.core.text import is_blank, is_well_formed, well_formed
from reranker.core.types import (
    Candidate,
    EncodedPicture,
    Explanation,
    GeneratedRating,
    Query,
    Ranking,
    ScorerInfo,
    Scoring,
)
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.scoring_run import ScoringEngine
from reranker.engine.torch_thread import TorchThread
from reranker.images.decoding_pool import shared_pool
from reranker.images.hashing import read_and_hash
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.pipelines import explain as explain_pipeline
from reranker.pipelines import rerank
from reranker.pipelines.coarse_to_fine import CoarseToFine
from reranker.pipelines.exclusion import query_stream
from reranker.pipelines.near_ties import NearTies
from reranker.pipelines.rank_each import RankEachStream, Stream
from reranker.storage.calibrations import CalibrationStore
from reranker.storage.score_store import SqliteScoreStore
from reranker.version import __version__

if TYPE_CHECKING:
    from reranker.cluster.ray_workers import RayWorkers
    from reranker.cluster.remote_model import RemoteModel
    from reranker.cluster.scheduler import WorkerStatus
    from reranker.models.hub import Choice

    Model = LocalModel[Any] | RemoteModel

FIRST_PLACES = 10  # that detail "auto" gets right if no `top_k` is given
Picture = Candidate | Path | str | bytes


def _check_top_k(top_k: int | None) -> None:
    """Raise `SettingInvalid` unless it is None or a whole number from 1: as a slice, -1 would cut the last picture."""
    if top_k is not None and (type(top_k) is not int or top_k < 1):
        raise SettingInvalid("top_k", str(top_k), "a whole number from 1, or None")


class Reranker:
    """Ranks pictures by a query.

        reranker = Reranker("toybox")
        ranking = reranker.rank("a woman in a red dress", ["one.jpg", "two.jpg"])
        for scored in ranking.scored:              # best first
            print(scored.candidate.name, scored.score.log_odds)
        for failed in ranking.failed:              # each with its reason, never a number
            print(failed.candidate.name, failed.error)

        for event in reranker.rank_stream("a red dress", pictures):     # `Scored` or `Failed`, in order of completion;
            ...                                                         # the last one is the `Ranking`
        reranker.rank("a red dress", pictures, exclude="a tree")        # what must not be there
        like_this = reranker.query("", example="three.jpg")             # a picture instead of a sentence, or beside it
        reranker.rank(like_this, pictures)
        with_title = Candidate(name="mug", source=Path("mug.jpg"), text="Tea mug, 0.3 l")   # scored with its text

    model: name, hub id or folder of the model, as `Settings.of(model=...)`; overrides the settings.
    settings: the defaults if None, which read no environment; `Settings.from_environment()` does.
    scorer: a model to use instead of loading one, for tests. workers: those to use instead of new ones.

    A picture is a path, its encoded bytes or a `Candidate`. Log-odds are natural logarithms; the probability that a
    picture is relevant is 1 / (1 + e^-log_odds). The model is loaded at the first use, or by `load()`. All methods may
    be called from several threads: runs share the device batch by batch.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        settings: Settings | None = None,
        scorer: LocalModel[Any] | None = None,
        workers: "RayWorkers | None" = None,
    ) -> None:
        given = settings or Settings()
        self.settings = given.override(model=model) if model else given
        self.device_queue = DeviceQueue()
        self.torch_thread = TorchThread()
        self._model: Model | None = scorer
        self._loading = threading.Lock()
        self._workers = workers
        self._loaded, self._choosing = (0, 1), threading.Lock()
        self._choice: Choice | None = None

    @cached_property
    def limits(self) -> Limits:
        """The limits of one picture."""
        return limits_of(self.settings)

    @cached_property
    def store(self) -> SqliteScoreStore | None:
        """Scores of earlier runs, shared by all programs of this user; None if the settings want none."""
        megabytes = self.settings.engine.score_store_mb
        if not megabytes:
            return None
        return SqliteScoreStore(cache_folder() / "scores.sqlite", megabytes * MEGABYTE)

    @property
    def choice(self) -> "Choice":
        """The model in use, and why it was chosen; decided once. "auto" asks torch for a GPU."""
        with self._choosing:
            self._choice = self._choice or self._choose()
            return self._choice

    def _choose(self) -> "Choice":
        from reranker.models.hub import choose  # noqa: PLC0415
        from reranker.models.memory_plan import gpu_bytes  # noqa: PLC0415

        model = self.settings.model
        return choose(model.name, model.revision, lambda: gpu_bytes(model.device))

    @property
    def model_name(self) -> str:
        """The name of the model in use; for a folder its own name, without the path to it."""
        return well_formed(Path(self.choice.name).absolute().name)

    @property
    def downloadable(self) -> str | None:
        """The model that is wanted, is not on this machine, and can be fetched by `download`; else None."""
        from reranker.models.hub import is_missing  # noqa: PLC0415

        model = self.settings.model
        if model.name == "auto":
            return self.choice.best if self.choice.reason == "not downloaded" else None
        return model.name if is_missing(model.name, model.revision) else None

    def download(self, report: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Fetch the `downloadable` model, which the next `load` then uses.

        report: called with bytes that are here, and bytes in all. Raises `DownloadFailed`, `CheckpointBroken`.
        """
        from reranker.models.download import download  # noqa: PLC0415

        if (model := self.downloadable) is not None:
            download(model, self.settings.model.revision, report)
            with self._loading, self._choosing:
                self._model, self._choice = None, None

    def judged_by(self) -> dict[str, Any]:
        """Return how scores are made, by the names of settings, and the versions: for those who repeat a result."""
        model = self.settings.model
        return {
            "model": well_formed(self.choice.name),
            "revision": model.revision,
            "precision": self.load().info.precision,
            "scoring": model.scoring,
            "instruction": model.instruction,
            "detail": model.detail,
            "rescore_near_ties": self.settings.engine.rescore_near_ties,
            "versions": dict(_versions()),
        }

    @property
    def is_loaded(self) -> bool:
        """Whether the model is loaded."""
        return self._model is not None

    @property
    def loaded_share(self) -> float:
        """The share of the model that is loaded, 0 to 1, while `load` runs."""
        done, total = self._loaded
        return done / max(1, total)

    def _note_loaded(self, done: int, total: int) -> None:
        self._loaded = done, total

    def load(self) -> "Model":
        """Return the model, loaded once. Raises `CheckpointError`, `DeviceMissing`, `SettingInvalid` and
        `ClusterError`.
        """
        with self._loading:
            if self._model is None:
                self._model = self._load()
            self.device_queue.grow(self._model.in_flight)
            return self._model

    def close(self) -> None:
        """End the workers, if there are any. The next use starts them again."""
        with self._loading, self._choosing:
            if self._workers is not None:
                self._workers.close()
                self._workers = self._model = None

    @property
    def info(self) -> ScorerInfo:
        """Facts about the model, which is loaded for it. Raises `CheckpointError`."""
        return self.load().info

    @property
    def workers(self) -> "list[WorkerStatus]":
        """What the workers do; empty if the model runs in this process, or is not loaded."""
        return [] if self._workers is None else self._workers.scheduler.status()

    @property
    def waiting_batches(self) -> int:
        """The number of batches that no worker has yet."""
        return 0 if self._workers is None else self._workers.scheduler.waiting

    def worker_pool(self) -> "RayWorkers | None":
        """Return the workers that the settings want, which start when they are first needed; None if they want none."""
        with self._choosing:
            if self._workers is None and self._wants_workers:
                from reranker.cluster.ray_workers import RayWorkers  # noqa: PLC0415

                engine = self.settings.engine
                self._workers = RayWorkers(
                    workers=engine.workers, address=engine.ray_address, device=self.settings.model.device
                )
            if self._workers is not None:
                self._workers.scheduler.before_growth = self.device_queue.grow
            return self._workers

    @property
    def _wants_workers(self) -> bool:
        from reranker.models.memory_plan import gpu_count  # noqa: PLC0415

        engine = self.settings.engine
        if engine.workers == AUTO and not engine.ray_address and self.settings.server.replicas == 1:
            return gpu_count(self.settings.model.device) > 1
        return engine.workers != "1" or bool(engine.ray_address) or self.settings.server.replicas > 1

    def _load_on_workers(self, workers: "RayWorkers") -> "RemoteModel":
        """Raises `ClusterError`."""
        from reranker.cluster.messages import Variant  # noqa: PLC0415
        from reranker.cluster.remote_model import RemoteModel  # noqa: PLC0415
        from reranker.cluster.sources import CrossEncoderSource  # noqa: PLC0415

        model, engine = self.settings.model, self.settings.engine
        source = CrossEncoderSource(
            model=self.choice.name,
            revision=model.revision,
            precision=model.precision,
            scoring=model.scoring,
            instruction=model.instruction,
            visual_tokens=int(model.detail) if is_token_count(model.detail) else 0,
            batch_tokens=engine.batch_tokens,
            feature_cache_mb=engine.feature_cache_mb,
            limits=self.limits,
        )
        shared_pool().start(engine.prefetch_threads)  # while the model is loaded
        workers.open(source)
        return RemoteModel(workers, Variant(source=source.key), CalibrationStore.for_user())

    def _load(self) -> "Model":
        workers = self.worker_pool()
        return self._load_here() if workers is None else self._load_on_workers(workers)

    def _load_here(self) -> LocalModel[Any]:
        # First, so that concurrent readers of `choice` block: importing transformers from two threads fails.
        name = self.choice.name
        # Here, so that `import reranker` and `--help` do not wait for torch.
        from reranker.engine.cross_encoder import CrossEncoder  # noqa: PLC0415
        from reranker.engine.feature_cache import FeatureCache  # noqa: PLC0415
        from reranker.models.loading import load_checkpoint  # noqa: PLC0415

        model, engine = self.settings.model, self.settings.engine
        shared_pool().start(engine.prefetch_threads)  # while the model is loaded
        tokens = int(model.detail) if is_token_count(model.detail) else 0
        source = partial(load_checkpoint, name, model.device, model.precision, model.revision, visual_tokens=tokens)

        def load_model() -> LocalModel[Any]:
            return CrossEncoder(
                source(report=self._note_loaded),
                limits=self.limits,
                cache=FeatureCache(engine.feature_cache_mb * MEGABYTE),
                scoring=model.scoring,
                instruction=model.instruction,
                calibrations=CalibrationStore.for_user(),
                batch_tokens=engine.batch_tokens or None,
            )

        return self.torch_thread.run(load_model)

    def query(self, text: str, exclude: str = "", *, example: Picture | None = None) -> Query:
        """Return a validated query without the white space around its sentences.

        exclude: what must not be in the pictures; nothing is excluded if nothing in it can be seen.
        example: a picture that the others should be like, whose own text does not count. It is read now, and decoded
            when it is ranked by; with it, `text` may be empty.
        Raises `QueryEmpty` if nothing in `text` can be seen and there is no example, `QueryTooLong`, `TextNotUnicode`
        and `ExampleUnreadable`.
        """
        sentence = self._sentence(text, "query")
        if not sentence and example is None:
            raise QueryEmpty
        excluded = self._sentence(exclude, "exclude")
        return Query(text=sentence, exclude=excluded, example=None if example is None else self._example(example))

    def _sentence(self, text: str, where: str) -> str:
        """Return a text without the white space around it; empty if nothing in it can be seen.

        Raises `QueryTooLong` and `TextNotUnicode`.
        """
        _check_unicode(text, where)
        trimmed, max_length = "" if is_blank(text) else text.strip(), self.settings.limits.max_query_length
        if len(trimmed) > max_length:
            raise QueryTooLong(length=len(trimmed), max_length=max_length)
        return trimmed

    def _example(self, picture: Picture) -> EncodedPicture:
        """Read and hash the example of a query. Raises `ExampleUnreadable`."""
        candidate = Candidate(name="example", source=picture) if isinstance(picture, bytes) else Candidate.of(picture)
        try:
            data = read_bytes(candidate, self.limits)
            return read_and_hash(Candidate(name=candidate.name, source=data), self.limits)
        except PictureError as error:
            raise ExampleUnreadable(error) from None

    def _checked(self, query: str | Query, exclude: str = "") -> Query:
        """Return a query that is validated, with what is excluded. Raises as `query` does, and `ExampleUnsupported`."""
        checked = query if isinstance(query, Query) else self.query(query)
        if checked.example is not None and not self.info.takes_example:
            raise ExampleUnsupported(self.info.model)
        return replace(checked, exclude=self._sentence(exclude, "exclude")) if exclude else checked

    def _candidates(self, pictures: Sequence[Picture]) -> list[Candidate]:
        """Raises `TextTooLong` and `TextNotUnicode`."""
        candidates = [Candidate.of(picture, position) for position, picture in enumerate(pictures)]
        max_length = self.settings.limits.max_query_length
        for candidate in candidates:
            _check_unicode(candidate.text, candidate.name)
            if len(candidate.text) > max_length:
                raise TextTooLong(name=candidate.name, length=len(candidate.text), max_length=max_length)
        return candidates

    def rank_stream(
        self,
        query: str | Query,
        pictures: Sequence[Picture],
        *,
        exclude: str = "",
        top_k: int | None = None,
        detail: str | None = None,
        cancellation: Cancellation | None = None,
    ) -> Stream:
        """Return an iterator over an event for each picture (`Scored` or `Failed`), and the `Ranking` at the end.

        query: a sentence, or what `query` returned, which may have an example. pictures: paths, encoded bytes, or
            `Candidate`s.
        exclude: a sentence that says what must not be in a picture. It is scored as the query is, and the probability
            of a picture is p(query) * (1 - p(exclude)).
        top_k: how many scored pictures the ranking keeps, at least 1; all if None.
        detail: as in `ModelSettings`; the settings' if None.
        cancellation: once cancelled, pictures without a score come out as skipped.
        Raises `RequestError`, `SettingInvalid`, `CheckpointError`; the iteration raises `DeviceFailed`, and
        `ExampleUnreadable` if the example of the query cannot be decoded.
        """
        _check_top_k(top_k)
        checked, chosen = self._checked(query, exclude), self._detail(detail)
        return self._stream(checked, self._candidates(pictures), top_k, chosen, cancellation)

    def _stream(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        top_k: int | None,
        detail: str,
        cancellation: Cancellation | None = None,
    ) -> Stream:
        """Start a run of a validated query, validated candidates and a valid detail."""
        rescores = self.settings.engine.rescore_near_ties
        stream = self._stages(query, candidates, None if rescores else top_k, detail, cancellation)
        if not rescores:
            return stream
        alone = self.engine(self._highest(detail), alone=True)
        return NearTies(query, stream, alone, top_k=top_k, cancellation=cancellation)

    def _stages(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        top_k: int | None,
        detail: str,
        cancellation: Cancellation | None,
    ) -> Stream:
        if detail != "auto":
            return query_stream(query, candidates, self.engine(detail), top_k=top_k, cancellation=cancellation)
        return CoarseToFine(
            query,
            candidates,
            low=self.engine("low"),
            high=self.engine("high"),
            first=top_k or FIRST_PLACES,
            top_k=top_k,
            cancellation=cancellation,
        )

    def rank_each(
        self,
        queries: Sequence[str | Query],
        pictures: Sequence[Picture],
        *,
        exclude: str = "",
        top_k: int | None = None,
        detail: str | None = None,
    ) -> tuple[Ranking, ...]:
        """Return the ranking of the same pictures for each query; each picture is encoded once.

        exclude: as in `rank_stream`, for every query. As many pictures as the feature cache holds are scored for all
        queries before the next ones are. Raises as `rank_stream` does, before anything is scored.
        """
        stream = self.rank_each_stream(queries, pictures, exclude=exclude, top_k=top_k, detail=detail)
        return tuple(item for _, item in stream if isinstance(item, Ranking))

    def rank_each_stream(
        self,
        queries: Sequence[str | Query],
        pictures: Sequence[Picture],
        *,
        exclude: str = "",
        top_k: int | None = None,
        detail: str | None = None,
        cancellation: Cancellation | None = None,
    ) -> RankEachStream:
        """Return an iterator over the events of `rank_each`, one for each picture and query, then the rankings in the
        order of the queries.

        Each comes with the index of its query. cancellation: once cancelled, no further batch begins; pictures without
        a score come out as skipped for every query, and the rankings still come.
        """
        _check_top_k(top_k)
        checked = [self._checked(query, exclude) for query in queries]
        candidates, chosen = self._candidates(pictures), self._detail(detail)
        part_size = self.load().cache_capacity if len(queries) > 1 else len(candidates)

        def open_stream(query: Query, part: Sequence[Candidate], stop: Cancellation) -> Stream:
            return self._stream(query, part, top_k, chosen, stop)

        return RankEachStream(
            checked, candidates, open_stream, part_size=max(1, part_size), top_k=top_k, cancellation=cancellation
        )

    def rank(
        self,
        query: str | Query,
        pictures: Sequence[Picture],
        *,
        exclude: str = "",
        top_k: int | None = None,
        detail: str | None = None,
    ) -> Ranking:
        """Return the ranking of the pictures: the scored ones, best first, then those that failed, with their reasons.

        Arguments and errors as in `rank_stream`.
        """
        return rerank.drain(self.rank_stream(query, pictures, exclude=exclude, top_k=top_k, detail=detail))

    def explain(
        self,
        query: str | Query,
        picture: Picture,
        *,
        exclude: str = "",
        detail: str | None = None,
        cancellation: Cancellation | None = None,
    ) -> Explanation:
        """Return why a picture gets its score: the score of each part of the query, and where in the picture it comes
        from.

        exclude: as in `rank_stream`; it is one of the parts, marked as excluded.
        detail: as in `rank_stream`; "auto" is the highest detail. cancellation: ends it before the next batch.
        Raises as `rank_stream` does, and the `PictureError` of the picture; `PictureSkipped` if cancelled.
        """
        checked, (candidate,) = self._checked(query, exclude), self._candidates([picture])
        return explain_pipeline.explain(checked, candidate, self.engine(self._highest(detail)), cancellation)

    def generate_rating(
        self,
        query: str | Query,
        picture: Picture,
        *,
        detail: str | None = None,
        cancellation: Cancellation | None = None,
    ) -> GeneratedRating:
        """Prompt the model to rate a picture, whatever the scoring method of the settings.

        Returns its most probable answer and its expected rating. Arguments and errors as in `explain`.
        """
        checked, (candidate,) = self._checked(query), self._candidates([picture])
        engine = self.engine(self._highest(detail), "rating")
        return explain_pipeline.generate_rating(checked, candidate, engine, cancellation)

    def _detail(self, detail: str | None) -> str:
        """Return the detail of a call, or that of the settings. Raises `SettingInvalid`."""
        return (self.settings if detail is None else self.settings.override(detail=detail)).model.detail

    def _highest(self, detail: str | None) -> str:
        """Return the detail that first places are scored at."""
        chosen = self._detail(detail)
        return "high" if chosen == "auto" else chosen

    def engine(self, detail: str, scoring: Scoring | None = None, *, alone: bool = False) -> ScoringEngine[Any]:
        """Return what a run works with, at a detail other than "auto". Raises `CheckpointError`.

        scoring: the scoring method; that of the settings if None. alone: scores one picture at a time, and neither
            reads nor writes stored scores.
        """
        model = self.load()
        tokens = visual_tokens(detail, model.info)
        engine = self.engine_of(model.variant(visual_tokens=tokens, scoring=scoring, alone=alone))
        return replace(engine, store=None) if alone else engine

    def engine_of(self, model: "Model") -> ScoringEngine[Any]:
        """Return what a run works with, for a variant of the loaded model."""
        executor: Any = getattr(model, "executor", None)  # of a model on workers
        return ScoringEngine(
            preprocessor=model,
            executor=executor or LocalExecutor(cast(LocalModel[Any], model), self.torch_thread),
            device_queue=self.device_queue,
            store=self.store,
            prefetch_threads=self.settings.engine.prefetch_threads,
            cache_capacity=model.cache_capacity,
        )


@cache
def _versions() -> dict[str, str]:
    """Return the versions of the program and of what computes its scores."""
    return {"reranker": __version__, **{name: version(name) for name in ("torch", "transformers")}}


def _check_unicode(text: str, where: str) -> None:
    """Raise `TextNotUnicode` if a text cannot be encoded."""
    if not is_well_formed(text):
        raise TextNotUnicode(where=where)


def limits_of(settings: Settings) -> Limits:
    """Return what one picture may be."""
    limits = settings.limits
    return Limits(
        max_bytes=limits.max_picture_mb * MEGABYTE,
        max_pixels=limits.max_picture_mpx * 1_000_000,
        max_decoding_bytes=limits.max_decoding_mb * MEGABYTE,
        max_aspect_ratio=limits.max_aspect_ratio,
    )


def visual_tokens(detail: str, info: ScorerInfo) -> int:
    """Return the visual tokens of a detail of the settings other than "auto"."""
    return dict(zip(DETAILS, info.detail_levels, strict=False)).get(detail) or int(detail)
