"""Limits of memory are set and reset, and a run that recovers is told from one that does not."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.gpu_memory import (
    MemoryUse,
    Recovery,
    limited_memory,
    measure_memory,
    measure_recovery,
    score_all,
)
from reranker.benchmarks.doctor.scores import drawn_pictures, prepared

GPU = torch.device("cuda", 0)
TOTAL = 1000


class PretendedGpu:
    """The memory of a GPU with 1000 bytes, by torch's own names."""

    def __init__(self) -> None:
        self.allocated, self.peak, self.fraction, self.out_of_memory = 100, 100, 0.9, 3

    def allocate(self, count: int) -> None:
        self.peak = max(self.peak, self.allocated + count)

    def set_fraction(self, fraction: float, device: torch.device) -> None:
        self.fraction = fraction


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> PretendedGpu:
    pretended = PretendedGpu()
    functions = {
        "empty_cache": lambda: None,
        "reset_peak_memory_stats": lambda device: None,
        "memory_allocated": lambda device: pretended.allocated,
        "memory_reserved": lambda device: pretended.allocated,
        "max_memory_allocated": lambda device: pretended.peak,
        "memory_stats": lambda device: {"num_ooms": pretended.out_of_memory},
        "mem_get_info": lambda device: (TOTAL - pretended.allocated, TOTAL),
        "get_per_process_memory_fraction": lambda device: pretended.fraction,
        "set_per_process_memory_fraction": pretended.set_fraction,
        "get_device_properties": lambda device: SimpleNamespace(total_memory=TOTAL),
    }
    for name, function in functions.items():
        monkeypatch.setattr(torch.cuda, name, function)
    return pretended


def test_the_peak_of_some_work_is_measured(gpu: PretendedGpu) -> None:
    use = measure_memory(GPU, lambda: gpu.allocate(250))
    assert use == MemoryUse(free_bytes=800, peak_bytes=250, ran_out=0)  # 90 % of the memory, less what is allocated
    assert use.fits


@pytest.mark.parametrize(("peak", "ran_out"), [(801, 0), (250, 1)])
def test_too_much_memory_does_not_fit(peak: int, ran_out: int) -> None:
    assert not MemoryUse(free_bytes=800, peak_bytes=peak, ran_out=ran_out).fits


def test_running_out_of_memory_is_counted(gpu: PretendedGpu) -> None:
    def run_out() -> None:
        gpu.out_of_memory += 2

    assert measure_memory(GPU, run_out).ran_out == 2


def test_a_limit_is_reset_even_after_an_error(gpu: PretendedGpu) -> None:
    within = []

    def fail_within_a_limit() -> None:
        with limited_memory(GPU, 50):
            within.append(gpu.fraction)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_within_a_limit()
    assert (within, gpu.fraction) == ([pytest.approx(0.15)], 0.9)


def test_a_limit_never_raises_the_one_before(gpu: PretendedGpu) -> None:
    with limited_memory(GPU, 5000):
        assert gpu.fraction == 0.9


@contextmanager
def little_memory(context: CheckContext, most_images: int) -> Iterator[None]:
    """Let the vision tower run out of memory with more than so many images."""
    model = context.large.checkpoint.model
    encode_images = model.encode_images

    def encode(images: list) -> list:
        if len(images) > most_images:
            raise torch.OutOfMemoryError
        return encode_images(images)

    model.encode_images = encode
    try:
        yield
    finally:
        del model.encode_images


def recovery_within(context: CheckContext, limit) -> Recovery:
    scorer = context.scorer(context.large)
    images = prepared(scorer, drawn_pictures(4, ((140, 112),)))
    return measure_recovery(context, scorer, images, limit)


def test_a_run_that_runs_out_of_memory_recovers(context: CheckContext) -> None:
    recovery = recovery_within(context, little_memory(context, 1))
    assert recovery.ran_out
    assert recovery.scored == recovery.pictures == 4
    assert recovery.tokens_limited < recovery.tokens_before
    assert recovery.tokens_limited < recovery.tokens_after
    assert recovery.complete
    assert "did not fit, and 4 of 4 were scored" in recovery.text


def test_pictures_that_do_not_fit_alone_are_no_recovery(context: CheckContext) -> None:
    recovery = recovery_within(context, little_memory(context, 0))
    assert recovery.scored == 0
    assert not recovery.complete


def test_without_a_limit_there_is_nothing_to_recover_from(context: CheckContext) -> None:
    recovery = recovery_within(context, nullcontext())
    assert (recovery.ran_out, recovery.scored) == (False, 4)
    assert not recovery.complete
    assert "fitted nevertheless" in recovery.text


def test_pictures_are_scored_in_full_batches(context: CheckContext) -> None:
    scorer = context.scorer(context.toybox)
    assert score_all(context, scorer, prepared(scorer, drawn_pictures(3))) == 3
