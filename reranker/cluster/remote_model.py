"""A model that runs on workers: prepared here, scored there.

The patches of a picture are sent once; its features stay with the worker that has computed them, which gets the picture
again for later queries.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol

from reranker.cluster.messages import Answer, Batch, Grid, ModelFacts, SentImage, Variant, Work
from reranker.cluster.scheduler import TRIES, Scheduler, Worker, WorkerEnded
from reranker.core.errors import PictureError, PictureUnscored, WorkersEnded
from reranker.core.types import (
    Candidate,
    EncodedPicture,
    OccludedImages,
    Query,
    Score,
    ScoreResult,
    ScorerInfo,
    Scoring,
)
from reranker.engine.preparation import PreparedImage
from reranker.images.hashing import ContentHashes
from reranker.storage.calibrations import CalibrationStore

MAX_KNOWN: Final = 500_000  # pictures whose worker is remembered, at about 400 bytes each
DECODING_THREADS: Final = 4  # for pictures that go to another worker than the one that knows them


class Workers(Protocol):
    """The workers of a program, as far as its models use them."""

    @property
    def scheduler(self) -> Scheduler:
        """Gives them batches."""

    def facts(self, variant: Variant) -> ModelFacts:
        """Return the facts of a variant of an open model. Raises a `RerankerError`."""

    def put(self, value: Any) -> Any:
        """Store a value where all workers can fetch it, and return what `DeviceWorker` fetches it by."""

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the fullest GPU, and bytes in all; None without GPUs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RemoteImage:
    """An image that is ready for workers.

    image: without patches and features. picture: to prepare it again, for another worker than its home. patches: where
        its patches are; None if only its home has its features. nbytes: of the patches. home: the worker that has its
        features. cell: as in `SentImage`.
    """

    image: PreparedImage
    picture: EncodedPicture
    patches: Any = None
    nbytes: int = 0
    home: str | None = None
    cell: int | None = None

    @property
    def key(self) -> str:
        """The key of the picture."""
        return self.image.key if self.cell is None else f"{self.image.key} without cell {self.cell}"

    @property
    def pixel_key(self) -> str:
        """A digest of the pixels and the text."""
        return self.image.pixel_key if self.cell is None else f"{self.image.pixel_key} without cell {self.cell}"

    @property
    def tokens(self) -> int:
        """Positions in the language tower."""
        return self.image.tokens

    @property
    def content_hash(self) -> str:
        """SHA-256 of the encoded bytes."""
        return self.image.content_hash

    def sent(self) -> SentImage:
        """Return what a worker gets."""
        return SentImage(image=self.image, patches=self.patches, cell=self.cell)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A picture whose features a worker has."""

    worker: str
    pixel_hash: str
    visual_tokens: int


class KnownPictures:
    """Which worker has the features of which picture, by content hash and detail. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, int], _Known] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, int]) -> _Known | None:
        """Return what is known of a picture."""
        with self._lock:
            return self._known.get(key)

    def note(self, key: tuple[str, str, int], known: _Known, *, is_kept: bool) -> None:
        """Note whether a worker has the features of a picture."""
        with self._lock:
            if is_kept:
                self._known[key] = known
                self._known.move_to_end(key)
                if len(self._known) > MAX_KNOWN:
                    self._known.popitem(last=False)
            elif (current := self._known.get(key)) is not None and current.worker == known.worker:
                del self._known[key]


class RemoteModel:
    """One variant of a model, with what it needs of the program: a `Preprocessor`, and the facts of a scorer.

    calibrations: how scores are shown to people.
    """

    def __init__(
        self,
        workers: Workers,
        variant: Variant,
        calibrations: CalibrationStore,
        known: KnownPictures | None = None,
        hashes: ContentHashes | None = None,
    ) -> None:
        self._workers, self._variant, self._calibrations = workers, variant, calibrations
        self._known, self._hashes = known or KnownPictures(), hashes or ContentHashes()
        self._facts = workers.facts(variant)
        self.info: ScorerInfo = calibrations.apply(self._facts.info)

    def variant(
        self, *, visual_tokens: int | None = None, scoring: Scoring | None = None, alone: bool = False
    ) -> "RemoteModel":
        """Return the same model at another detail or with another scoring method, as `Scorer.variant`."""
        chosen = Variant(
            source=self._variant.source,
            visual_tokens=visual_tokens or self._variant.visual_tokens,
            scoring=scoring or self._variant.scoring,
            alone=alone,
        )
        return RemoteModel(self._workers, chosen, self._calibrations, self._known, self._hashes)

    @property
    def in_flight(self) -> int:
        """The number of batches that may be started before the first of them is finished."""
        return self._workers.scheduler.capacity

    @property
    def prefetch_bytes(self) -> int:
        """Bytes of prepared images that are worth holding ahead of all workers."""
        return self._facts.prefetch_bytes * self._workers.scheduler.workers

    @property
    def cache_capacity(self) -> int:
        """About how many encoded images all workers hold together."""
        return self._facts.cache_capacity * self._workers.scheduler.workers

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the fullest GPU of the workers, and bytes in all; None without GPUs."""
        return self._workers.device_memory

    @property
    def executor(self) -> "WorkerExecutor":
        """Runs the calls of this variant."""
        return WorkerExecutor(self._workers, self._variant, self._facts, self.info, self.load, self._note_kept)

    def identify(self, candidate: Candidate) -> EncodedPicture:
        """Read and hash a picture, unless the hash of its file is remembered. Raises its `PictureError`."""
        return self._hashes.identify(candidate, self._facts.preparation.limits)

    def prepare(self, picture: EncodedPicture) -> RemoteImage:
        """Decode a picture and store its patches for the workers, unless one of them has its features.

        Raises its `PictureError`.
        """
        known = None if self._variant.alone else self._known.get(self._key(picture.content_hash))
        if known is None or not self._workers.scheduler.has(known.worker):
            return self.load(picture)
        image = self._facts.preparation.image(picture, known.pixel_hash, visual_tokens=known.visual_tokens)
        return RemoteImage(image=image, picture=_without_data(picture), home=known.worker)

    def load(self, picture: EncodedPicture) -> RemoteImage:
        """Decode a picture and store its patches for the workers. Raises its `PictureError`."""
        image = self._facts.preparation.with_patches(picture)
        assert image.patches is not None, "they were made"
        return RemoteImage(
            image=replace(image, patches=None),
            picture=_without_data(picture),
            patches=self._workers.put(image.patches),
            nbytes=image.nbytes,
        )

    def _note_kept(self, images: Sequence[RemoteImage], kept: Sequence[bool], worker: str) -> None:
        if self._variant.alone:
            return
        for each, is_kept in zip(images, kept, strict=True):
            image = each.image
            known = _Known(worker=worker, pixel_hash=image.pixel_hash, visual_tokens=image.visual_tokens)
            self._known.note(self._key(image.content_hash), known, is_kept=is_kept)

    def _key(self, content_hash: str) -> tuple[str, str, int]:
        return self._variant.source, content_hash, self.info.visual_tokens


Load = Callable[[EncodedPicture], RemoteImage]
NoteKept = Callable[[Sequence[RemoteImage], Sequence[bool], str], None]


class WorkerExecutor:
    """An `Executor` whose devices are those of workers.

    The pictures of a batch that a worker did not finish go to others one by one, at most twice each: so a picture that
    ends workers fails, and no other one. An example that was decoded for a worker is kept for the others.

    load: decodes a picture that was prepared without patches. note_kept: is told which features a worker has.
    """

    def __init__(
        self,
        workers: Workers,
        variant: Variant,
        facts: ModelFacts,
        info: ScorerInfo,
        load: Load,
        note_kept: NoteKept,
    ) -> None:
        self._workers, self._variant, self.info = workers, variant, info
        self._load, self._note_kept = load, note_kept
        self._first_batch_tokens, self._batch_tokens = facts.batch_tokens, dict[str, int]()
        self._decoded_example: RemoteImage | None = None

    @property
    def batch_tokens(self) -> int:
        """Most tokens, visual and text, that fit a batch on every worker, after the last batch of each."""
        return min(list(self._batch_tokens.values()), default=self._first_batch_tokens)

    @property
    def capacity(self) -> int:
        """The number of batches that may be in flight."""
        return self._workers.scheduler.capacity

    @property
    def workers(self) -> int:
        """The number of workers."""
        return self._workers.scheduler.workers

    def submit(
        self, query: Query, batch: Sequence[RemoteImage], run_id: str, example: RemoteImage | None = None
    ) -> "Future[Sequence[ScoreResult]]":
        """Start `Scorer.score`."""
        return self._scored([_text_only(query)], batch, run_id, example)

    def submit_pairs(self, pairs: Sequence[tuple[Query, RemoteImage]], run_id: str) -> "Future[Sequence[ScoreResult]]":
        """Start `PairScorer.launch_pairs`, and return its scores."""
        return self._scored([query for query, _ in pairs], [image for _, image in pairs], run_id, None, are_pairs=True)

    def encode(self, batch: Sequence[RemoteImage], run_id: str) -> "Future[list[RemoteImage]]":
        """Start `Scorer.encode`: the worker has the features of the images then."""
        call = _Call(work="encode", images=batch, run_id=run_id)
        return _then(self._start(call), lambda answer: [replace(each, home=answer.worker) for each in batch])

    def occlude(self, image: RemoteImage, run_id: str) -> "Future[OccludedImages[RemoteImage]]":
        """Start `Explainer.occlude`: the images say which cell a worker shall blank."""

        def ask(worker: Worker) -> "Future[tuple[Grid, RemoteImage]]":
            done: Future[tuple[Grid, RemoteImage]] = Future()
            known = image if image.patches or image.home == worker.name else None
            self._ask_grid(worker, known, image.picture, run_id, done)
            return done

        def images(found: tuple[Grid, RemoteImage]) -> OccludedImages[RemoteImage]:
            grid, used = found
            cells = [replace(used, cell=cell) for cell in range(grid.rows * grid.columns)]
            return OccludedImages(rows=grid.rows, columns=grid.columns, images=cells)

        return _then(self._workers.scheduler.submit(ask, home=image.home), images)

    def _ask_grid(
        self,
        worker: Worker,
        image: RemoteImage | None,
        picture: EncodedPicture,
        run_id: str,
        done: "Future[tuple[Grid, RemoteImage]]",
    ) -> None:
        """Ask a worker for the grid of an image. It is decoded first, in another thread, if it is None."""
        if image is None:
            decoded = _DECODERS.submit(self._load, picture)
            decoded.add_done_callback(_or_fail(done, lambda each: self._ask_grid(worker, each, picture, run_id, done)))
            return

        def finish(grid: Grid) -> None:
            if grid.error is not None:
                done.set_exception(grid.error)
            elif grid.rows:
                done.set_result((grid, replace(image, home=worker.name)))
            else:
                self._ask_grid(worker, None, picture, run_id, done)

        worker.call("grid", self._variant, image.sent(), run_id).add_done_callback(_or_fail(done, finish))

    def _scored(
        self,
        queries: Sequence[Query],
        images: Sequence[RemoteImage],
        run_id: str,
        example: RemoteImage | None,
        *,
        are_pairs: bool = False,
    ) -> "Future[Sequence[ScoreResult]]":
        decoded = self._decoded_example
        if example is not None and decoded is not None and decoded.key == example.key:
            example = decoded
        call = _Call(work="score", images=images, run_id=run_id, queries=queries, are_pairs=are_pairs, example=example)
        tries = TRIES if len(images) == 1 else 1
        done: Future[Sequence[ScoreResult]] = Future()

        def finish(started: "Future[_Done]") -> None:
            error = started.exception()
            if error is None:
                done.set_result(started.result().scores)
            elif isinstance(error, WorkerEnded) and len(images) > 1:
                self._score_one_by_one(call, done)
            else:
                done.set_exception(_lost(error))

        self._start(call, tries).add_done_callback(finish)
        return done

    def _score_one_by_one(self, call: "_Call", done: "Future[Sequence[ScoreResult]]") -> None:
        """Give each image of a batch that a worker has ended with its other tries, in a batch of its own."""
        started = [self._start(each, TRIES - 1, exclusive=True) for each in call.split()]

        def finish() -> None:
            try:
                done.set_result([_result(each) for each in started])
            except Exception as error:
                done.set_exception(error)

        left = _CountDown(len(started), finish)
        for each in started:
            each.add_done_callback(left.count)

    def _start(self, call: "_Call", tries: int = TRIES, *, exclusive: bool = False) -> "Future[_Done]":
        return self._workers.scheduler.submit(
            partial(self._send, call),
            home=call.images[0].home,
            pictures=len(call.pictures),
            tries=tries,
            exclusive=exclusive,
        )

    def _send(self, call: "_Call", worker: Worker) -> "Future[_Done]":
        """Send a batch to a worker. Images that only another one knows are decoded first, in another thread."""
        done: Future[_Done] = Future()
        images = enumerate(call.all_images)
        absent = [index for index, each in images if each.patches is None and each.home != worker.name]
        self._complete(call, worker, absent, done)
        return done

    def _complete(self, call: "_Call", worker: Worker, absent: Sequence[int], done: "Future[_Done]") -> None:
        """Decode some of `all_images`, and ask a worker."""
        if not absent:
            self._ask(call, worker, done)
            return
        loaded = _DECODERS.submit(self._loaded, call, absent)
        loaded.add_done_callback(_or_fail(done, lambda complete: self._ask(complete, worker, done)))

    def _loaded(self, call: "_Call", absent: Sequence[int]) -> "_Call":
        """Return a batch with the patches of some of `all_images`. Raises the `PictureError` of one."""
        loaded = {}
        for index in absent:
            image = call.all_images[index]
            loaded[index] = replace(self._load(image.picture), cell=image.cell)
            if loaded[index].pixel_key != image.pixel_key:
                raise PictureUnscored(name="", reason="the file has changed")
        self._decoded_example = loaded.get(len(call.images), self._decoded_example)
        return call.with_images(loaded)

    def _ask(self, call: "_Call", worker: Worker, done: "Future[_Done]") -> None:
        def finish(answer: Answer) -> None:
            if answer.missing:
                self._complete(call, worker, answer.missing, done)
            else:
                self._finish(call, worker, answer, done)

        worker.call("run", self._batch(call)).add_done_callback(_or_fail(done, finish))

    def _finish(self, call: "_Call", worker: Worker, answer: Answer, done: "Future[_Done]") -> None:
        if self._workers.scheduler.has(worker.name):
            self._batch_tokens[worker.name] = answer.batch_tokens
        for name in [name for name in self._batch_tokens if not self._workers.scheduler.has(name)]:
            self._batch_tokens.pop(name, None)
        if answer.error is not None:
            done.set_exception(answer.error)
            return
        self._note_kept(call.images, answer.kept, worker.name)
        done.set_result(_Done(worker=worker.name, scores=answer.scores))

    def _batch(self, call: "_Call") -> Batch:
        return Batch(
            work=call.work,
            variant=self._variant,
            images=[each.sent() for each in call.images],
            run_id=call.run_id,
            queries=call.queries,
            are_pairs=call.are_pairs,
            example=call.example.sent() if call.example else None,
        )


@dataclass(frozen=True, kw_only=True)
class _Done:
    worker: str
    scores: Sequence[Score]


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A batch, before it is known which worker gets it. The fields are those of `Batch`."""

    work: Work
    images: Sequence[RemoteImage]
    run_id: str
    queries: Sequence[Query] = ()
    are_pairs: bool = False
    example: RemoteImage | None = None

    @property
    def pictures(self) -> set[str]:
        """The keys of its images: the pairs of a batch may share one."""
        return {each.key for each in self.images}

    @property
    def all_images(self) -> Sequence[RemoteImage]:
        """The images, and the example at the end."""
        return [*self.images, self.example] if self.example else self.images

    def with_images(self, others: dict[int, RemoteImage]) -> "_Call":
        """Return the same with other ones for some of `all_images`."""
        images = [others.get(index, each) for index, each in enumerate(self.images)]
        return replace(self, images=images, example=others.get(len(images), self.example))

    def split(self) -> Iterable["_Call"]:
        """Return a call for each image."""
        for index, image in enumerate(self.images):
            queries = [self.queries[index]] if self.are_pairs else self.queries
            yield replace(self, images=[image], queries=queries)


class _CountDown:
    """Calls a function when it was called so many times itself."""

    def __init__(self, count: int, then: Callable[[], None]) -> None:
        self._left, self._then, self._lock = count, then, threading.Lock()

    def count(self, _: object) -> None:
        """Count down by one."""
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self._then()


_DECODERS: Final = ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="reranker-remote")


def _result(started: "Future[_Done]") -> ScoreResult:
    """Return the score of the one image of a batch, or its error. Raises what is not the fault of the image."""
    error = started.exception()
    if error is None:
        return started.result().scores[0]
    lost = _lost(error)
    if not isinstance(lost, PictureError):
        raise lost
    return lost


def _lost(error: BaseException) -> BaseException:
    """Return an error for the caller: workers that end again and again with a picture are its fault."""
    return WorkersEnded(name="") if isinstance(error, WorkerEnded) else error


def _then(future: "Future[Any]", then: Callable[[Any], Any]) -> "Future[Any]":
    """Return the future of `then` of a result."""
    chained: Future[Any] = Future()

    def finish(done: "Future[Any]") -> None:
        try:
            chained.set_result(then(done.result()))
        except BaseException as error:
            chained.set_exception(_lost(error))

    future.add_done_callback(finish)
    return chained


def _or_fail(target: "Future[Any]", then: Callable[[Any], None]) -> "Callable[[Future[Any]], None]":
    """Return a callback that gives a result to `then`; an error, also of `then`, is that of the target."""

    def finish(done: "Future[Any]") -> None:
        try:
            then(done.result())
        except BaseException as error:
            target.set_exception(error)

    return finish


def _text_only(query: Query) -> Query:
    """Return a query without the bytes of its example, which travels as an image."""
    if query.example is None:
        return query
    example = replace(query.example, candidate=Candidate(name="example", source=b""), data=None)
    return replace(query, example=example)


def _without_data(picture: EncodedPicture) -> EncodedPicture:
    return replace(picture, data=None)
