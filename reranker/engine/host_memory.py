"""Copy tensors to host memory, pinned if a GPU will read them: it then copies them by itself, during other work."""

from contextlib import suppress

import torch


def host_copy(tensor: torch.Tensor, *, pinned: bool) -> torch.Tensor:
    """Copy a tensor to host memory; to plain memory if pinned memory is not available, which is only slower."""
    return _empty_on_host(tensor, pinned=pinned).copy_(tensor)


def _empty_on_host(tensor: torch.Tensor, *, pinned: bool) -> torch.Tensor:
    """Return a tensor of its own memory: a slice would keep the memory of its whole batch."""
    if pinned:
        with suppress(RuntimeError):
            return torch.empty_like(tensor, device="cpu", pin_memory=True)
    return torch.empty_like(tensor, device="cpu")


def host_bytes(nbytes: int, *, pinned: bool) -> int:
    """Return the bytes of host memory that a tensor of `nbytes` takes, at least 1.

    Torch allocates pinned memory in powers of two.
    """
    return 1 << (nbytes - 1).bit_length() if pinned else nbytes
