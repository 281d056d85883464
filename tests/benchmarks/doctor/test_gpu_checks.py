"""The checks of a GPU, on the CPU with a small model; only calls of torch.cuda are replaced."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
import torch

from reranker.benchmarks.doctor import context as context_module
from reranker.benchmarks.doctor import gpu_checks
from reranker.benchmarks.doctor.checks import NotChecked
from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.gpu_memory import MemoryUse
from reranker.benchmarks.doctor.kernel_profile import TracedEvent
from reranker.benchmarks.doctor.scores import drawn_pictures
from reranker.benchmarks.doctor.speeds import Speeds

SIZES = ((224, 224), (224, 168))  # pixels
EXTENDED = pytest.mark.extended


@pytest.fixture(autouse=True)
def small_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "drawn_pictures", lambda *_, **__: drawn_pictures(2, SIZES))


@pytest.mark.parametrize("name", ["GPU scores", "GPU towers", pytest.param("GPU batch invariance, 7b", marks=EXTENDED)])
def test_this_program_passes(name: str, context: CheckContext) -> None:
    found = gpu_checks.GPU_CHECKS[name](context)
    assert found.passed
    assert found.sentence.endswith(".")
    assert found.figures


@pytest.mark.parametrize("name", ["GPU scores", pytest.param("GPU batch invariance", marks=EXTENDED)])
def test_a_disturbed_toybox_fails(name: str, context: CheckContext, disturbed) -> None:
    with disturbed(context.toybox_on_device, lambda patches: patches.roll(len(patches) // 2, dims=0)):
        assert not gpu_checks.GPU_CHECKS[name](context).passed


@pytest.mark.parametrize("name", ["GPU towers", pytest.param("GPU batch invariance, 7b", marks=EXTENDED)])
def test_a_disturbed_large_model_fails(
    name: str, context: CheckContext, disturbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_checks, "BF16_TOLERANCE", 1e-4)  # of random weights, which hardly look at a picture
    with disturbed(context.large, lambda patches: patches + 10 * patches.mean(dim=0)):
        assert not gpu_checks.GPU_CHECKS[name](context).passed


def test_towers_fail_if_the_language_tower_alone_gives_no_number(
    context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = context.large.checkpoint.model
    last_hidden = model.last_hidden
    monkeypatch.setattr(model, "last_hidden", lambda *inputs: torch.nan * last_hidden(*inputs))
    assert not gpu_checks.towers(context).passed


@pytest.mark.parametrize(("needed", "passed"), [(2, True), (9, False)])
def test_batches_must_fit_with_long_texts_too(
    needed: int, passed: bool, context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = []

    def measure(device: torch.device, work: partial) -> MemoryUse:
        scored.append([image.text for image in work.args[2]])
        return MemoryUse(free_bytes=8.0, peak_bytes=needed if scored[-1][0] else 1, ran_out=0)

    monkeypatch.setattr(gpu_checks, "measure_memory", measure)
    found = gpu_checks.batch_memory(context)
    assert found.passed == passed
    assert scored == [[""] * 2, [gpu_checks.LONG_TEXT] * 2]
    assert found.figures["with_texts_peak_bytes"] == needed


def test_a_profile_without_kernels_is_not_made(context: CheckContext) -> None:
    with pytest.raises(NotChecked, match="saw no kernel"):
        gpu_checks.profile(context)


def test_a_profile_has_a_batch_of_new_pictures_and_one_with_cached_features(
    context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(scorer, candidates) -> tuple[list[TracedEvent], list[TracedEvent]]:
        long = TracedEvent(name="gemm", start_us=0, end_us=4000, on_gpu=True)
        return [long], [replace(long, end_us=1000)]

    monkeypatch.setattr(gpu_checks, "trace_batches", pretend)
    figures = gpu_checks.profile(context).figures
    assert (figures["new_span_ms"], figures["cached_span_ms"]) == (4.0, 1.0)


@pytest.mark.parametrize(
    ("method", "speed", "passed"), [("pairwise", 4.0, True), ("pairwise", 6.0, False), ("ours_known", 4.0, False)]
)
def test_this_program_must_be_the_fastest(
    method: str, speed: float, passed: bool, context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = {"pairwise": 2.0, "padded": 3.0, "ours": 5.0, "ours_known": 9.0} | {method: speed}
    monkeypatch.setattr(gpu_checks, "measure_speeds", lambda *_: Speeds(images_per_s=speeds, product_share=0.7))
    assert gpu_checks.speed(context).passed == passed


def test_memory_that_never_runs_out_proves_nothing(context: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    use = MemoryUse(free_bytes=8.0, peak_bytes=2, ran_out=0)
    monkeypatch.setattr(gpu_checks, "measure_memory", lambda *_: use)
    monkeypatch.setattr(gpu_checks, "limited_memory", lambda *_: nullcontext())
    found = gpu_checks.out_of_memory(context)
    assert not found.passed
    assert "fitted nevertheless" in found.sentence


def test_quantization_needs_its_package(context: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_checks, "find_spec", lambda _: None)
    with pytest.raises(NotChecked, match="bitsandbytes"):
        gpu_checks.GPU_CHECKS["GPU int8"](context)


@pytest.mark.extended
@pytest.mark.parametrize("name", ["GPU int8", "GPU nf4"])
def test_the_quantized_toybox_passes(name: str, context: CheckContext) -> None:
    found = gpu_checks.GPU_CHECKS[name](context)
    assert found.passed
    assert found.figures["yes-no, largest_difference"] > 0


def test_a_model_that_does_not_fit_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "free_bytes", lambda device: 12 * 2**30)
    with pytest.raises(NotChecked, match=r"needs 17\.0 GiB .* of the shape 7b; 12\.0 are free"):
        gpu_checks.speed(CheckContext(torch.device("cpu")))
