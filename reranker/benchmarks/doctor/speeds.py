"""Measure methods of `reranker.benchmarks.speed` on a model that is loaded already."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from reranker.benchmarks.doctor.scores import prepared
from reranker.benchmarks.doctor.workbench import Workbench
from reranker.benchmarks.methods import TEXT, BenchmarkSetup
from reranker.benchmarks.model_shapes import Model, picture_tflop
from reranker.benchmarks.speed import MEGABYTE, product_tflops, time_method, write_pictures
from reranker.core.types import Candidate
from reranker.models.scoring.prompts import LYCHEE, encode_prompt

CACHE_BYTES: Final = 1000 * MEGABYTE
ROUNDS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """images_per_s: of each method, the median of some rounds. product_share: operations a second of the method `ours`,
    relative to those of a large matrix product in the same run.
    """

    images_per_s: dict[str, float]
    product_share: float


def measure_speeds(bench: Workbench, model: Model, methods: Sequence[str], images: int) -> Speeds:
    """Score JPEG files by all methods in turn, once to warm up and then some rounds; one of them is `ours`."""
    setup = BenchmarkSetup(model, bench.torch_thread, model.checkpoint.detail_levels[1], CACHE_BYTES)
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images)
        tflop = _tflop_a_picture(setup, paths)
        passes = [{name: time_method(setup, name, paths).total_s for name in methods} for _ in range(1 + ROUNDS)]
    speeds = {name: images / statistics.median(each[name] for each in passes[1:]) for name in methods}
    rate = bench.run(partial(product_tflops, model.checkpoint.device, model.network.dtype))
    return Speeds(images_per_s=speeds, product_share=speeds["ours"] * tflop / rate)


def _tflop_a_picture(setup: BenchmarkSetup, paths: Sequence[Path]) -> float:
    """Return the mean operations of the pictures, in 10^12, with the visual tokens that each of them has."""
    images = prepared(setup.scorer, [Candidate(name=path.name, source=path) for path in paths])
    prompt = encode_prompt(setup.model.checkpoint.tokenizer, LYCHEE, TEXT)
    text_tokens = len(prompt.before) + len(prompt.after)
    return statistics.mean(picture_tflop(setup.model, image.visual_tokens, text_tokens) for image in images)
