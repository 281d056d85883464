"""A model whose scores are arithmetic: the one fake, for every test that needs no real model."""

import copy
import hashlib
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reranker.core.errors import PictureMissing
from reranker.core.types import (
    Candidate,
    EncodedPicture,
    LabelCalibration,
    OccludedImages,
    Query,
    Ranking,
    Score,
    ScorerInfo,
    Scoring,
)
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.scoring_run import ScoringEngine
from reranker.engine.torch_thread import TorchThread
from reranker.images.hashing import with_text
from reranker.pipelines import rerank
from reranker.pipelines.rerank import RankStream

# How long a test waits before it fails. Nothing that passes comes near it.
PATIENCE_S = 20.0

QUERY = Query(text="一只红色的鸟 a red bird")


def until(condition: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Yield to other threads until `condition` holds."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.001)  # leaves the processor to the threads that the test waits for


def content_of(candidate: Candidate) -> bytes:
    """Return the encoded bytes, from memory or the disk."""
    if isinstance(candidate.source, bytes):
        return candidate.source
    try:
        return candidate.source.read_bytes()
    except OSError:
        raise PictureMissing(name=candidate.name) from None


def pictures(contents: Sequence[object]) -> list[Candidate]:
    """Pictures with these texts for bytes, named by their position."""
    return [Candidate(name=str(i), source=str(content).encode()) for i, content in enumerate(contents)]


def checksum(query: Query, content: bytes) -> float:
    """Return log-odds in [-8, 8) that depend on every byte of both."""
    return zlib.crc32(query.text.encode() + b"\0" + content) / 2**28 - 8


def number(query: Query, content: bytes) -> float:
    """Return the log-odds that the picture spells: the picture b"-1.5" has -1.5."""
    return float(content)


def likeness(query: Query, content: bytes) -> float:
    """Return larger log-odds the nearer the number that a picture spells is to that of the example."""
    assert query.example is not None
    assert query.example.data is not None
    return -abs(float(content) - float(query.example.data))


class Blocked:
    """A judge that waits in the batch with the picture b"1" until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()

    def __call__(self, query: Query, content: bytes) -> float:
        if content == b"1":
            self.inside.set()
            assert self.go.wait(2 * PATIENCE_S)  # longer than anyone waits for what should not wait for it
        return 1.0


@dataclass(frozen=True, kw_only=True)
class ScriptedImage:
    """An image of one token and one for each character of its text, and one byte of memory per byte of content.

    Spaces around the content are no part of the pixels.
    """

    content: bytes
    key: str
    pixel_key: str
    tokens: int
    nbytes: int
    home: str | None = None


class ScriptedScorer:
    """A `LocalModel` that reads with `read`, scores with `judge`, and remembers its calls.

    `read` runs in the prefetch threads and `judge` in the thread of the device, once per image, the last of a batch
    first. Either may raise, or wait for something that the test holds.
    """

    def __init__(
        self,
        *,
        judge: Callable[[Query, bytes], float] = checksum,
        read: Callable[[Candidate], bytes] = content_of,
        batch_tokens: int = 4,
        fingerprint: str = "scripted",
        temperature: float = 1.0,
        words: Callable[[bytes], str | None] = lambda content: None,
    ) -> None:
        self.batch_tokens = batch_tokens
        self.cache_capacity = 1000
        self.in_flight = 1
        self.info = ScorerInfo(
            model="scripted",
            fingerprint=fingerprint,
            precision="fp32",
            visual_tokens=2,
            detail_levels=(1, 2, 3),
            temperature=temperature,
            relevance_threshold=None,
            label_calibration=LabelCalibration(slope=1.0, intercept=0.0, threshold=0.5),
            calibration_key=fingerprint,
            takes_example=True,
            load_warnings=(),
        )
        self.device_memory: tuple[int, int] | None = None
        self.prefetch_bytes = 1_000_000
        self.read_names: list[str] = []
        self.batches: list[list[bytes]] = []
        self.scored: list[bytes] = []
        self.held_bytes = 0
        self.peak_bytes = 0
        self._judge, self._read, self._words = judge, read, words
        self._lock = threading.RLock()

    def with_info(self, **changes: object) -> "ScriptedScorer":
        """Change facts about this scorer, and return it."""
        self.info = replace(self.info, **changes)
        return self

    def variant(
        self, *, visual_tokens: int | None = None, scoring: Scoring | None = None, alone: bool = False
    ) -> "ScriptedScorer":
        if scoring != "rating" and not alone:
            return self
        other = copy.copy(self)
        if alone:
            other.batch_tokens = 1
            return other
        other.info = replace(self.info, fingerprint=f"{self.info.fingerprint}, rated")
        other._words = lambda content: f"Score: {content.decode()}"
        return other

    def identify(self, candidate: Candidate) -> EncodedPicture:
        content = content_of(candidate)
        digest = hashlib.sha256(content).hexdigest()
        key = with_text(digest, candidate.text)
        return EncodedPicture(candidate=candidate, content_hash=digest, key=key, data=content)

    def prepare(self, picture: EncodedPicture) -> ScriptedImage:
        content = self._read(picture.candidate)
        self.read_names.append(picture.candidate.name)
        text = picture.candidate.text
        image = ScriptedImage(
            content=content,
            key=picture.key,
            pixel_key=with_text(hashlib.sha256(content.strip() + b" pixels").hexdigest(), text),
            tokens=1 + len(text),
            nbytes=len(content),
        )
        self._hold(len(content))
        weakref.finalize(image, self._hold, -len(content)).atexit = False
        return image

    def score(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> list[Score]:
        self.batches.append([image.content for image in batch])
        scores = [self._score(self._judge(query, image.content), image) for image in reversed(batch)]
        self.scored += [image.content for image in batch]
        return scores[::-1]

    def launch(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> Callable[[], list[Score]]:
        return partial(self.score, query, batch, run_id, example)

    def launch_pairs(self, pairs: Sequence[tuple[Query, ScriptedImage]], run_id: str) -> Callable[[], list[Score]]:
        self.batches.append([image.content for _, image in pairs])
        return lambda: [self._score(self._judge(query, image.content), image) for query, image in pairs]

    def encode(self, batch: Sequence[ScriptedImage], run_id: str) -> list[ScriptedImage]:
        return list(batch)

    def occlude(self, image: ScriptedImage, run_id: str) -> OccludedImages[ScriptedImage]:
        """Return two rows of three cells; each with one more digit."""
        images = [
            replace(
                image,
                content=image.content + b"%d" % cell,
                key=f"{image.key} without cell {cell}",
                pixel_key=f"{image.pixel_key} without cell {cell}",
            )
            for cell in range(6)
        ]
        return OccludedImages(rows=2, columns=3, images=images)

    def _score(self, log_odds: float, image: ScriptedImage) -> Score:
        return Score(
            log_odds=log_odds,
            generated_text=self._words(image.content),
            visual_tokens=image.tokens,
            latency_ms=1.0,
        )

    def _hold(self, nbytes: int) -> None:
        with self._lock:
            self.held_bytes += nbytes
            self.peak_bytes = max(self.peak_bytes, self.held_bytes)


def engine_of(scorer: ScriptedScorer, device_queue: DeviceQueue | None = None, **options: object) -> ScoringEngine:
    """Return an engine over a scripted scorer; options: the other fields of `ScoringEngine`."""
    executor = LocalExecutor(scorer, TorchThread())
    queue = device_queue or DeviceQueue()
    return ScoringEngine(preprocessor=scorer, executor=executor, device_queue=queue, **options)


def rank_stream(
    query: Query,
    candidates: Sequence[Candidate],
    *,
    scorer: ScriptedScorer,
    device_queue: DeviceQueue,
    **options: object,
) -> RankStream:
    """`reranker.pipelines.rerank.rank_stream` over a scripted scorer; options: of it or of `ScoringEngine`."""
    engine = {name: options.pop(name) for name in ("store", "prefetch_threads") if name in options}
    return rerank.rank_stream(query, candidates, engine_of(scorer, device_queue, **engine), **options)


def rank(
    query: Query,
    candidates: Sequence[Candidate],
    *,
    scorer: ScriptedScorer,
    device_queue: DeviceQueue,
    **options: object,
) -> Ranking:
    """The ranking that `rank_stream` ends with."""
    return rerank.drain(rank_stream(query, candidates, scorer=scorer, device_queue=device_queue, **options))
