"""`Reranker`: the one place that puts settings, model and queue together. Every door starts here."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from reranker.config.settings import DETAILS, MEGABYTE, Settings
from reranker.core.errors import QueryEmpty, QueryTooLong, TextTooLong
from reranker.core.types import Candidate, Explanation, Failed, GeneratedRating, Query, Ranking, Scored, Scorer
from reranker.engine.device_queue import DeviceQueue
from reranker.images.limits import Limits
from reranker.pipelines import explain as explain_pipeline
from reranker.pipelines import rerank
from reranker.pipelines.coarse_to_fine import CoarseToFine
from reranker.storage.calibrations import CalibrationStore
from reranker.storage.score_store import SqliteScoreStore
from reranker.version import __version__

if TYPE_CHECKING:
    from reranker.models.hub import Choice
    from reranker.pipelines.rerank import RankStream

FIRST_PLACES = 10  # that "auto" looks for where nobody says how many are wanted
Picture = Candidate | Path | str | bytes


class Reranker:
    """Ranks pictures by a sentence.

        reranker = Reranker("toybox")
        ranking = reranker.rank("a woman in a red dress", ["one.jpg", "two.jpg"])
        for one in ranking.scored:                 # best first
            print(one.candidate.name, one.judgement.log_odds)
        for one in ranking.failed:                 # each with its reason, never a number
            print(one.candidate.name, one.error)

        for event in reranker.rank_stream("a red dress", pictures):     # `Scored` or `Failed`, as they are judged;
            ...                                                         # the last one is the `Ranking`
        with_title = Candidate(name="mug", source=Path("mug.jpg"), text="Tea mug, 0.3 l")   # judged with its text

    model: which one judges, as `Settings.model` has it; overrules that. settings: `Settings()` where None, which reads
    no environment; `Settings.from_environment()` does.
    scorer: another judge than the model, for tests.

    A picture is a path, its encoded bytes or a `Candidate`. Log-odds are natural logarithms; the probability that a
    picture fits is 1 / (1 + e^-log_odds). The model is loaded at the first use, or by `load()`. All methods may be
    called from several threads: runs share the device batch by batch.
    """

    def __init__(
        self, model: str | None = None, *, settings: Settings | None = None, scorer: Scorer | None = None
    ) -> None:
        given = settings or Settings()
        self.settings = given.override(model=model) if model else given
        self.device_queue = DeviceQueue()
        self._scorer, self._loading = scorer, threading.Lock()
        self._loaded, self._choosing = (0, 1), threading.Lock()
        self._choice: Choice | None = None

    @cached_property
    def limits(self) -> Limits:
        """What one picture may be."""
        return limits_of(self.settings)

    @cached_property
    def store(self) -> SqliteScoreStore | None:
        """Scores already known, shared by all programs of this person; None where the settings want none."""
        if not self.settings.engine.score_store_mb:
            return None
        folder = platformdirs.user_cache_path("reranker", appauthor=False)
        return SqliteScoreStore(folder / "scores.sqlite", self.settings.engine.score_store_mb * MEGABYTE)

    @property
    def choice(self) -> "Choice":
        """Which model judges, and why; decided once, for "auto" with the help of torch."""
        with self._choosing:
            self._choice = self._choice or self._chosen()
            return self._choice

    def _chosen(self) -> "Choice":
        from reranker.models.hub import choose  # noqa: PLC0415
        from reranker.models.memory_plan import choose_device  # noqa: PLC0415

        chosen = self.settings
        return choose(
            chosen.model.name, chosen.model.revision, lambda: choose_device(chosen.model.device).type == "cuda"
        )

    @property
    def model_name(self) -> str:
        """The name of the model in use; for a folder its own name, without the path to it."""
        return Path(self.choice.name).absolute().name

    @property
    def downloadable(self) -> str | None:
        """The model that is wanted, is not on this machine, and can be fetched by `download`; else None."""
        from reranker.models.hub import BEST, is_missing  # noqa: PLC0415

        if self.settings.model.name == "auto":
            return BEST if self.choice.reason == "not downloaded" else None
        return self.settings.model.name if is_missing(self.settings.model.name, self.settings.model.revision) else None

    def download(self, report: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Fetch the `downloadable` model, which then judges from the next `load` on.

        report: is told of bytes that are here, and of bytes in all. Raises `DownloadFailed`, `CheckpointBroken`.
        """
        from reranker.models.download import download  # noqa: PLC0415

        if (model := self.downloadable) is not None:
            download(model, self.settings.model.revision, report)
            with self._loading, self._choosing:
                self._scorer, self._choice = None, None

    def judged_by(self) -> dict[str, Any]:
        """How this one judges, by the names of settings, and what it runs on: for who wants to repeat a result."""
        chosen = self.settings
        return {
            "model": self.choice.name,
            "revision": chosen.model.revision,
            "precision": self.load().precision,
            "scoring": chosen.model.scoring,
            "instruction": chosen.model.instruction,
            "detail": chosen.model.detail,
            "versions": {"reranker": __version__, **{name: version(name) for name in ("torch", "transformers")}},
        }

    @property
    def is_loaded(self) -> bool:
        """Whether `load` would return at once."""
        return self._scorer is not None

    @property
    def loaded_share(self) -> float:
        """How much of the model is loaded, 0 to 1, while `load` is at it."""
        done, total = self._loaded
        return done / max(1, total)

    def _note_loaded(self, done: int, total: int) -> None:
        self._loaded = done, total

    def load(self) -> Scorer:
        """The scorer, loaded once. Raises `CheckpointError`."""
        with self._loading:
            if self._scorer is None:
                self._scorer = self._build_scorer()
            return self._scorer

    def _build_scorer(self) -> Scorer:
        # First: who wants to know the choice meanwhile waits, since transformers bears no two that import it at once.
        name = self.choice.name
        # Here, so that `import reranker` and `--help` do not wait for torch.
        from reranker.engine.cross_encoder import CrossEncoder  # noqa: PLC0415
        from reranker.engine.feature_cache import FeatureCache  # noqa: PLC0415
        from reranker.engine.torch_thread import TorchThread  # noqa: PLC0415
        from reranker.models.loading import load_checkpoint  # noqa: PLC0415
        from reranker.models.scoring.methods import make_scoring_method  # noqa: PLC0415

        chosen, torch_thread = self.settings, TorchThread()
        source = name, chosen.model.device, chosen.model.precision, chosen.model.revision
        writes = chosen.model.scoring == "rating"
        checkpoint = torch_thread.run(partial(load_checkpoint, *source, writes=writes, report=self._note_loaded))
        return CrossEncoder(
            checkpoint,
            scoring_method=make_scoring_method(checkpoint, chosen.model.scoring, chosen.model.instruction),
            instruction=chosen.model.instruction,
            calibrations=CalibrationStore.for_user(),
            limits=self.limits,
            memory=FeatureCache(chosen.engine.feature_cache_mb * MEGABYTE),
            torch_thread=torch_thread,
            batch_tokens=chosen.engine.batch_tokens or None,
        )

    def query(self, text: str) -> Query:
        """A checked query. Raises `QueryEmpty` or `QueryTooLong`."""
        trimmed = text.strip()
        if not trimmed:
            raise QueryEmpty
        if len(trimmed) > self.settings.limits.max_query_length:
            raise QueryTooLong(length=len(trimmed), max_length=self.settings.limits.max_query_length)
        return Query(text=trimmed)

    def _candidates(self, pictures: Sequence[Picture]) -> list[Candidate]:
        """Raises `TextTooLong`."""
        candidates = [Candidate.of(picture, position) for position, picture in enumerate(pictures)]
        most = self.settings.limits.max_query_length
        for one in candidates:
            if len(one.text) > most:
                raise TextTooLong(name=one.name, length=len(one.text), max_length=most)
        return candidates

    def rank_stream(
        self,
        query: str,
        pictures: Sequence[Picture],
        *,
        top_k: int | None = None,
        detail: str | None = None,
        stop: threading.Event | None = None,
    ) -> "RankStream | CoarseToFine":
        """An event for each picture as it is judged (`Scored` or `Failed`), then the `Ranking`.

        pictures: paths, encoded bytes, or `Candidate`s. top_k: how many scored ones the ranking keeps, all where None.
        detail: how closely to look, as in `Settings`; what they say where None.
        stop: set it, and what was not judged yet comes out as skipped.
        Raises `RequestError`, `SettingInvalid`, `CheckpointError`.
        """
        chosen = self.settings if detail is None else self.settings.override(detail=detail)
        checked = self.query(query)
        candidates = self._candidates(pictures)
        scorer = self.load()
        open_stream = partial(self._open_stream, checked, stop)
        if chosen.model.detail == "auto":
            low, _, high = (scorer.at(visual_tokens) for visual_tokens in scorer.detail_levels)
            return CoarseToFine(
                checked,
                candidates,
                low=low,
                high=high,
                open_stream=open_stream,
                first=top_k or FIRST_PLACES,
                top_k=top_k,
            )
        return open_stream(scorer.at(visual_tokens(chosen.model.detail, scorer)), candidates, top_k)

    def rank_each(
        self,
        queries: Sequence[str],
        pictures: Sequence[Picture],
        *,
        top_k: int | None = None,
        detail: str | None = None,
    ) -> tuple[Ranking, ...]:
        """The ranking of the same pictures for each query, each picture looked at once however many there are.

        As many pictures as the vision memory holds are judged for all queries before the next ones are. Raises as
        `rank_stream` does, before anything is judged.
        """
        stream = self.rank_each_stream(queries, pictures, top_k=top_k, detail=detail)
        return tuple(item for _, item in stream if isinstance(item, Ranking))

    def rank_each_stream(
        self,
        queries: Sequence[str],
        pictures: Sequence[Picture],
        *,
        top_k: int | None = None,
        detail: str | None = None,
    ) -> Generator[tuple[int, Scored | Failed | Ranking], None, None]:
        """`rank_each` being watched: an event for each picture and query, then the rankings in the queries' order.

        Each comes with the index of its query. Closing it ends the run before its next batch.
        """
        for query in queries:
            self.query(query)
        candidates = self._candidates(pictures)
        held = self.load().cached_images if len(queries) > 1 else len(candidates)
        return self._each_by_parts(queries, candidates, max(1, held), top_k, detail)

    def _each_by_parts(
        self, queries: Sequence[str], candidates: Sequence[Candidate], held: int, top_k: int | None, detail: str | None
    ) -> Generator[tuple[int, Scored | Failed | Ranking], None, None]:
        parts: list[list[Ranking]] = [[] for _ in queries]
        for start in range(0, max(1, len(candidates)), held):
            for number, query in enumerate(queries):
                part = candidates[start : start + held]
                with closing(self.rank_stream(query, part, top_k=top_k, detail=detail)) as stream:
                    for item in stream:
                        if isinstance(item, Ranking):
                            parts[number].append(item)
                        else:
                            yield number, replace(item, position=start + item.position)
        for number, rankings in enumerate(parts):
            yield number, rerank.merge_rankings(rankings, held, top_k)

    def _open_stream(
        self,
        query: Query,
        stop: threading.Event | None,
        scorer: Scorer,
        candidates: Sequence[Candidate],
        top_k: int | None = None,
    ) -> "RankStream":
        return rerank.rank_stream(
            query,
            candidates,
            scorer=scorer,
            device_queue=self.device_queue,
            store=self.store,
            prefetch_threads=self.settings.engine.prefetch_threads,
            top_k=top_k,
            stop=stop,
        )

    def rank(
        self, query: str, pictures: Sequence[Picture], *, top_k: int | None = None, detail: str | None = None
    ) -> Ranking:
        """The ranking of the pictures: the scored ones, best first, then those that failed, with their reasons.

        Arguments and errors as in `rank_stream`.
        """
        return rerank.drain(self.rank_stream(query, pictures, top_k=top_k, detail=detail))

    def explain(self, query: str, picture: Picture, *, detail: str | None = None) -> Explanation:
        """Why a picture gets its score: that of each part of the query, and where in the picture it comes from.

        detail: as in `rank_stream`; "auto" is the closest look. Raises as `rank_stream` does, and the picture's
        `PictureError`.
        """
        asked, (candidate,) = self.query(query), self._candidates([picture])
        return explain_pipeline.explain(
            asked, candidate, scorer=self._closest(detail), device_queue=self.device_queue, store=self.store
        )

    def words(self, query: str, picture: Picture, *, detail: str | None = None) -> GeneratedRating:
        """What the model writes when it is asked to rate a picture, whatever `Settings.scoring` is.

        detail, errors: as in `explain`. A model that was not taught to rate may write anything.
        """
        asked, (candidate,) = self.query(query), self._candidates([picture])
        return explain_pipeline.words(
            asked, candidate, scorer=self._closest(detail), device_queue=self.device_queue, store=self.store
        )

    def _closest(self, detail: str | None) -> Scorer:
        """The scorer at a detail, and the one that first places are judged by where that is "auto"."""
        chosen = self.settings if detail is None else self.settings.override(detail=detail)
        scorer = self.load()
        return scorer.at(
            scorer.detail_levels[-1] if chosen.model.detail == "auto" else visual_tokens(chosen.model.detail, scorer)
        )


def limits_of(settings: Settings) -> Limits:
    """What one picture may be."""
    return Limits(
        max_bytes=settings.limits.max_picture_mb * MEGABYTE,
        max_pixels=settings.limits.max_picture_mpx * 1_000_000,
        max_aspect_ratio=settings.limits.max_aspect_ratio,
    )


def visual_tokens(detail: str, scorer: Scorer) -> int:
    """What a detail of `Settings`, but for "auto", is to a scorer."""
    return dict(zip(DETAILS, scorer.detail_levels, strict=False)).get(detail) or int(detail)
