"""Gaps, synchronisations and shares are counted from what the profiler has seen."""

from functools import partial

import pytest
import torch

from reranker.benchmarks.doctor.kernel_profile import TracedEvent, summarize, trace


def kernel(name: str, start_us: float, end_us: float) -> TracedEvent:
    return TracedEvent(name=name, start_us=start_us, end_us=end_us, on_gpu=True)


def call(name: str) -> TracedEvent:
    return TracedEvent(name=name, start_us=0, end_us=9000, on_gpu=False)


def test_gaps_are_when_no_kernel_runs() -> None:
    events = [
        kernel("gemm", 1000, 3000),
        call("cudaLaunchKernel"),
        kernel("vectorized_elementwise_kernel<4>", 2500, 3500),  # beside the first
        call("cudaStreamSynchronize"),
        kernel("gemm", 5000, 6000),
        kernel("Memcpy HtoD", 5200, 5300),  # within the one before
        call("cudaDeviceSynchronize"),
    ]
    summary = summarize(events)
    assert summary is not None
    assert (summary.kernels, summary.span_ms, summary.gap_ms) == (4, 5.0, 1.5)
    assert summary.elementwise_share == pytest.approx(1000 / 4100)
    assert summary.synchronisations == 2
    assert "4 kernels in 5.0 ms, none running for 1.5 ms, 24% of their time elementwise, 2 " in summary.text


def test_without_kernels_there_is_no_summary() -> None:
    assert summarize([call("cudaLaunchKernel")]) is None


def test_a_trace_has_the_operations_of_the_work() -> None:
    matrix = torch.ones(8, 8)
    events = trace(partial(torch.mm, matrix, matrix))
    (product,) = [event for event in events if event.name == "aten::mm"]
    assert product.end_us > product.start_us
    assert not product.on_gpu
