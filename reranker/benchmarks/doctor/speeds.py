"""Measure methods of `reranker.benchmarks.speed` on a model that is loaded already."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.methods import BenchmarkSetup
from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.speed import MEGABYTE, mean_tflop, product_tflops, time_method, write_pictures

CACHE_BYTES: Final = 1000 * MEGABYTE
ROUNDS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """images_per_s: of each method, the median of some rounds. product_share: operations a second of the method `ours`,
    relative to those of a large matrix product in the same run.
    """

    images_per_s: dict[str, float]
    product_share: float


def measure_speeds(context: CheckContext, model: Model, methods: Sequence[str], images: int) -> Speeds:
    """Score JPEG files by all methods in turn, once to warm up and then some rounds; one of them is `ours`."""
    setup = BenchmarkSetup(model, context.torch_thread, model.checkpoint.detail_levels[1], CACHE_BYTES)
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images)
        tflop = mean_tflop(setup, paths)
        passes = [{name: time_method(setup, name, paths).total_s for name in methods} for _ in range(1 + ROUNDS)]
    speeds = {name: images / statistics.median(each[name] for each in passes[1:]) for name in methods}
    rate = context.run(partial(product_tflops, model.checkpoint.device, model.network.dtype))
    return Speeds(images_per_s=speeds, product_share=speeds["ours"] * tflop / rate)
