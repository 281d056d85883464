"""A worker whose device is a timer, to measure what everything but the devices costs."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from reranker.cluster.messages import Answer, Batch, ModelFacts, ModelSource, Variant
from reranker.core.types import LabelCalibration, Score, ScorerInfo
from reranker.engine.preparation import Preparation
from reranker.images.limits import Limits
from reranker.models.patchify import PatchSettings
from reranker.models.scoring.prompts import LYCHEE, SuffixLength

TOKENS = 256  # of an image


class SimulatedSource:
    """The `ModelSource` of a simulated model. batch_ms: how long the device works on a batch. batch_tokens: of it."""

    def __init__(self, *, batch_ms: float, batch_tokens: int) -> None:
        self.batch_ms, self.batch_tokens = batch_ms, batch_tokens

    @property
    def key(self) -> str:
        """The name of the model."""
        return "simulated"


class SimulatedWorker:
    """Does what `DeviceWorker` does, but the device is a timer, and a score is the length of the key of its image."""

    def __init__(self, *, on_gpu: bool, threads: int, fetch: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self._fetch, self._device = fetch, threading.Lock()
        self._source: SimulatedSource | None = None

    def open(self, source: ModelSource) -> None:
        """Take the times of the device."""
        assert isinstance(source, SimulatedSource), "there is no other"
        self._source = source

    def device_memory(self) -> None:
        """Return nothing: there is no memory."""

    def facts(self, variant: Variant) -> ModelFacts:
        """Return what a program must know of the model."""
        assert self._source is not None, "it is open"
        return simulated_facts(self._source.batch_tokens)

    def run(self, batch: Batch) -> Answer:
        """Fetch the images, and wait as long as the device works."""
        assert self._source is not None, "it is open"
        self._fetch([each.patches for each in batch.images])
        with self._device:
            time.sleep(self._source.batch_ms / 1000)
        return simulated_answer(batch, self._source.batch_tokens)


def simulated_answer(batch: Batch, batch_tokens: int) -> Answer:
    """Return a score for each image."""
    scores = [Score(log_odds=float(len(each.image.key)), visual_tokens=TOKENS, latency_ms=0.0) for each in batch.images]
    return Answer(scores=scores, kept=[False] * len(scores), batch_tokens=batch_tokens)


def simulated_facts(batch_tokens: int) -> ModelFacts:
    """Return the facts of a model whose images have `TOKENS` tokens each."""
    info = ScorerInfo(
        model="simulated",
        fingerprint="simulated",
        precision="fp32",
        visual_tokens=TOKENS,
        detail_levels=(TOKENS, TOKENS, TOKENS),
        temperature=1.0,
        relevance_threshold=None,
        label_calibration=LabelCalibration.of_temperature(1.0),
        calibration_key="simulated",
        takes_example=False,
        load_warnings=(),
    )
    settings = PatchSettings(
        patch_px=14, merge=2, mean=(0.5,) * 3, std=(0.5,) * 3, min_pixels=1, max_pixels=TOKENS * 28**2
    )
    preparation = Preparation(
        limits=Limits(),
        patch_settings=settings,
        visual_tokens=TOKENS,
        text_length=SuffixLength(tokenizer=_NoText(), layout=LYCHEE, instruction="", branches=0, plain=1),
    )
    return ModelFacts(
        info=info, preparation=preparation, batch_tokens=batch_tokens, prefetch_bytes=2**30, cache_capacity=0
    )


class _NoText:
    """A tokenizer for images without texts."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return no tokens."""
        return []
