"""Limit the visual tokens of a batch by the free memory of the device."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import torch

from reranker.models.memory_plan import free_bytes

LARGEST_ON_GPU, LARGEST_ON_CPU = 4096, 1024  # visual tokens; a larger batch is not faster per token
# Visual tokens that the vision tower encodes at once. Its states need most memory: it has four patches for each token.
ENCODED_ON_GPU, ENCODED_ON_CPU = 2048, 256
MIN_FREE_SHARE = 0.05  # of the GPU's memory; the next batch is smaller if less is free, as other programs need memory
SHARE_OF_FREE = 0.8  # of the free memory for batches; the rest is for other programs
GOOD_BATCHES = 8  # successful batches until the budget grows


class _HasVisualTokens(Protocol):
    @property
    def visual_tokens(self) -> int: ...


_Image = TypeVar("_Image", bound=_HasVisualTokens)


class TokenBudget:
    """The visual tokens of one batch: halved if the device runs out of memory, doubled after `GOOD_BATCHES` successes.

    It is never more than `planned` and never less than 1. A batch has at least one image, however large that is.
    """

    def __init__(self, planned: int) -> None:
        self._planned, self._tokens, self._good = planned, planned, 0

    @property
    def tokens(self) -> int:
        """The most visual tokens in the next batch."""
        return self._tokens

    def record_out_of_memory(self, tokens: int) -> None:
        """Record that a batch of `tokens` visual tokens did not fit."""
        self._tokens, self._good = max(1, min(self._tokens, tokens // 2)), 0

    def record_success(self, free_share: float = 1.0) -> None:
        """Record that a batch did fit, and which share of the GPU's memory was free after it."""
        if free_share < MIN_FREE_SHARE:
            self.record_out_of_memory(self._tokens)
            return
        self._good += 1
        if self._good >= GOOD_BATCHES:
            self._tokens, self._good = min(self._planned, 2 * self._tokens), 0


def planned_tokens(gpus: Sequence[torch.device], trial: Callable[[int], None], trial_tokens: int) -> int:
    """Return the planned visual tokens of one batch.

    On a GPU this is the free memory divided by the peak bytes per token of `trial(trial_tokens)`, which runs a batch of
    that many tokens. With several GPUs it is the smallest free memory, divided by the peak on the first GPU, which has
    the vision tower. On the CPU the memory does not limit a batch, and no trial runs.
    """
    device = gpus[0]
    if device.type != "cuda":
        return LARGEST_ON_CPU
    try:
        trial(trial_tokens)  # a warm-up that loads kernels and allocates workspaces
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        trial(trial_tokens)
    except torch.OutOfMemoryError:
        return 1
    bytes_per_token = (torch.cuda.max_memory_allocated(device) - before) / trial_tokens
    torch.cuda.empty_cache()
    return max(1, min(LARGEST_ON_GPU, int(SHARE_OF_FREE * min(map(free_bytes, gpus)) / bytes_per_token)))


def device_memory(gpus: Sequence[torch.device]) -> tuple[int, int] | None:
    """Return the bytes in use by all programs on the fullest GPU, and its bytes in all; None on the CPU.

    Memory that torch has reserved but does not use counts as free.
    """
    if gpus[0].type != "cuda":
        return None
    return max(map(_used_and_total, gpus), key=lambda memory: memory[0] / memory[1])


def _used_and_total(gpu: torch.device) -> tuple[int, int]:
    free, total = torch.cuda.mem_get_info(gpu)
    unused = torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)
    return total - free - unused, total


def encoding_batches(images: Sequence[_Image], device: torch.device) -> Iterator[list[_Image]]:
    """Split images, in their order, into batches for the vision tower."""
    max_tokens = ENCODED_ON_GPU if device.type == "cuda" else ENCODED_ON_CPU
    batch: list[_Image] = []
    for image in images:
        if batch and sum(each.visual_tokens for each in batch) + image.visual_tokens > max_tokens:
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch
