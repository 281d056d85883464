"""Measure the GPU memory of full batches, and how a run recovers after the GPU has run out of memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import torch

from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.scores import SCORED_QUERIES
from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureOutOfMemory
from reranker.core.types import Score
from reranker.engine.batching import score_prepared
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.preparation import PreparedImage
from reranker.models.memory_plan import free_bytes

MOST_BATCHES: Final = 100  # of one picture, until batches may grow; a size that did not fit is tried again after 64


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """The GPU memory of some work.

    free_bytes: before it. peak_bytes: what it allocated at its peak. ran_out: how often the GPU ran out of memory.
    """

    free_bytes: float
    peak_bytes: int
    ran_out: int

    @property
    def fits(self) -> bool:
        """Whether the memory was enough."""
        return self.ran_out == 0 and self.peak_bytes <= self.free_bytes


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What happened with too little memory.

    ran_out: whether a batch of all pictures ran out of memory. scored: how many of the `pictures` were scored then.
    tokens_before, tokens_limited, tokens_after: most tokens in a batch before the limit, within it and after it.
    """

    ran_out: bool
    pictures: int
    scored: int
    tokens_before: int
    tokens_limited: int
    tokens_after: int

    @property
    def complete(self) -> bool:
        """Whether all pictures were scored, by smaller batches that grew again."""
        shrank_and_grew = self.tokens_limited < min(self.tokens_before, self.tokens_after)
        return self.ran_out and self.scored == self.pictures and shrank_and_grew

    @property
    def text(self) -> str:
        """What happened, in sentences."""
        return (
            f"With too little memory, all pictures at once {'did not fit' if self.ran_out else 'fitted nevertheless'}, "
            f"and {self.scored} of {self.pictures} were scored. A batch had at most {self.tokens_before} tokens "
            f"before, {self.tokens_limited} with the limit, and {self.tokens_after} later."
        )


def score_all(context: CheckContext, scorer: CrossEncoder, images: Sequence[PreparedImage]) -> int:
    """Score different images in full batches, as the program cuts them. Returns how many were scored."""
    executor = LocalExecutor(scorer, context.torch_thread)
    ticket = DeviceQueue(executor.capacity).ticket(Cancellation())
    names = [image.key for image in images]
    results = score_prepared(SCORED_QUERIES[0], images, names, executor, ticket, "doctor")
    return sum(isinstance(result, Score) for result in results)


def measure_memory(device: torch.device, work: Callable[[], object]) -> MemoryUse:
    """Measure the GPU memory that some work takes."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    free, allocated, ran_out = free_bytes(device), torch.cuda.memory_allocated(device), _times_out_of_memory(device)
    work()
    return MemoryUse(
        free_bytes=free,
        peak_bytes=torch.cuda.max_memory_allocated(device) - allocated,
        ran_out=_times_out_of_memory(device) - ran_out,
    )


def _times_out_of_memory(device: torch.device) -> int:
    return int(torch.cuda.memory_stats(device).get("num_ooms", 0))


@contextmanager
def limited_memory(device: torch.device, more_bytes: int) -> Iterator[None]:
    """Let this process take only so many bytes more on a GPU while the context is open."""
    torch.cuda.empty_cache()
    previous = torch.cuda.get_per_process_memory_fraction(device)
    total = torch.cuda.get_device_properties(device).total_memory
    limit = (torch.cuda.memory_reserved(device) + more_bytes) / total
    torch.cuda.set_per_process_memory_fraction(min(previous, limit), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(previous, device)


def measure_recovery(
    context: CheckContext, scorer: CrossEncoder, images: Sequence[PreparedImage], limit: AbstractContextManager[None]
) -> Recovery:
    """Score images within a limit, at once and then in batches; then go on without it until batches may be larger."""
    before = scorer.batch_tokens
    with limit:
        ran_out = _runs_out(context, scorer, images)
        scored, limited = score_all(context, scorer, images), scorer.batch_tokens
    for _ in range(MOST_BATCHES):
        if scorer.batch_tokens > limited:
            break
        context.run(partial(scorer.score, SCORED_QUERIES[0], images[:1], "doctor"))
    return Recovery(
        ran_out=ran_out,
        pictures=len(images),
        scored=scored,
        tokens_before=before,
        tokens_limited=limited,
        tokens_after=scorer.batch_tokens,
    )


def _runs_out(context: CheckContext, scorer: CrossEncoder, batch: Sequence[PreparedImage]) -> bool:
    with suppress(PictureOutOfMemory):
        context.run(partial(scorer.score, SCORED_QUERIES[0], batch, "doctor"))
        return False
    return True
