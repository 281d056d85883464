"""Profile a call on a GPU: gaps between kernels, synchronisations, and the share of elementwise kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from torch.profiler import profile

from reranker.benchmarks.doctor.scores import SCORED_QUERIES, prepared
from reranker.core.types import Candidate
from reranker.engine.cross_encoder import CrossEncoder

SYNCHRONISATION: Final = "Synchronize"  # part of the names of calls of the CUDA runtime that wait for the GPU
ELEMENTWISE: Final = "elementwise"  # part of the names of torch's kernels that compute element by element


@dataclass(frozen=True, kw_only=True)
class TracedEvent:
    """What the profiler has seen: a kernel or a copy on the GPU, or a call on the host. Times are in microseconds."""

    name: str
    start_us: float
    end_us: float
    on_gpu: bool


@dataclass(frozen=True, kw_only=True)
class KernelSummary:
    """span_ms: from the first kernel to the end of the last. gap_ms: of that, when no kernel ran.

    elementwise_share: of the time of all kernels. synchronisations: calls on the host that waited for the GPU.
    """

    kernels: int
    span_ms: float
    gap_ms: float
    elementwise_share: float
    synchronisations: int

    @property
    def text(self) -> str:
        """The summary as a part of a sentence."""
        return (
            f"{self.kernels} kernels in {self.span_ms:.1f} ms, none running for {self.gap_ms:.1f} ms, "
            f"{self.elementwise_share:.0%} of their time elementwise, {self.synchronisations} synchronisations"
        )


def trace_batches(scorer: CrossEncoder, candidates: Sequence[Candidate]) -> tuple[list[TracedEvent], list[TracedEvent]]:
    """Trace a batch of new pictures, and one of the same pictures with cached features, both after a warm-up."""
    new = prepared(scorer, candidates)
    scorer.score(SCORED_QUERIES[0], new, "doctor")
    cached = prepared(scorer, candidates)
    scorer.score(SCORED_QUERIES[0], cached, "doctor")
    traced = [trace(partial(scorer.score, SCORED_QUERIES[0], batch, "doctor")) for batch in (new, cached)]
    return traced[0], traced[1]


def trace(work: Callable[[], object]) -> list[TracedEvent]:
    """Run `work`, which ends with a result on the host, and return what the profiler has seen."""
    with profile() as profiler:
        work()
    return [
        TracedEvent(
            name=event.name,
            start_us=event.time_range.start,
            end_us=event.time_range.end,
            on_gpu=event.device_type.name == "CUDA",
        )
        for event in profiler.events()
    ]


def summarize(events: Sequence[TracedEvent]) -> KernelSummary | None:
    """Return the summary; None if the profiler saw no kernel."""
    kernels = [event for event in events if event.on_gpu]
    if not kernels:
        return None
    span = max(kernel.end_us for kernel in kernels) - min(kernel.start_us for kernel in kernels)
    elementwise = sum(map(_duration_us, (kernel for kernel in kernels if ELEMENTWISE in kernel.name)))
    return KernelSummary(
        kernels=len(kernels),
        span_ms=span / 1000,
        gap_ms=(span - _busy_us(kernels)) / 1000,
        elementwise_share=elementwise / sum(map(_duration_us, kernels)),
        synchronisations=sum(SYNCHRONISATION in event.name for event in events if not event.on_gpu),
    )


def _duration_us(event: TracedEvent) -> float:
    return event.end_us - event.start_us


def _busy_us(kernels: Sequence[TracedEvent]) -> float:
    """Return how long at least one kernel ran, which is less than their sum if some overlap."""
    busy, end = 0.0, float("-inf")
    for kernel in sorted(kernels, key=lambda each: each.start_us):
        busy += max(0.0, kernel.end_us - max(end, kernel.start_us))
        end = max(end, kernel.end_us)
    return busy
