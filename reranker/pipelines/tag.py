"""Label pictures: a dual encoder proposes labels for each, and the cross-encoder judges those.

What it judges is `Query(text=label)`, so scores are stored, and shared with rankings by such a query. Without a dual
encoder all labels are judged; without a cross-encoder the dual encoder's own probabilities are the confidences.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, Generic

import numpy as np
from numpy.typing import NDArray

from reranker.core.cancellation import Cancellation
from reranker.core.errors import DeviceFailed, PictureError, PictureSkipped, TicketCancelled
from reranker.core.protocols import ImageT
from reranker.core.scores import label_confidence
from reranker.core.types import Candidate, EncodedPicture, Failed, LabelCalibration, Query, Score
from reranker.engine.device_queue import Ticket
from reranker.engine.pair_batches import PairBatches
from reranker.engine.results import failure
from reranker.engine.scoring_run import ScoringEngine, new_run_id
from reranker.images.decoding_pool import DecodingPool
from reranker.images.hashing import read_and_hash
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.pipelines.label_proposals import LabelProposals
from reranker.pipelines.read_ahead import read_ahead
from reranker.vocabulary.labels import Label, Vocabulary, with_implied

ENCODED_TOGETHER: Final = 8  # pictures
AHEAD: Final = 8  # pictures that are read ahead of the dual encoder, and prepared ahead of the cross-encoder
THREADS: Final = 4


@dataclass(frozen=True, kw_only=True)
class TaggedLabel:
    """A label of a picture, and the confidence that it fits, in [0, 1]."""

    label: Label
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Tagged:
    """The labels of a picture, most confident first; none if nothing was recognised.

    confidences: by the keys of all labels that were judged or implied, whatever the threshold. content_hash: as in
    `Scored`.
    """

    position: int
    candidate: Candidate
    labels: tuple[TaggedLabel, ...]
    confidences: Mapping[str, float] = field(repr=False)
    content_hash: str


@dataclass(frozen=True, kw_only=True)
class TagOptions:
    """Which labels come out.

    threshold: least confidence; those of the calibration if None. top_k: how many labels of a picture at most; all if
    None.
    """

    threshold: float | None = None
    top_k: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A picture that was read. pixels: for the dual encoder; vector: if it has encoded them."""

    position: int
    candidate: Candidate
    picture: EncodedPicture | None = None
    pixels: NDArray[np.uint8] | None = None
    vector: NDArray[np.float32] | None = None
    error: PictureError | None = None

    def failed(self) -> Failed:
        assert self.error is not None
        digest = self.picture.content_hash if self.picture else None
        return Failed(position=self.position, candidate=self.candidate, error=self.error, content_hash=digest)


@dataclass(frozen=True, kw_only=True)
class _Prepared(Generic[ImageT]):
    """A picture whose labels are judged. stored: scores that are known. image: None if all are."""

    read: _Read
    queries: Mapping[Query, Label] = field(default_factory=dict)
    stored: Mapping[Query, Score] = field(default_factory=dict)
    image: ImageT | None = None


class TaggingRun(Generic[ImageT]):
    """Labels pictures by one vocabulary. Either `engine` or `proposals` may be None, but not both.

    limits, pool: read and decode pictures for the dual encoder.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: TagOptions,
        *,
        engine: ScoringEngine[ImageT] | None,
        proposals: LabelProposals | None,
        limits: Limits,
        pool: DecodingPool,
    ) -> None:
        assert engine is not None or proposals is not None, "somebody must judge"
        self._vocabulary, self._options, self._engine, self._proposals = vocabulary, options, engine, proposals
        self._limits, self._pool = limits, pool
        self.calibration = engine.executor.info.label_calibration if engine else self._proposed.calibration
        self._fingerprint = engine.executor.info.fingerprint if engine else ""
        # Of two names the English one is asked, so that pictures have the same labels in both languages.
        self._queries = [Query(text=label.name.written("en")) for label in vocabulary]
        self._ticket: Ticket | None = None

    @property
    def _proposed(self) -> LabelProposals:
        assert self._proposals is not None
        return self._proposals

    @property
    def queue_position(self) -> int | None:
        """The `Ticket.queue_position` of the run; None before it judges."""
        return self._ticket.queue_position if self._ticket else None

    def run(
        self, candidates: Sequence[Candidate], cancellation: Cancellation | None = None
    ) -> Generator[Tagged | Failed, None, None]:
        """Yield a `Tagged` or a `Failed` for each picture, in their order. Raises `DeviceFailed`.

        cancellation: once cancelled, the remaining pictures come out as `PictureSkipped`.
        """
        stop = Cancellation(parent=cancellation)
        try:
            with ThreadPoolExecutor(THREADS, thread_name_prefix="reranker-tag") as threads:
                read = read_ahead(threads, lambda each: self._read(*each, stop), enumerate(candidates), AHEAD)
                prepared = read_ahead(threads, self._prepare, self._encoded(read), AHEAD)
                yield from self._judged(prepared, stop) if self._engine else map(self._by_encoder, prepared)
        finally:
            stop.cancel()
            stop.detach()

    # Reading

    def _read(self, position: int, candidate: Candidate, stop: Cancellation) -> _Read:
        read = _Read(position=position, candidate=candidate)
        if stop.cancelled:
            return replace(read, error=PictureSkipped(name=candidate.name))
        try:
            picture = self._identify(candidate)
            return (
                self._with_pixels(replace(read, picture=picture)) if self._proposals else replace(read, picture=picture)
            )
        except Exception as error:
            return replace(read, error=failure(error, candidate.name))

    def _identify(self, candidate: Candidate) -> EncodedPicture:
        return self._engine.preprocessor.identify(candidate) if self._engine else read_and_hash(candidate, self._limits)

    def _with_pixels(self, read: _Read) -> _Read:
        """Decode a picture for the dual encoder, unless its vector is known. Raises a `PictureError`."""
        assert read.picture is not None
        known = self._proposed.known_vector(read.picture.content_hash)
        if known is not None:
            return replace(read, vector=known)
        data = read_bytes(read.candidate, self._limits) if read.picture.data is None else read.picture.data
        pixels, _ = self._pool.square(data, read.candidate.name, self._limits, self._proposed.encoder.info.image_px)
        return replace(read, picture=replace(read.picture, data=data), pixels=pixels)

    # The dual encoder

    def _encoded(self, reads: Iterable[_Read]) -> Iterator[_Read]:
        """Yield pictures with their vectors, of which several are computed together."""
        batch: list[_Read] = []
        for read in reads:
            batch.append(read)
            if len(batch) == ENCODED_TOGETHER:
                yield from self._with_vectors(batch)
                batch = []
        yield from self._with_vectors(batch)

    def _with_vectors(self, batch: Sequence[_Read]) -> Iterator[_Read]:
        encoded = iter(self._vectors([read for read in batch if read.pixels is not None]))
        for read in batch:
            yield read if read.pixels is None else next(encoded)

    def _vectors(self, reads: Sequence[_Read]) -> list[_Read]:
        """Return pictures with their vectors; those of a batch that fails are encoded in halves."""
        if not reads:
            return []
        try:
            vectors = self._proposed.encode([read.pixels for read in reads if read.pixels is not None])
            return [replace(read, pixels=None, vector=each) for read, each in zip(reads, vectors, strict=True)]
        except Exception as error:
            if len(reads) == 1:
                return [replace(reads[0], pixels=None, error=failure(error, reads[0].candidate.name))]
        half = len(reads) // 2
        return [*self._vectors(reads[:half]), *self._vectors(reads[half:])]

    def _by_encoder(self, prepared: "_Prepared[ImageT]") -> Tagged | Failed:
        """Return the labels by the probabilities of the dual encoder."""
        read = prepared.read
        if read.error is not None or read.vector is None:
            return read.failed()
        probabilities = self._proposed.probabilities(read.vector)
        keys = (label.key for label in self._vocabulary)
        return self._tagged(read, dict(zip(keys, map(float, probabilities), strict=True)))

    # The cross-encoder

    def _prepare(self, read: _Read) -> "_Prepared[ImageT]":
        """Look for stored scores, and prepare the picture if some are missing."""
        if read.error is not None or read.picture is None or self._engine is None:
            return _Prepared(read=read)
        labels = self._vocabulary.labels
        rows = range(len(labels)) if read.vector is None else self._proposed.nearest(read.vector).tolist()
        queries = {self._queries[row]: labels[row] for row in rows}
        try:
            stored = self._stored(read.picture.key, list(queries))
            if len(stored) == len(queries):
                return _Prepared(read=_without_data(read), queries=queries, stored=stored)
            image = self._engine.preprocessor.prepare(read.picture)
            missing = [query for query in queries if query not in stored]
            stored = {**stored, **self._stored(image.pixel_key, missing)}
            return _Prepared(read=_without_data(read), queries=queries, stored=stored, image=image)
        except DeviceFailed:
            raise
        except Exception as error:
            return _Prepared(read=replace(read, error=failure(error, read.candidate.name)))

    def _stored(self, key: str, queries: Sequence[Query]) -> dict[Query, Score]:
        assert self._engine is not None
        store = self._engine.store
        return {} if store is None else store.get_each(key, queries, self._fingerprint)

    def _judged(self, prepared: "Iterable[_Prepared[ImageT]]", stop: Cancellation) -> Iterator[Tagged | Failed]:
        """Score the labels of each picture, in one batch if the device has room for it."""
        assert self._engine is not None
        ticket, run_id = self._engine.device_queue.ticket(stop), new_run_id()
        self._ticket = ticket
        in_flight: deque[tuple[_Prepared[ImageT], PairBatches[ImageT]]] = deque()
        try:
            for each in prepared:
                image = each.image
                pairs = [] if image is None else [(query, image) for query in each.queries if query not in each.stored]
                batches = PairBatches(pairs, self._engine.executor, ticket, run_id)
                while len(in_flight) >= self._engine.executor.capacity:
                    yield self._finish(*in_flight.popleft())
                in_flight.append((self._started(each, batches), batches))
            while in_flight:
                yield self._finish(*in_flight.popleft())
        finally:
            for _, batches in in_flight:
                batches.cancel()
            ticket.close()

    def _started(self, prepared: "_Prepared[ImageT]", batches: PairBatches[ImageT]) -> "_Prepared[ImageT]":
        """Start the batch of a picture, and return the picture; with an error if the run was cancelled meanwhile."""
        if prepared.read.error is not None:
            return prepared
        try:
            batches.start()
        except TicketCancelled:
            skipped = PictureSkipped(name=prepared.read.candidate.name)
            return replace(prepared, read=replace(prepared.read, error=skipped))
        return prepared

    def _finish(self, prepared: "_Prepared[ImageT]", batches: PairBatches[ImageT]) -> Tagged | Failed:
        read = prepared.read
        if read.error is not None:
            return read.failed()
        try:
            results = batches.finish()
        except TicketCancelled:
            return replace(read, error=PictureSkipped(name=read.candidate.name)).failed()
        new: dict[Query, Score] = {}
        missing = (query for query in prepared.queries if query not in prepared.stored)
        for query, result in zip(missing, results, strict=True):
            if isinstance(result, PictureError):
                return replace(read, error=failure(result, read.candidate.name)).failed()
            new[query] = result
        scores = {**prepared.stored, **self._settled(prepared, new)}
        confidences = {
            label.key: label_confidence(scores[query].log_odds, self.calibration)
            for query, label in prepared.queries.items()
        }
        return self._tagged(read, confidences)

    def _settled(self, prepared: "_Prepared[ImageT]", new: dict[Query, Score]) -> dict[Query, Score]:
        """Store scores, and return those that are stored: pictures of equal pixels have one score for a query."""
        assert self._engine is not None
        store, image, picture = self._engine.store, prepared.image, prepared.read.picture
        if store is None or image is None or picture is None:
            return new
        store.put_new_each(image.pixel_key, self._fingerprint, new)
        settled = {**new, **store.get_each(image.pixel_key, list(new), self._fingerprint)}
        store.put_new_each(picture.key, self._fingerprint, {**prepared.stored, **settled})
        return settled

    # The result

    def _tagged(self, read: _Read, confidences: dict[str, float]) -> Tagged:
        assert read.picture is not None
        complete = with_implied(self._vocabulary, confidences)
        return Tagged(
            position=read.position,
            candidate=read.candidate,
            labels=chosen_labels(self._vocabulary, complete, self.calibration, self._options),
            confidences=complete,
            content_hash=read.picture.content_hash,
        )


def chosen_labels(
    vocabulary: Vocabulary, confidences: Mapping[str, float], calibration: LabelCalibration, options: TagOptions
) -> tuple[TaggedLabel, ...]:
    """Return the labels that a picture has, most confident first, and of equally confident ones the most specific.

    confidences: by the keys of labels; those of parents are not below those of children. A label that is chosen brings
    its parents.
    """
    chosen: set[str] = set()
    for key, confidence in confidences.items():
        threshold = calibration.threshold_of(key) if options.threshold is None else options.threshold
        if confidence >= threshold:
            chosen |= {key, *(parent.key for parent in vocabulary.ancestors(vocabulary.by_key[key]))}
    return in_order(vocabulary, {key: confidences[key] for key in chosen})[: options.top_k]


def in_order(vocabulary: Vocabulary, confidences: Mapping[str, float]) -> tuple[TaggedLabel, ...]:
    """Return labels by the confidences of their keys: most confident first, of equal ones the most specific."""
    depths = {key: len(vocabulary.ancestors(vocabulary.by_key[key])) for key in confidences}
    ordered = sorted(confidences, key=lambda key: (-confidences[key], -depths[key], key))
    return tuple(TaggedLabel(label=vocabulary.by_key[key], confidence=confidences[key]) for key in ordered)


def _without_data(read: _Read) -> _Read:
    """Let go of the bytes of a picture that was prepared."""
    return replace(read, picture=replace(read.picture, data=None)) if read.picture else read
