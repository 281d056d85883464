"""What fits where: a model's memory in each precision, computed from its shape, and measured where it can be loaded."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch

from reranker.benchmarks.model_shapes import is_random, sizes_of
from reranker.benchmarks.speed import MEGABYTE, Options, bench_of, gone_through, write_pictures
from reranker.config.settings import Device, Precision
from reranker.core.errors import ModelOutOfMemory
from reranker.engine.process_memory import process_bytes
from reranker.models.memory_plan import CONTEXT_BYTES, GIB, QUANTIZED, WORKING_BYTES, choose_device, is_out_of_memory

CAPS_GIB: Final = (24, 16, 12, 8, 6)
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16", "fp16", "int8", "nf4")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """One model in one precision on a card of one size.

    computed: whether this was worked out from the model's shape, and nothing was loaded. needed_bytes: weights, CUDA's
    own and a batch, by the plan; peak_bytes: what was in use at most, CUDA's own by the plan.
    """

    precision: str
    cap_gib: float
    computed: bool
    fits: bool
    needed_bytes: int
    peak_bytes: int | None = None
    first_result_ms: float | None = None
    images_per_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """One model in one precision in a process of its own, on this machine; peak_bytes None where it did not fit."""

    precision: str
    peak_bytes: int | None
    first_result_ms: float | None = None
    images_per_s: float | None = None


def memory_report(
    geometry: str,
    here: str,
    *,
    device: Device = "auto",
    images: int = 24,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """What fits where, for `geometry`; and what `here`, a model that this machine can load, takes on it.

    On a card both are measured, each in a process that may use no more than the cap. Returns what `--output` writes.
    Raises `ModelShapeUnknown` and what loading raises.
    """
    chosen = choose_device(device)
    gpu = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else None
    fits = []
    for precision in PRECISIONS:
        for cap in CAPS_GIB:
            fits.append(_computed(geometry, precision, cap))
            if gpu is not None and not (is_random(geometry) and precision in QUANTIZED):
                report(f"{geometry} in {precision} on {cap} GiB")
                fits[-1] = _on_gpu(fits[-1], geometry, device, images)
    measured = []
    for precision in PRECISIONS:
        report(f"{here} in {precision}")
        measured.append(asdict(_measured(here, precision, device, images)))
    return {
        "geometry": geometry,
        "device": gpu or "CPU",
        "fits": [asdict(fit) for fit in fits],
        "here": here,
        "images": images,
        "measured": measured,
    }


def _computed(geometry: str, precision: str, cap_gib: float) -> Fit:
    needed = sizes_of(geometry).gpu_bytes(precision)
    fits = needed <= cap_gib * GIB
    return Fit(precision=precision, cap_gib=cap_gib, computed=True, fits=fits, needed_bytes=needed)


def _on_gpu(computed: Fit, geometry: str, device: Device, images: int) -> Fit:
    cap = int(computed.cap_gib * GIB) - CONTEXT_BYTES
    found = _measured(geometry, computed.precision, device, images, cap)
    peak = None if found.peak_bytes is None else found.peak_bytes + CONTEXT_BYTES
    return replace(
        computed,
        computed=False,
        fits=peak is not None,
        peak_bytes=peak,
        first_result_ms=found.first_result_ms,
        images_per_s=found.images_per_s,
    )


def _measured(geometry: str, precision: Any, device: Device, images: int, cap_bytes: int | None = None) -> MemoryUse:
    """In a process of its own, whose end the memory does not outlive."""
    options = Options(geometry=geometry, precision=precision, device=device, images=images, methods=("ours",))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(own_memory_use, options, cap_bytes).result()
    except BrokenProcessPool:  # the system ended it, for want of memory
        return MemoryUse(precision=precision, peak_bytes=None)


def own_memory_use(options: Options, cap_bytes: int | None) -> MemoryUse:
    """Of this process, which has loaded nothing yet.

    Random weights are made on the card before the cap holds, as making them takes more than they do. A model of which
    layers had to go elsewhere does not fit.
    """
    if cap_bytes is not None and not is_random(options.geometry):
        _limit(cap_bytes)
    try:
        with TemporaryDirectory() as folder:
            paths = write_pictures(Path(folder), options.images)
            bench = bench_of(options, whole=False)
            if {"offloaded", "split"} & set(bench.model.checkpoint.load_warnings):
                raise MemoryError
            if cap_bytes is not None and is_random(options.geometry):
                _limit(cap_bytes)
            gone_through(bench, "ours", paths[:2])
            one = gone_through(bench, "ours", paths)
    except Exception as error:
        if not (isinstance(error, ModelOutOfMemory) or is_out_of_memory(error)):
            raise
        return MemoryUse(precision=options.precision, peak_bytes=None)
    on_gpu = bench.model.checkpoint.device.type == "cuda"
    return MemoryUse(
        precision=bench.model.checkpoint.precision,
        peak_bytes=torch.cuda.max_memory_reserved() if on_gpu else process_bytes("VmHWM"),
        first_result_ms=1000 * one.first_s,
        images_per_s=len(paths) / one.total_s,
    )


def _limit(cap_bytes: int) -> None:
    """What torch may use of the card from now on, and is found to."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap_bytes / torch.cuda.get_device_properties(0).total_memory))


def as_table(result: dict[str, Any]) -> str:
    """For reading."""
    reserve = f"{(CONTEXT_BYTES + WORKING_BYTES) / GIB:.1f} GiB for CUDA and a batch counted in"
    caps = "".join(f"{f'{cap} GiB':>10}" for cap in CAPS_GIB)
    lines = [f"{result['geometry']} on a card of ...  ({reserve}; computed figures are marked with ~)", ""]
    lines.append(f"{'precision':12}{'needs':>12}{caps}")
    for precision in dict.fromkeys(fit["precision"] for fit in result["fits"]):
        row = [fit for fit in result["fits"] if fit["precision"] == precision]
        answers = "".join(f"{_answer(fit):>10}" for fit in row)
        lines.append(f"{precision:12}{_gib(row[0]['needed_bytes']):>12}{answers}")
    lines += ["", f"{result['here']} on {result['device']}, {result['images']} pictures, measured:", ""]
    lines.append(f"{'precision':12}{'peak MB':>12}{'first ms':>10}{'pictures/s':>12}")
    lines += [_measured_line(one) for one in result["measured"]]
    return "\n".join(lines) + "\n"


def _answer(fit: dict[str, Any]) -> str:
    return f"{'~' if fit['computed'] else ''}{'fits' if fit['fits'] else 'no'}"


def _gib(count: int) -> str:
    return f"~{count / GIB:.1f} GiB"


def _measured_line(one: dict[str, Any]) -> str:
    if one["peak_bytes"] is None:
        return f"{one['precision']:12}{'no room':>12}"
    return (
        f"{one['precision']:12}{one['peak_bytes'] / MEGABYTE:>12,.0f}{one['first_result_ms']:>10.0f}"
        f"{one['images_per_s']:>12.1f}"
    )
