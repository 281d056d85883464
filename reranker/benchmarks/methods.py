"""Ways to score pictures with one model, to be compared: ours, and what others do."""

import re
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
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.sentence_transformers_baseline import cross_encoder, why_not
from reranker.core.errors import PictureOutOfMemory
from reranker.core.types import Candidate, Failed, Query, Score, Scored
from reranker.engine.cross_encoder import CrossEncoder, PreparedImage
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.scoring_run import ScoringEngine
from reranker.engine.torch_thread import TorchThread
from reranker.images.limits import Limits
from reranker.models.architecture import ImageFeatures
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE, RATING, Layout, encode_prompt
from reranker.pipelines.rerank import rank_stream

TEXT: Final = "a woman in a red dress beside a white car, 街道上"
OTHER_TEXT: Final = "一只 black cat 在窗台上, nobody else"
ANSWER_TOKENS: Final = 8
PADDED_BATCH: Final = 8


class Stopwatch:
    """How long the device was at work."""

    def __init__(self) -> None:
        self.busy_s = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the device works."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.busy_s += time.perf_counter() - start


class Bench:
    """A model, and how closely it is to look, for all ways alike."""

    def __init__(self, model: Model, torch_thread: TorchThread, visual_tokens: int, vision_memory_bytes: int) -> None:
        self.model, self.visual_tokens, self.torch_thread = model, visual_tokens, torch_thread
        self.watch = Stopwatch()
        self._memory_bytes = vision_memory_bytes
        self._processor = Qwen2VLImageProcessorPil(
            size=dict.fromkeys(("shortest_edge", "longest_edge"), visual_tokens * 28 * 28)
        )
        self.new_scorer()

    def new_scorer(self) -> None:
        """Make a scorer with an empty feature cache."""
        make = partial(
            CrossEncoder,
            self.model.checkpoint,
            limits=Limits(),
            cache=FeatureCache(self._memory_bytes),
            visual_tokens=self.visual_tokens,
        )
        self.scorer = self.torch_thread.run(make)

    @cached_property
    def competitor(self) -> Any:
        """The CrossEncoder of sentence-transformers; what its modules take is its time at the device."""
        encoder = cross_encoder(self.model, self.visual_tokens)
        untimed = encoder.forward

        def forward(*inputs: Any, **options: Any) -> Any:
            with self.watch.running():
                features = untimed(*inputs, **options)
                features["scores"].cpu()  # waits for the device
            return features

        encoder.forward = forward
        return encoder

    def read(self, paths: Sequence[Path], layout: Layout) -> BatchFeature:
        """What transformers' model takes for pairs of the sentence and these pictures, padded at the left."""
        pictures = [Image.open(path).convert("RGB") for path in paths]
        features = self._processor(images=pictures, return_tensors="pt")
        prompts = [
            layout.fill(TEXT).replace(IMAGE_PAD, IMAGE_PAD * (int(grid.prod()) // 4))
            for grid in features["image_grid_thw"]
        ]
        tokenizer = self.model.checkpoint.tokenizer
        tokenizer.padding_side = "left"
        features.update(tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False))
        features.pop("token_type_ids", None)
        features["mm_token_type_ids"] = (features["input_ids"] == self.model.network.config.image_token_id).int()
        features["pixel_values"] = features["pixel_values"].to(self.model.network.dtype)
        return features.to(self.model.checkpoint.device)


BenchmarkMethod = Callable[[Bench, Sequence[Path]], Iterator[object]]


@torch.inference_mode()
def articles(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """One by one: generate eight tokens, read the number off the words, empty the cache."""
    network, tokenizer = cast(Any, bench.model.network), bench.model.checkpoint.tokenizer
    for path in paths:
        inputs = bench.read([path], RATING)
        with bench.watch.running():
            output = network.generate(**inputs, max_new_tokens=ANSWER_TOKENS, do_sample=False, use_cache=True)
            words = str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :]))
        if bench.model.checkpoint.device.type == "cuda":
            torch.cuda.empty_cache()
        yield re.search(r"Score: (\d+\.\d)", words)


@torch.inference_mode()
def pairwise(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """One forward pass a pair, without the output matrix: as Qwen's official reranker does."""
    for path in paths:
        yield from _forward(bench, [path])


@torch.inference_mode()
def padded(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """Batches of eight, padded at the left, with a mask."""
    for start in range(0, len(paths), PADDED_BATCH):
        yield from _forward(bench, paths[start : start + PADDED_BATCH])


@torch.inference_mode()
def sentence_transformers(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """Its CrossEncoder, in batches of eight, which it pads."""
    for start in range(0, len(paths), PADDED_BATCH):
        pairs = [(TEXT, Image.open(path).convert("RGB")) for path in paths[start : start + PADDED_BATCH]]
        yield from bench.competitor.predict(pairs, batch_size=PADDED_BATCH, show_progress_bar=False).tolist()


def _forward(bench: Bench, paths: Sequence[Path]) -> list[float]:
    inputs = bench.read(paths, LYCHEE)
    with bench.watch.running():
        states = bench.model.network.model(**inputs, use_cache=False).last_hidden_state[:, -1]
        odds: list[float] = bench.model.checkpoint.head.log_odds(states).tolist()
    return odds


class _TimedExecutor(LocalExecutor[PreparedImage]):
    """An executor that measures how long the device is busy."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.scorer, bench.torch_thread)
        self._bench = bench

    def submit(self, query: Query, batch: Sequence[PreparedImage], run_id: str) -> "Future[list[Score]]":
        return self._bench.torch_thread.submit(partial(self._timed_score, query, batch, run_id))

    def _timed_score(self, query: Query, batch: Sequence[PreparedImage], run_id: str) -> list[Score]:
        with self._bench.watch.running():
            return self._bench.scorer.score(query, batch, run_id)


def ours(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """This program, on pictures that it has not seen; what it has seen is forgotten first."""
    bench.new_scorer()
    return _ranked(bench, paths, TEXT)


def ours_known(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """This program, asked something else about pictures that it has seen."""
    return _ranked(bench, paths, OTHER_TEXT)


def _ranked(bench: Bench, paths: Sequence[Path], text: str) -> Iterator[object]:
    candidates = [Candidate(name=path.name, source=path) for path in paths]
    engine = ScoringEngine(preprocessor=bench.scorer, executor=_TimedExecutor(bench), device_queue=DeviceQueue())
    with closing(rank_stream(Query(text=text), candidates, engine)) as stream:
        for event in stream:
            if isinstance(event, Failed) and isinstance(event.error, PictureOutOfMemory):
                raise MemoryError
            if isinstance(event, Scored):
                yield event


@torch.inference_mode()
def language_tower(bench: Bench, paths: Sequence[Path]) -> Iterator[object]:
    """The language tower alone, in full batches, on visual tokens at hand: what `ours_known` cannot be faster than.

    Looks again at what the vision memory does not hold, which then counts too.
    """
    checkpoint, budget = bench.model.checkpoint, bench.scorer.batch_tokens
    prompt = encode_prompt(checkpoint.tokenizer, LYCHEE, OTHER_TEXT)
    pictures = [_encoded(bench, path) for path in paths]
    with bench.watch.running():
        prefix = checkpoint.model.prefill(prompt.before)
    while pictures:
        taken = max(1, bisect_right(list(accumulate(len(picture.tokens) for picture in pictures)), budget))
        with bench.watch.running():
            states = checkpoint.model.last_hidden(prefix, pictures[:taken], [prompt.after] * taken)
            yield from checkpoint.head.log_odds(states).tolist()
        pictures = pictures[taken:]


def _encoded(bench: Bench, path: Path) -> ImageFeatures:
    candidate = Candidate(name=path.name, source=path)
    prepared = bench.scorer.prepare(bench.scorer.identify(candidate))
    if prepared.features is not None:
        return prepared.features
    assert prepared.patches is not None, "an image is either encoded or patchified"
    return bench.model.checkpoint.model.encode_images([prepared.patches])[0]


METHODS: Final[dict[str, BenchmarkMethod]] = {
    "articles": articles,
    "pairwise": pairwise,
    "padded": padded,
    "sentence_transformers": sentence_transformers,
    "ours": ours,
    "ours_known": ours_known,
    "language_tower": language_tower,
}
THROUGH_THE_DOOR: Final = frozenset({"ours", "ours_known"})  # these find the worker by themselves
ON_WHAT_OURS_SAW: Final = frozenset({"ours_known", "language_tower"})


def left_out() -> dict[str, str]:
    """The ways that cannot be gone here, each with the reason."""
    reason = why_not()
    return {} if reason is None else {"sentence_transformers": reason}


def available_methods() -> tuple[str, ...]:
    """In the order of `WAYS`."""
    return tuple(name for name in METHODS if name not in left_out())
