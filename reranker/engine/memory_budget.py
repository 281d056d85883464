"""Limit the tokens of a batch by the free memory of the device."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

import torch

from reranker.engine.device_errors import raise_device_failures, unless_out_of_memory
from reranker.models.memory_plan import free_bytes

LARGEST_ON_GPU, LARGEST_ON_CPU = 4096, 1024  # tokens, visual and text; a larger batch is not faster per token
# Visual tokens that the vision tower encodes at once. Its states need most memory: it has four patches for each token.
ENCODED_ON_GPU, ENCODED_ON_CPU = 2048, 256
SHARE_OF_FREE = 0.8  # of the free memory for batches; the rest is for other programs
GOOD_BATCHES = 8  # successful batches until the limit grows
RETRY_BATCHES = 64  # successful batches until a size that did not fit is tried again
TRIAL_IMAGES = (4, 2, 1)  # in a trial batch; fewer if more do not fit


class _HasVisualTokens(Protocol):
    @property
    def visual_tokens(self) -> int: ...


_Image = TypeVar("_Image", bound=_HasVisualTokens)


class TokenBudget:
    """The tokens of one batch, visual and text: as many as fit into the free memory, but no more than a limit.

    The limit is halved if the device runs out of memory, and doubled after `GOOD_BATCHES` successes; but only after
    `RETRY_BATCHES` to a size that did not fit. A batch has at least one image, however large that is.

    largest: what the limit may grow to. first: the limit in the beginning; `largest` if None. fitting: returns the
    tokens that fit into the free memory now.
    """

    def __init__(
        self, largest: int, *, first: int | None = None, fitting: Callable[[], float] = lambda: math.inf
    ) -> None:
        self.largest, self._fitting = largest, fitting
        self._limit, self._good = first or largest, 0
        self._failed = math.inf

    @property
    def tokens(self) -> int:
        """The most tokens in the next batch, at least 1; read it while no batch runs. Raises `DeviceFailed`."""
        return max(1, int(min(self._limit, self._fitting())))

    def record_out_of_memory(self, tokens: int) -> None:
        """Record that a batch of `tokens` did not fit."""
        half = max(1, tokens // 2)
        self._limit, self._good = min(self._limit, half), 0
        self._failed = min(self._failed, 2 * half)

    def record_success(self) -> None:
        """Record that a batch did fit."""
        self._good += 1
        doubled = min(self.largest, 2 * self._limit)
        is_retry = doubled >= self._failed
        if self._good >= (RETRY_BATCHES if is_retry else GOOD_BATCHES):
            self._limit, self._good = doubled, 0
            self._failed = math.inf if is_retry else self._failed


def device_budget(gpus: Sequence[torch.device], trial: Callable[[int], None], image_tokens: int) -> TokenBudget:
    """Return a budget for the memory of the GPUs. On the CPU memory does not limit a batch, and no trial runs.

    trial: scores so many images of `image_tokens` each, to measure the bytes that a token takes. If not even one image
    fits, the budget begins with one.
    """
    if gpus[0].type != "cuda":
        return TokenBudget(LARGEST_ON_CPU)
    for images in TRIAL_IMAGES:
        peak_bytes = unless_out_of_memory(partial(_peak_bytes, gpus[0], partial(trial, images)))
        torch.cuda.empty_cache()
        if peak_bytes is not None:
            bytes_per_token = peak_bytes / (images * image_tokens)
            return TokenBudget(LARGEST_ON_GPU, fitting=partial(fitting_tokens, gpus, bytes_per_token))
    return TokenBudget(LARGEST_ON_GPU, first=image_tokens)


def _peak_bytes(gpu: torch.device, work: Callable[[], None]) -> int:
    """Return the bytes that `work` takes at its peak, in its second run: the first loads kernels and workspaces."""
    work()
    torch.cuda.reset_peak_memory_stats(gpu)
    before = torch.cuda.memory_allocated(gpu)
    work()
    return torch.cuda.max_memory_allocated(gpu) - before


@raise_device_failures()
def fitting_tokens(gpus: Sequence[torch.device], bytes_per_token: float) -> float:
    """Return the tokens that fit into the free memory, on the GPU that has least.

    bytes_per_token: on the first GPU, which has the vision tower; the others need less. Raises `DeviceFailed`.
    """
    return SHARE_OF_FREE * min(free_bytes(gpu) + _unused_bytes(gpu) for gpu in gpus) / bytes_per_token


def _unused_bytes(gpu: torch.device) -> int:
    """Return the bytes that torch has reserved but does not use, which the next batch can have."""
    return torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)


@raise_device_failures()
def device_memory(gpus: Sequence[torch.device]) -> tuple[int, int] | None:
    """Return the bytes in use by all programs on the fullest GPU, and its bytes in all; None on the CPU.

    Memory that torch has reserved but does not use counts as free. Raises `DeviceFailed`.
    """
    if gpus[0].type != "cuda":
        return None
    return max(map(_used_and_total, gpus), key=lambda memory: memory[0] / memory[1])


def _used_and_total(gpu: torch.device) -> tuple[int, int]:
    free, total = torch.cuda.mem_get_info(gpu)
    return total - free - _unused_bytes(gpu), total


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
