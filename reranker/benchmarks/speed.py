"""Measure the speed, latency and memory use of several methods on the same pictures, in paired rounds."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from reranker.benchmarks.methods import (
    METHODS,
    NEEDS_CACHED_FEATURES,
    TEXT,
    USES_EXECUTOR,
    BenchmarkSetup,
    available_methods,
)
from reranker.benchmarks.model_shapes import open_model, picture_tflop
from reranker.config.settings import Device, Precision
from reranker.core.types import Candidate
from reranker.engine.process_memory import process_bytes
from reranker.engine.torch_thread import TorchThread
from reranker.models.scoring.prompts import LYCHEE, encode_prompt

MEGABYTE: Final = 1_000_000
SIZES: Final = ((640, 480), (480, 640), (512, 512), (800, 450), (450, 800), (1024, 768))  # (width, height) in pixels
JPEG_QUALITY: Final = 90
NOMINAL_TFLOPS: Final = {"RTX 4090": 165.2, "H100": 989.0, "H200": 989.0}  # dense BF16, by a part of the GPU's name
MATRIX_SIZE: Final = {"cuda": 8192, "cpu": 2048}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The choices of a benchmark. shape: a model as `open_model` takes it. methods: in the order of `METHODS`.

    visual_tokens: 0 is the usual number of the checkpoint. separate_processes: on the CPU, run each method once more in
    a process of its own, to measure its memory.
    """

    shape: str = "toybox"
    methods: tuple[str, ...] = field(default_factory=available_methods)
    images: int = 50
    rounds: int = 3
    visual_tokens: int = 0
    precision: Precision = "auto"
    device: Device = "auto"
    feature_cache_mb: int = 1024
    separate_processes: bool = True


@dataclass(frozen=True, kw_only=True)
class Pass:
    """The times of one method for all pictures. first_s: until the first score. busy_s: of the device."""

    total_s: float
    first_s: float
    busy_s: float


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """The result of one method; medians over the rounds. The field names are those of the JSON output.

    reader_wait_share: share of the time in which the device waits for prepared pictures.
    peak_bytes: peak memory of the GPU, or of a process that runs only this method; None if it was not measured.
    product_rate_share, nominal_peak_share: operations a second by `picture_tflop`, relative to a large matrix product
    in the same run, and to the nominal peak of the GPU (None if unknown). `picture_tflop` counts all work for a single
    picture, so a method that saves some of it can exceed 1.
    """

    images_per_s: float
    first_result_ms: float
    reader_wait_share: float
    peak_bytes: int | None
    ms_a_picture_mean: float
    ms_a_picture_deviation: float
    product_rate_share: float
    nominal_peak_share: float | None


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Write JPEG files of mixed sizes, smooth like photographs, and always the same."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        noise = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC)
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
        paths.append(folder / f"picture-{number:04}.jpg")
        paths[-1].write_bytes(buffer.getvalue())
    return paths


def benchmark(options: Options, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Run the benchmark. Returns the content of the JSON output. report: called with a description of each step."""
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), options.images)
        setup = open_setup(options)
        report("warming up")
        for name in options.methods:
            time_method(setup, name, paths[: min(len(paths), 2 * len(SIZES))])
        peaks = {name: _gpu_peak(setup, name, paths) for name in options.methods}
        passes: dict[str, list[Pass]] = {name: [] for name in options.methods}
        memory = [process_bytes("VmRSS")]
        for number in range(options.rounds):
            for name in options.methods:
                report(f"round {number + 1} of {options.rounds}: {name}")
                passes[name].append(time_method(setup, name, paths))
            memory.append(process_bytes("VmRSS"))
        if options.separate_processes and setup.model.checkpoint.device.type == "cpu":
            report("memory, each method in a process of its own")
            peaks = {name: process_peak_bytes(options, name) for name in options.methods}
        return _result(options, setup, paths, passes, peaks, memory)


def open_setup(options: Options, *, all_on_device: bool = True) -> BenchmarkSetup:
    """Open the model. all_on_device: as in `open_model`."""
    torch_thread = TorchThread()
    model = torch_thread.run(
        partial(open_model, options.shape, options.device, options.precision, all_on_device=all_on_device)
    )
    tokens = options.visual_tokens or model.checkpoint.detail_levels[1]
    return BenchmarkSetup(model, torch_thread, tokens, options.feature_cache_mb * MEGABYTE)


def time_method(setup: BenchmarkSetup, name: str, paths: Sequence[Path]) -> Pass:
    """Score all pictures with a method; all methods run on the same torch thread."""
    run = partial(_timed_pass, setup, name, paths)
    return run() if name in USES_EXECUTOR else setup.torch_thread.run(run)


def _timed_pass(setup: BenchmarkSetup, name: str, paths: Sequence[Path]) -> Pass:
    setup.watch.busy_s = 0.0
    start = time.perf_counter()
    first_s, count = 0.0, 0
    for _ in METHODS[name](setup, paths):
        first_s = first_s or time.perf_counter() - start
        count += 1
    assert count == len(paths), f"{name} scored {count} of {len(paths)} pictures"
    return Pass(total_s=time.perf_counter() - start, first_s=first_s, busy_s=setup.watch.busy_s)


def _gpu_peak(setup: BenchmarkSetup, name: str, paths: Sequence[Path]) -> int | None:
    if setup.model.checkpoint.device.type != "cuda":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    time_method(setup, name, paths)
    return torch.cuda.max_memory_reserved()


def process_peak_bytes(options: Options, name: str) -> int | None:
    """Return the peak resident size of a process that loads the model and runs one method once.

    A method that needs cached features runs after `ours`.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_own_peak, options, name).result()


def _own_peak(options: Options, name: str) -> int | None:
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), options.images)
        setup = open_setup(options)
        for step in ("ours", name) if name in NEEDS_CACHED_FEATURES else (name,):
            time_method(setup, step, paths)
    return process_bytes("VmHWM")


def mean_tflop(setup: BenchmarkSetup, paths: Sequence[Path]) -> float:
    """Return the mean operations of the pictures, in 10^12, with the visual tokens that each of them has."""
    scorer, checkpoint = setup.scorer, setup.model.checkpoint
    prompt = encode_prompt(checkpoint.tokenizer, LYCHEE, TEXT)
    text_tokens = len(prompt.before) + len(prompt.after)
    images = (scorer.prepare(scorer.identify(Candidate(name=path.name, source=path))) for path in paths)
    return statistics.mean(picture_tflop(setup.model, image.visual_tokens, text_tokens) for image in images)


def product_tflops(device: torch.device, dtype: torch.dtype) -> float:
    """Return the rate of a large matrix product in 10^12 operations a second, the median of nine runs."""
    size = MATRIX_SIZE[device.type]
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    rates = []
    for _ in range(9):
        start = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e12)
    return statistics.median(rates)


def _result(
    options: Options,
    setup: BenchmarkSetup,
    paths: Sequence[Path],
    passes: dict[str, list[Pass]],
    peaks: dict[str, int | None],
    memory: list[int | None],
) -> dict[str, Any]:
    checkpoint = setup.model.checkpoint
    tflop = mean_tflop(setup, paths)
    rate = setup.torch_thread.run(partial(product_tflops, checkpoint.device, setup.model.network.dtype))
    gpu = torch.cuda.get_device_name(checkpoint.device) if checkpoint.device.type == "cuda" else "CPU"
    nominal = next((peak for part, peak in NOMINAL_TFLOPS.items() if part in gpu), None)
    methods = {
        name: asdict(_method_result(passes[name], len(paths), peaks[name], tflop, rate, nominal))
        for name in options.methods
    }
    return {
        "geometry": options.shape,
        "device": gpu,
        "threads": torch.get_num_threads() if checkpoint.device.type == "cpu" else None,
        "precision": checkpoint.precision,
        "visual_tokens": setup.visual_tokens,
        "images": len(paths),
        "rounds": options.rounds,
        "tflop_a_picture": tflop,
        "product_tflops": rate,
        "nominal_tflops": nominal,
        "resident_bytes": {"first": memory[0], "after_each_round": memory[1:]},
        "ways": methods,
    }


def _method_result(
    passes: list[Pass], images: int, peak_bytes: int | None, tflop: float, rate: float, nominal: float | None
) -> MethodResult:
    each_ms = [1000 * each.total_s / images for each in passes]
    images_per_s = 1000 / statistics.median(each_ms)
    return MethodResult(
        images_per_s=images_per_s,
        first_result_ms=1000 * statistics.median(each.first_s for each in passes),
        reader_wait_share=statistics.median(1 - each.busy_s / each.total_s for each in passes),
        peak_bytes=peak_bytes,
        ms_a_picture_mean=statistics.mean(each_ms),
        ms_a_picture_deviation=statistics.stdev(each_ms) if len(each_ms) > 1 else 0.0,
        product_rate_share=images_per_s * tflop / rate,
        nominal_peak_share=None if nominal is None else images_per_s * tflop / nominal,
    )


def as_table(result: dict[str, Any]) -> str:
    """Return the result as a table for a terminal."""
    title = "{geometry}, {precision} on {device}, {visual_tokens} visual tokens, {images} pictures".format_map(result)
    rate = f"{result['tflop_a_picture']:.4g} TFLOP a picture; a large product runs at {result['product_tflops']:.4g}/s"
    lines = [
        title,
        rate,
        "",
        f"{'method':22}{'pictures/s':>11}{'ms each':>9}{'first ms':>10}{'waiting':>9}{'peak MB':>9}",
    ]
    for name, method in result["ways"].items():
        peak = "-" if method["peak_bytes"] is None else f"{method['peak_bytes'] / MEGABYTE:,.0f}"
        lines.append(
            f"{name:22}{method['images_per_s']:>11.2f}{1000 / method['images_per_s']:>9.2f}"
            f"{method['first_result_ms']:>10.1f}"
            f"{method['reader_wait_share']:>9.0%}{peak:>9}"
        )
    return "\n".join(lines) + "\n"
