"""Root mean square layer normalization (arXiv 1910.07467), as one fused operation."""

from typing import Protocol

import torch
from torch import nn


class RmsNorm(Protocol):
    """The norm module of transformers."""

    weight: nn.Parameter
    variance_epsilon: float

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Normalize over the last dimension, in float32."""


def rms_norm(norm: RmsNorm, hidden: torch.Tensor) -> torch.Tensor:
    """Normalize hidden states over the last dimension; equal to calling the module except for rounding.

    The module itself launches eight kernels. It is called only if its weight is in host memory, because then a hook of
    accelerate brings the weight to the device.
    """
    if norm.weight.is_meta:
        return norm(hidden)
    return nn.functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)
