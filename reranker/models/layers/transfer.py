"""Copy tensors from host memory to a device without waiting for it."""

from contextlib import suppress

import torch


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a host tensor to a device. A GPU copies it by itself, after the work that it was given before."""
    if device.type == "cpu" or tensor.device.type != "cpu":
        return tensor.to(device)
    return pinned(tensor).to(device, non_blocking=True)


def pinned(tensor: torch.Tensor) -> torch.Tensor:
    """Return a host tensor in pinned memory, from which a GPU can copy by itself; the tensor if there is no more."""
    with suppress(RuntimeError):
        return tensor.pin_memory()
    return tensor
