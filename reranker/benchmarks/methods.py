"""Methods to score pictures with one model: this program's, and those of others to compare it with."""

import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, cast

import torch
from PIL import Image
from transformers import BatchFeature

from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.sentence_transformers_baseline import cross_encoder, missing_requirement
from reranker.benchmarks.transformers_reference import TransformersReference
from reranker.core.errors import PictureOutOfMemory
from reranker.core.types import Candidate, Failed, Query, Scored, ScoreResult
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.memory_budget import TokenBudget
from reranker.engine.preparation import PreparedImage
from reranker.engine.scoring_run import ScoringEngine
from reranker.engine.torch_thread import TorchThread
from reranker.images.limits import Limits
from reranker.models.architecture import ImageFeatures, ImageSequence
from reranker.models.scoring.prompts import LYCHEE, RATING, Layout, encode_prompt
from reranker.pipelines.rerank import rank_stream

TEXT: Final = "a woman in a red dress beside a white car, 街道上"
OTHER_TEXT: Final = "一只 black cat 在窗台上, nobody else"
ANSWER_TOKENS: Final = 8
PADDED_BATCH: Final = 8


class Stopwatch:
    """Measures how long the device has work, which several threads may give it."""

    def __init__(self) -> None:
        self.busy_s = 0.0
        self._lock, self._in_flight, self._start = threading.Lock(), 0, 0.0

    def begin(self) -> None:
        """Note that some work begins."""
        with self._lock:
            if not self._in_flight:
                self._start = time.perf_counter()
            self._in_flight += 1

    def end(self) -> None:
        """Note that some work ends."""
        with self._lock:
            self._in_flight -= 1
            if not self._in_flight:
                self.busy_s += time.perf_counter() - self._start

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure while the context is open."""
        self.begin()
        try:
            yield
        finally:
            self.end()


class BenchmarkSetup:
    """The parts that all methods share: the model, its thread, the number of visual tokens and a scorer."""

    def __init__(self, model: Model, torch_thread: TorchThread, visual_tokens: int, feature_cache_bytes: int) -> None:
        self.model, self.visual_tokens, self.torch_thread = model, visual_tokens, torch_thread
        self.watch = Stopwatch()
        self._feature_cache_bytes = feature_cache_bytes
        self._budget: TokenBudget | None = None
        self._reference = TransformersReference(model, visual_tokens)
        self.new_scorer()

    def new_scorer(self) -> None:
        """Make a scorer with an empty feature cache, and the budget of the first scorer: its trial batch takes time."""
        make = partial(
            CrossEncoder,
            self.model.checkpoint,
            limits=Limits(),
            cache=FeatureCache(self._feature_cache_bytes),
            visual_tokens=self.visual_tokens,
            budget=self._budget,
        )
        self.scorer = self.torch_thread.run(make)
        self._budget = self.scorer.budget

    @cached_property
    def baseline(self) -> Any:
        """The CrossEncoder of sentence-transformers; the time in its modules counts as time on the device."""
        encoder = cross_encoder(self.model, self.visual_tokens)
        untimed = encoder.forward

        def forward(*inputs: Any, **options: Any) -> Any:
            with self.watch.running():
                features = untimed(*inputs, **options)
                features["scores"].cpu()  # waits for the device
            return features

        encoder.forward = forward
        return encoder

    def inputs(self, paths: Sequence[Path], layout: Layout) -> BatchFeature:
        """Return the inputs of transformers' model for pairs of the query and a picture."""
        images = [Image.open(path).convert("RGB") for path in paths]
        return self._reference.inputs(images, [layout.fill(TEXT)] * len(images))

    def forward(self, paths: Sequence[Path]) -> list[float]:
        """Return the log-odds of a batch by transformers' forward pass."""
        inputs = self.inputs(paths, LYCHEE)
        with self.watch.running():
            return self._reference.log_odds(inputs)


BenchmarkMethod = Callable[[BenchmarkSetup, Sequence[Path]], Iterator[object]]


@torch.inference_mode()
def articles(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Score one by one: generate eight tokens, parse the number in the text, empty the cache."""
    network, tokenizer = cast(Any, setup.model.network), setup.model.checkpoint.tokenizer
    for path in paths:
        inputs = setup.inputs([path], RATING)
        with setup.watch.running():
            output = network.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False, use_cache=True)
            text = str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))
        if setup.model.checkpoint.device.type == "cuda":
            torch.cuda.empty_cache()
        yield re.search(r"Score: (\d+\.\d)", text)


def pairwise(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Run one forward pass a pair, without the output matrix, as Qwen's official reranker does."""
    for path in paths:
        yield from setup.forward([path])


def padded(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Score batches of eight with padding on the left and a mask."""
    for start in range(0, len(paths), PADDED_BATCH):
        yield from setup.forward(paths[start : start + PADDED_BATCH])


@torch.inference_mode()
def sentence_transformers(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Score batches of eight with the CrossEncoder of sentence-transformers, which pads them."""
    for start in range(0, len(paths), PADDED_BATCH):
        pairs = [(TEXT, Image.open(path).convert("RGB")) for path in paths[start : start + PADDED_BATCH]]
        yield from setup.baseline.predict(pairs, batch_size=PADDED_BATCH, show_progress_bar=False).tolist()


class _TimedExecutor(LocalExecutor[PreparedImage]):
    """An executor that measures how long the device is busy."""

    def __init__(self, setup: BenchmarkSetup) -> None:
        super().__init__(setup.scorer, setup.torch_thread)
        self._setup = setup

    def submit(
        self, query: Query, batch: Sequence[PreparedImage], run_id: str, example: PreparedImage | None = None
    ) -> "Future[Sequence[ScoreResult]]":
        self._setup.watch.begin()
        future = super().submit(query, batch, run_id, example)
        future.add_done_callback(lambda _: self._setup.watch.end())
        return future


def ours(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Score with this program and an empty feature cache."""
    setup.new_scorer()
    return _ranked(setup, paths, TEXT)


def ours_known(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Score with this program for another query, with pictures in the feature cache."""
    return _ranked(setup, paths, OTHER_TEXT)


def _ranked(setup: BenchmarkSetup, paths: Sequence[Path], text: str) -> Iterator[object]:
    candidates = [Candidate(name=path.name, source=path) for path in paths]
    executor = _TimedExecutor(setup)
    queue = DeviceQueue(executor.capacity)
    engine = ScoringEngine(preprocessor=setup.scorer, executor=executor, device_queue=queue)
    with closing(rank_stream(Query(text=text), candidates, engine)) as stream:
        for event in stream:
            if isinstance(event, Failed) and isinstance(event.error, PictureOutOfMemory):
                raise MemoryError
            if isinstance(event, Scored):
                yield event


@torch.inference_mode()
def language_tower(setup: BenchmarkSetup, paths: Sequence[Path]) -> Iterator[object]:
    """Run the language tower alone, in full batches, on encoded pictures: a lower bound for the time of `ours_known`.

    Pictures that the feature cache does not have are encoded first, which then adds to the time.
    """
    checkpoint, budget = setup.model.checkpoint, setup.scorer.batch_tokens
    prompt = encode_prompt(checkpoint.tokenizer, LYCHEE, OTHER_TEXT)
    pictures = [_encoded(setup, path) for path in paths]
    with setup.watch.running():
        prefix = checkpoint.model.prefill(prompt.before)
    while pictures:
        totals = accumulate(len(picture.tokens) + len(prompt.after) for picture in pictures)
        count = max(1, bisect_right(list(totals), budget))
        with setup.watch.running():
            sequences = [ImageSequence(image=picture, after=prompt.after) for picture in pictures[:count]]
            states = checkpoint.model.last_hidden(prefix, sequences)[:, 0]
            yield from checkpoint.head.log_odds(states).tolist()
        pictures = pictures[count:]


def _encoded(setup: BenchmarkSetup, path: Path) -> ImageFeatures:
    candidate = Candidate(name=path.name, source=path)
    prepared = setup.scorer.prepare(setup.scorer.identify(candidate))
    if prepared.features is not None:
        return prepared.features
    assert prepared.patches is not None, "an image is either encoded or patchified"
    return setup.model.checkpoint.model.encode_images([prepared.patches])[0]


METHODS: Final[dict[str, BenchmarkMethod]] = {
    "articles": articles,
    "pairwise": pairwise,
    "padded": padded,
    "sentence_transformers": sentence_transformers,
    "ours": ours,
    "ours_known": ours_known,
    "language_tower": language_tower,
}
USES_EXECUTOR: Final = frozenset({"ours", "ours_known"})  # the executor runs them on the torch thread
NEEDS_CACHED_FEATURES: Final = frozenset({"ours_known", "language_tower"})


def unavailable_methods() -> dict[str, str]:
    """Return the methods that cannot be run here, each with the reason."""
    reason = missing_requirement()
    return {} if reason is None else {"sentence_transformers": reason}


def available_methods() -> tuple[str, ...]:
    """Return the methods that can be run here, in the order of `METHODS`."""
    return tuple(name for name in METHODS if name not in unavailable_methods())
