"""How fast, how soon and in how much memory: several ways on the same pictures, in paired rounds, by their medians."""

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

from reranker.benchmarks.methods import METHODS, ON_WHAT_OURS_SAW, TEXT, THROUGH_THE_DOOR, Bench, available_methods
from reranker.benchmarks.model_shapes import open_model, picture_tflop
from reranker.config.settings import Device, Precision
from reranker.engine.process_memory import process_bytes
from reranker.engine.torch_thread import TorchThread
from reranker.models.scoring.prompts import LYCHEE, encode_prompt

MEGABYTE: Final = 1_000_000
SIZES: Final = ((640, 480), (480, 640), (512, 512), (800, 450), (450, 800), (1024, 768))  # pixels, in turn
JPEG_QUALITY: Final = 90
NOMINAL_TFLOPS: Final = {"RTX 4090": 165.2, "H100": 989.0, "H200": 989.0}  # dense BF16, by a part of the card's name
PRODUCT_SIDE: Final = {"cuda": 8192, "cpu": 2048}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured; `ways` in the order of `WAYS`.

    visual_tokens: the checkpoint's usual where 0. own_processes: on the CPU, go each way once more in a process of its
    own, for the memory that it takes.
    """

    geometry: str = "toybox"
    methods: tuple[str, ...] = field(default_factory=available_methods)
    images: int = 50
    rounds: int = 3
    visual_tokens: int = 0
    precision: Precision = "auto"
    device: Device = "auto"
    vision_memory_mb: int = 1024
    own_processes: bool = True


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One way through all pictures, once; in seconds."""

    total_s: float
    first_s: float
    busy_s: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One way; medians over the rounds.

    peak_bytes: of the card's memory where there is one, else of a process that goes this way alone (None where it was
    not asked for). product_rate_share, nominal_peak_share: the rate by `picture_tflop` over that of a large matrix
    product in the same run, and over what the card is sold for (None where that is not known). They count what judging
    a fresh picture by itself takes, so a way that leaves some of it out can pass 1.
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
    """JPEG files of mixed sizes, smooth as photographs are, the same each time."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        rough = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(rough).resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC)
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
        paths.append(folder / f"picture-{number:04}.jpg")
        paths[-1].write_bytes(buffer.getvalue())
    return paths


def benchmark(options: Options, report: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Measure; `report` is told what is being done. Returns what `--output` writes."""
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), options.images)
        bench = bench_of(options)
        report("warming up")
        for name in options.methods:
            gone_through(bench, name, paths[: min(len(paths), 2 * len(SIZES))])
        peaks = {name: _gpu_peak(bench, name, paths) for name in options.methods}
        passes: dict[str, list[Pass]] = {name: [] for name in options.methods}
        memory = [process_bytes("VmRSS")]
        for number in range(options.rounds):
            for name in options.methods:
                report(f"round {number + 1} of {options.rounds}: {name}")
                passes[name].append(gone_through(bench, name, paths))
            memory.append(process_bytes("VmRSS"))
        if options.own_processes and bench.model.checkpoint.device.type == "cpu":
            report("memory, each way in a process of its own")
            peaks = {name: process_peak_bytes(options, name) for name in options.methods}
        return _result(options, bench, paths, passes, peaks, memory)


def bench_of(options: Options, *, whole: bool = True) -> Bench:
    """The model ready to be measured; whole: as `open_model` has it."""
    torch_thread = TorchThread()
    model = torch_thread.run(partial(open_model, options.geometry, options.device, options.precision, whole=whole))
    tokens = options.visual_tokens or model.checkpoint.detail_levels[1]
    return Bench(model, torch_thread, tokens, options.vision_memory_mb * MEGABYTE)


def gone_through(bench: Bench, name: str, paths: Sequence[Path]) -> Pass:
    """All ways in the same thread of torch."""
    go = partial(_timed_pass, bench, name, paths)
    return go() if name in THROUGH_THE_DOOR else bench.torch_thread.run(go)


def _timed_pass(bench: Bench, name: str, paths: Sequence[Path]) -> Pass:
    bench.watch.busy_s = 0.0
    start = time.perf_counter()
    first_s, count = 0.0, 0
    for _ in METHODS[name](bench, paths):
        first_s = first_s or time.perf_counter() - start
        count += 1
    assert count == len(paths), f"{name} scored {count} of {len(paths)} pictures"
    return Pass(total_s=time.perf_counter() - start, first_s=first_s, busy_s=bench.watch.busy_s)


def _gpu_peak(bench: Bench, name: str, paths: Sequence[Path]) -> int | None:
    if bench.model.checkpoint.device.type != "cuda":
        return None
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    gone_through(bench, name, paths)
    return torch.cuda.max_memory_reserved()


def process_peak_bytes(options: Options, name: str) -> int | None:
    """Largest resident size of a process that loads the model and goes one way once, behind `ours` where it has to."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_own_peak, options, name).result()


def _own_peak(options: Options, name: str) -> int | None:
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), options.images)
        bench = bench_of(options)
        for step in ("ours", name) if name in ON_WHAT_OURS_SAW else (name,):
            gone_through(bench, step, paths)
    return process_bytes("VmHWM")


def product_tflops(device: torch.device, dtype: torch.dtype) -> float:
    """Rate of a large matrix product, in 10^12 operations a second: the median of some."""
    side = PRODUCT_SIDE[device.type]
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    rates = []
    for _ in range(9):
        start = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * side**3 / (time.perf_counter() - start) / 1e12)
    return statistics.median(rates)


def _result(
    options: Options,
    bench: Bench,
    paths: Sequence[Path],
    passes: dict[str, list[Pass]],
    peaks: dict[str, int | None],
    memory: list[int | None],
) -> dict[str, Any]:
    checkpoint = bench.model.checkpoint
    prompt = encode_prompt(checkpoint.tokenizer, LYCHEE, TEXT)
    tflop = picture_tflop(bench.model, bench.visual_tokens, len(prompt.before) + len(prompt.after))
    rate = bench.torch_thread.run(partial(product_tflops, checkpoint.device, bench.model.network.dtype))
    gpu = torch.cuda.get_device_name(checkpoint.device) if checkpoint.device.type == "cuda" else "CPU"
    nominal = next((peak for part, peak in NOMINAL_TFLOPS.items() if part in gpu), None)
    methods = {
        name: asdict(_figures(passes[name], len(paths), peaks[name], tflop, rate, nominal)) for name in options.methods
    }
    return {
        "geometry": options.geometry,
        "device": gpu,
        "threads": torch.get_num_threads() if checkpoint.device.type == "cpu" else None,
        "precision": checkpoint.precision,
        "visual_tokens": bench.visual_tokens,
        "images": len(paths),
        "rounds": options.rounds,
        "tflop_a_picture": tflop,
        "product_tflops": rate,
        "nominal_tflops": nominal,
        "resident_bytes": {"first": memory[0], "after_each_round": memory[1:]},
        "ways": methods,
    }


def _figures(
    passes: list[Pass], images: int, peak_bytes: int | None, tflop: float, rate: float, nominal: float | None
) -> Figures:
    each_ms = [1000 * one.total_s / images for one in passes]
    images_per_s = 1000 / statistics.median(each_ms)
    return Figures(
        images_per_s=images_per_s,
        first_result_ms=1000 * statistics.median(one.first_s for one in passes),
        reader_wait_share=statistics.median(1 - one.busy_s / one.total_s for one in passes),
        peak_bytes=peak_bytes,
        ms_a_picture_mean=statistics.mean(each_ms),
        ms_a_picture_deviation=statistics.stdev(each_ms) if len(each_ms) > 1 else 0.0,
        product_rate_share=images_per_s * tflop / rate,
        nominal_peak_share=None if nominal is None else images_per_s * tflop / nominal,
    )


def as_table(result: dict[str, Any]) -> str:
    """For reading."""
    shown = "{geometry}, {precision} on {device}, {visual_tokens} visual tokens, {images} pictures".format_map(result)
    rate = f"{result['tflop_a_picture']:.4g} TFLOP a picture; a large product runs at {result['product_tflops']:.4g}/s"
    lines = [shown, rate, "", f"{'way':22}{'pictures/s':>11}{'ms each':>9}{'first ms':>10}{'waiting':>9}{'peak MB':>9}"]
    for name, method in result["ways"].items():
        peak = "-" if method["peak_bytes"] is None else f"{method['peak_bytes'] / MEGABYTE:,.0f}"
        lines.append(
            f"{name:22}{method['images_per_s']:>11.2f}{1000 / method['images_per_s']:>9.2f}"
            f"{method['first_result_ms']:>10.1f}"
            f"{method['reader_wait_share']:>9.0%}{peak:>9}"
        )
    return "\n".join(lines) + "\n"
