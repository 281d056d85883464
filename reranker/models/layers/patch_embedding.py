"""Embed the patches of still images, from bytes."""

from typing import Protocol

import torch
from torch import nn
from torch.nn.functional import linear

from reranker.models.patchify import PatchSettings


class PatchEmbedding(Protocol):
    """The patch embedding of transformers: a 3-D convolution over two frames, perhaps with a bias."""

    proj: nn.Conv3d


class BytePatchEmbedding(nn.Module):
    """The patch embedding of a vision tower for one still image, from bytes.

    The original is a 3-D convolution over two equal frames, whose stride is the size of its kernel. One matrix product
    with the kernel summed over time gives the same result from half the pixels. The weights are those of the original:
    if they are frozen, as in inference, they are summed once; in training at every call.
    """

    mean: torch.Tensor
    std: torch.Tensor
    frozen_kernel: torch.Tensor | None

    def __init__(self, original: PatchEmbedding, settings: PatchSettings) -> None:
        super().__init__()
        self.proj = original.proj
        pixels = settings.patch_px**2
        self.register_buffer("mean", 255 * torch.tensor(settings.mean).repeat_interleave(pixels), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(settings.std).repeat_interleave(pixels), persistent=False)
        frozen_kernel = None if self.proj.weight.requires_grad else self._kernel()
        self.register_buffer("frozen_kernel", frozen_kernel, persistent=False)

    def _kernel(self) -> torch.Tensor:
        """Return the weights summed over time in float32, (hidden, channels * patch_px ** 2)."""
        weight = self.proj.weight
        return weight.sum(dim=2, dtype=torch.float32).flatten(1).to(weight.dtype)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Normalize and embed patches, uint8 (patches, channels * patch_px ** 2). Returns (patches, hidden)."""
        kernel = self._kernel() if self.frozen_kernel is None else self.frozen_kernel
        values = (patches.float() - self.mean) / self.std
        return linear(values.to(kernel.dtype), kernel, self.proj.bias)
