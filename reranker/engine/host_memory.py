"""Copy tensors to host memory, pinned if a GPU writes or reads it: the GPU then copies by itself, during other work."""

from contextlib import suppress
from functools import cache
from typing import Protocol

import torch

from reranker.engine.device_errors import raise_device_failures


class Event(Protocol):
    """The end of some work of a device."""

    def synchronize(self) -> None:
        """Wait until the work is done."""


class HostCopy:
    """A copy of a device tensor in host memory, which a GPU makes by itself. Thread-safe."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = empty_on_host(tensor, pinned=tensor.is_cuda)
        self._copied = start_copy(tensor, self._tensor)

    @property
    def nbytes(self) -> int:
        """The bytes of host memory that the copy takes."""
        return host_bytes(self._tensor.nbytes, pinned=self._tensor.is_pinned())

    def wait(self) -> torch.Tensor:
        """Return the tensor once it is copied. Raises `DeviceFailed`."""
        if self._copied is not None:
            with raise_device_failures():
                self._copied.synchronize()
        return self._tensor


def start_copy(source: torch.Tensor, target: torch.Tensor) -> Event | None:
    """Copy a tensor to host memory. From a GPU it is copied beside later work, until the event that is returned."""
    if not source.is_cuda:
        target.copy_(source)
        return None
    stream = _copy_stream(source.device)
    stream.wait_stream(torch.cuda.current_stream(source.device))
    with torch.cuda.stream(stream):
        target.copy_(source, non_blocking=True)
        event = torch.cuda.Event()
        event.record(stream)
    source.record_stream(stream)  # its memory is not used again before the copy is done
    return event


@cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


def empty_on_host(tensor: torch.Tensor, *, pinned: bool) -> torch.Tensor:
    """Return a new tensor of the same shape in host memory; in plain memory if pinned memory is not available."""
    if pinned:
        with suppress(RuntimeError):
            return torch.empty_like(tensor, device="cpu", pin_memory=True)
    return torch.empty_like(tensor, device="cpu")


def host_bytes(nbytes: int, *, pinned: bool) -> int:
    """Return the bytes of host memory that a tensor of `nbytes` takes, at least 1.

    Torch allocates pinned memory in powers of two.
    """
    return 1 << (nbytes - 1).bit_length() if pinned else nbytes
