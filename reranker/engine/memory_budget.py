"""How much goes onto the device at once: a plan in tokens from its free memory, kept to what the device bears."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import torch

from reranker.models.memory_plan import free_bytes

LARGEST_ON_GPU, LARGEST_ON_CPU = 4096, 1024  # visual tokens; beyond them a batch takes longer and gains nothing
# Visual tokens that the vision tower sees at once: it has four patches for each, so its states are what takes memory.
LOOKED_AT_ON_GPU, LOOKED_AT_ON_CPU = 2048, 256
LEAST_FREE = 0.05  # of the card, below which the next batch is smaller: other programs take memory, too
SHARE_OF_FREE = 0.8  # of the free memory; the rest is for what other programs take meanwhile
GOOD_BATCHES = 8


class _Sized(Protocol):
    @property
    def visual_tokens(self) -> int: ...


_Picture = TypeVar("_Picture", bound=_Sized)


class TokenBudget:
    """Visual tokens for one batch: half of what the device ran out at, and doubled after some good batches.

    Never more than `planned`, never less than 1: a batch always has a picture, however large.
    """

    def __init__(self, planned: int) -> None:
        self._planned, self._tokens, self._good = planned, planned, 0

    @property
    def tokens(self) -> int:
        """For the next batch."""
        return self._tokens

    def ran_out(self, tokens: int) -> None:
        """A batch of so many tokens did not fit."""
        self._tokens, self._good = max(1, min(self._tokens, tokens // 2)), 0

    def went_well(self, free_share: float = 1.0) -> None:
        """A batch did fit, and left so much of the card's memory."""
        if free_share < LEAST_FREE:
            self.ran_out(self._tokens)
            return
        self._good += 1
        if self._good >= GOOD_BATCHES:
            self._tokens, self._good = min(self._planned, 2 * self._tokens), 0


def planned_tokens(gpus: Sequence[torch.device], trial: Callable[[int], None], trial_tokens: int) -> int:
    """Visual tokens for one batch.

    On a card: its free memory over the bytes a token that `trial(trial_tokens)`, a batch of so many, needed at its
    peak; of several the least free memory, over what the first one needed, which has the vision tower. Elsewhere
    memory is not what bounds a batch, and none is tried.
    """
    device = gpus[0]
    if device.type != "cuda":
        return LARGEST_ON_CPU
    try:
        trial(trial_tokens)  # once before the measured one: kernels are loaded, and workspaces made
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        trial(trial_tokens)
    except torch.OutOfMemoryError:
        return 1
    bytes_a_token = (torch.cuda.max_memory_allocated(device) - before) / trial_tokens
    torch.cuda.empty_cache()
    return max(1, min(LARGEST_ON_GPU, int(SHARE_OF_FREE * min(map(free_bytes, gpus)) / bytes_a_token)))


def device_memory(gpus: Sequence[torch.device]) -> tuple[int, int] | None:
    """Bytes in use on a card, the fullest of several, by all programs, and bytes in all; None elsewhere.

    What torch only keeps is free.
    """
    if gpus[0].type != "cuda":
        return None
    return max(map(_in_use, gpus), key=lambda memory: memory[0] / memory[1])


def _in_use(gpu: torch.device) -> tuple[int, int]:
    free, total = torch.cuda.mem_get_info(gpu)
    kept = torch.cuda.memory_reserved(gpu) - torch.cuda.memory_allocated(gpu)
    return total - free - kept, total


def encoding_batches(pictures: Sequence[_Picture], device: torch.device) -> Iterator[list[_Picture]]:
    """The pictures in their order, as many at a time as the vision tower should see at once."""
    most = LOOKED_AT_ON_GPU if device.type == "cuda" else LOOKED_AT_ON_CPU
    run: list[_Picture] = []
    for picture in pictures:
        if run and sum(one.visual_tokens for one in run) + picture.visual_tokens > most:
            yield run
            run = []
        run.append(picture)
    if run:
        yield run
