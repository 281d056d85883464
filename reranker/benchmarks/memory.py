"""Compute which model fits on which GPU in each precision, and measure the memory use of a model."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import torch

from reranker.api import Reranker
from reranker.benchmarks.encoder_shapes import encoder_bytes
from reranker.benchmarks.model_shapes import sizes_of
from reranker.benchmarks.random_configs import is_shape
from reranker.benchmarks.speed import MEGABYTE, Options, open_setup, time_method, write_pictures
from reranker.config.settings import Device, Precision, Settings
from reranker.core.errors import ModelOutOfMemory
from reranker.engine.process_memory import process_bytes
from reranker.models.memory_plan import CONTEXT_BYTES, GIB, QUANTIZED, WORKING_BYTES, choose_device, is_out_of_memory
from reranker.tagger import Tagger

CAPS_GIB: Final = (24, 16, 12, 8, 6)
PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "bf16", "fp16", "int8", "nf4")


@dataclass(frozen=True, kw_only=True)
class GpuFit:
    """Whether a model in one precision fits on a GPU with `cap_gib`. The field names are those of the JSON output.

    computed: whether it was computed from the shape, without loading the model. needed_bytes: weights, CUDA's own
    memory and a batch, as planned. peak_bytes: measured, plus CUDA's own memory as planned.
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
    """The measured memory use of a model in one precision, in its own process. peak_bytes: None if it did not fit."""

    precision: str
    peak_bytes: int | None
    first_result_ms: float | None = None
    images_per_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class TaggingUse:
    """The measured memory use of labels by the toybox and its dual encoder, in an own process.

    first_result_ms: of a picture with all labels of the vocabulary at hand.
    """

    peak_bytes: int | None
    first_result_ms: float
    images_per_s: float


def memory_report(
    shape: str,
    local_model: str,
    encoder: str,
    *,
    device: Device = "auto",
    images: int = 24,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return which GPUs the model `shape` fits on, also beside a dual encoder, and the memory use of `local_model`.

    encoder: a name of `ENCODER_SHAPES`. With a GPU, models are measured, each in a process with that limit. Returns the
    content of the JSON output. Raises `ModelShapeUnknown` and the errors of loading. report: called with a description
    of each step.
    """
    chosen = choose_device(device)
    gpu = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else None
    fits = []
    for precision in PRECISIONS:
        for cap in CAPS_GIB:
            fits.append(_computed(shape, precision, cap))
            if gpu is not None and not (is_shape(shape) and precision in QUANTIZED):
                report(f"{shape} in {precision} on {cap} GiB")
                fits[-1] = _measure_on_gpu(fits[-1], shape, device, images)
    measured = []
    for precision in PRECISIONS:
        report(f"{local_model} in {precision}")
        measured.append(asdict(_measure(local_model, precision, device, images)))
    return {
        "geometry": shape,
        "device": gpu or "CPU",
        "fits": [asdict(fit) for fit in fits],
        "labels": {
            "encoder": encoder,
            "encoder_alone_bytes": encoder_bytes(encoder, alone=True),
            "fits": [asdict(_with_encoder(shape, encoder, each, cap)) for each in PRECISIONS for cap in CAPS_GIB],
            "measured": asdict(_in_own_process(measure_tagging, images)),
        },
        "here": local_model,
        "images": images,
        "measured": measured,
    }


def _computed(shape: str, precision: str, cap_gib: float) -> GpuFit:
    needed = sizes_of(shape).gpu_bytes(precision)
    fits = needed <= cap_gib * GIB
    return GpuFit(precision=precision, cap_gib=cap_gib, computed=True, fits=fits, needed_bytes=needed)


def _with_encoder(shape: str, encoder: str, precision: str, cap_gib: float) -> GpuFit:
    needed = sizes_of(shape).gpu_bytes(precision) + encoder_bytes(encoder)
    fits = needed <= cap_gib * GIB
    return GpuFit(precision=precision, cap_gib=cap_gib, computed=True, fits=fits, needed_bytes=needed)


def _in_own_process(measure: Callable[[int], TaggingUse], images: int) -> TaggingUse:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, images).result()


def measure_tagging(images: int) -> TaggingUse:
    """Label so many generated pictures with the toybox and its dual encoder, on the CPU."""
    reranker = Reranker(settings=Settings.of(model="toybox", device="cpu", score_store_mb=0))
    with TemporaryDirectory() as folder:
        paths = write_pictures(Path(folder), images)
        tagger = Tagger(reranker=reranker)
        tagger.tag(paths[:1])
        start = perf_counter()
        stream = tagger.tag_stream(paths)
        next(stream)
        first_s = perf_counter() - start
        rest = sum(1 for _ in stream)
        total_s = perf_counter() - start
    peak = process_bytes("VmHWM")
    return TaggingUse(peak_bytes=peak, first_result_ms=1000 * first_s, images_per_s=(1 + rest) / total_s)


def _measure_on_gpu(computed: GpuFit, shape: str, device: Device, images: int) -> GpuFit:
    cap = int(computed.cap_gib * GIB) - CONTEXT_BYTES
    memory_use = _measure(shape, computed.precision, device, images, cap)
    peak = None if memory_use.peak_bytes is None else memory_use.peak_bytes + CONTEXT_BYTES
    return replace(
        computed,
        computed=False,
        fits=peak is not None,
        peak_bytes=peak,
        first_result_ms=memory_use.first_result_ms,
        images_per_s=memory_use.images_per_s,
    )


def _measure(shape: str, precision: Any, device: Device, images: int, cap_bytes: int | None = None) -> MemoryUse:
    """Measure in a process of its own, since only its end frees all memory."""
    options = Options(shape=shape, precision=precision, device=device, images=images, methods=("ours",))
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(measure_memory_use, options, cap_bytes).result()
    except BrokenProcessPool:  # the system killed it to free memory
        return MemoryUse(precision=precision, peak_bytes=None)


def measure_memory_use(options: Options, cap_bytes: int | None) -> MemoryUse:
    """Measure the memory use of this process, which has not loaded a model yet. cap_bytes: limit for the GPU, or None.

    Random weights are created before the limit is set, since creating them takes more memory than they do. A model does
    not fit if some of its layers are on another device.
    """
    if cap_bytes is not None and not is_shape(options.shape):
        _limit_memory(cap_bytes)
    try:
        with TemporaryDirectory() as folder:
            paths = write_pictures(Path(folder), options.images)
            setup = open_setup(options, all_on_device=False)
            if {"offloaded", "split"} & set(setup.model.checkpoint.load_warnings):
                raise MemoryError
            if cap_bytes is not None and is_shape(options.shape):
                _limit_memory(cap_bytes)
            time_method(setup, "ours", paths[:2])
            measured = time_method(setup, "ours", paths)
    except Exception as error:
        if not (isinstance(error, ModelOutOfMemory) or is_out_of_memory(error)):
            raise
        return MemoryUse(precision=options.precision, peak_bytes=None)
    on_gpu = setup.model.checkpoint.device.type == "cuda"
    return MemoryUse(
        precision=setup.model.checkpoint.precision,
        peak_bytes=torch.cuda.max_memory_reserved() if on_gpu else process_bytes("VmHWM"),
        first_result_ms=1000 * measured.first_s,
        images_per_s=len(paths) / measured.total_s,
    )


def _limit_memory(cap_bytes: int) -> None:
    """Limit the GPU memory that torch may use, and start to measure its peak."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_per_process_memory_fraction(min(1.0, cap_bytes / torch.cuda.get_device_properties(0).total_memory))


def as_table(result: dict[str, Any]) -> str:
    """Return the result as a table for a terminal."""
    reserve = f"{(CONTEXT_BYTES + WORKING_BYTES) / GIB:.1f} GiB for CUDA and a batch are included"
    caps = "".join(f"{f'{cap} GiB':>10}" for cap in CAPS_GIB)
    lines = [f"{result['geometry']} on a GPU with ...  ({reserve}; ~ marks computed values)", ""]
    lines += _fit_lines(result["fits"], caps)
    labels = result["labels"]
    alone = _gib(labels["encoder_alone_bytes"])
    lines += ["", f"{result['geometry']} and {labels['encoder']}, for labels  ({labels['encoder']} alone: {alone})", ""]
    lines += _fit_lines(labels["fits"], caps)
    use = labels["measured"]
    lines += [
        "",
        f"labels by the toybox and its dual encoder on the CPU: {use['images_per_s']:.1f} pictures/s, the first "
        f"after {use['first_result_ms']:.0f} ms, {use['peak_bytes'] / MEGABYTE:,.0f} MB",
    ]
    lines += ["", f"{result['here']} on {result['device']}, {result['images']} pictures, measured:", ""]
    lines.append(f"{'precision':12}{'peak MB':>12}{'first ms':>10}{'pictures/s':>12}")
    lines += [_measured_line(each) for each in result["measured"]]
    return "\n".join(lines) + "\n"


def _fit_lines(fits: list[dict[str, Any]], caps: str) -> list[str]:
    lines = [f"{'precision':12}{'needs':>12}{caps}"]
    for precision in dict.fromkeys(fit["precision"] for fit in fits):
        row = [fit for fit in fits if fit["precision"] == precision]
        texts = "".join(f"{_fit_text(fit):>10}" for fit in row)
        lines.append(f"{precision:12}{_gib(row[0]['needed_bytes']):>12}{texts}")
    return lines


def _fit_text(fit: dict[str, Any]) -> str:
    return f"{'~' if fit['computed'] else ''}{'fits' if fit['fits'] else 'no'}"


def _gib(byte_count: int) -> str:
    return f"~{byte_count / GIB:.1f} GiB"


def _measured_line(measured: dict[str, Any]) -> str:
    if measured["peak_bytes"] is None:
        return f"{measured['precision']:12}{'does not fit':>12}"
    return (
        f"{measured['precision']:12}{measured['peak_bytes'] / MEGABYTE:>12,.0f}{measured['first_result_ms']:>10.0f}"
        f"{measured['images_per_s']:>12.1f}"
    )
