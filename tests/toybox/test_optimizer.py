"""Muon of the toybox is that of torch, but in float32."""

import pytest
import torch
from torch import nn

from reranker.toybox.optimizer import Muon, orthogonalized


@pytest.mark.parametrize("shape", [(12, 12), (8, 20), (20, 8)])
def test_singular_values_become_nearly_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalized(matrices))
    assert 0.3 < values.min() < values.max() < 1.3


def test_steps_are_those_of_torch() -> None:
    torch.manual_seed(2)
    start = [torch.randn(shape) for shape in ((12, 8), (8, 12), (12, 8))]
    ours, theirs = ([nn.Parameter(each.clone()) for each in start] for _ in range(2))
    optimizers = (
        (ours, Muon(ours, lr=0.02, weight_decay=0.1)),
        (theirs, torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")),
    )
    for step in range(5):
        gradients = [torch.randn(each.shape, generator=torch.Generator().manual_seed(step)) for each in start]
        for matrices, optimizer in optimizers:
            for matrix, gradient in zip(matrices, gradients, strict=True):
                matrix.grad = gradient.clone()
            optimizer.step()
    for one, other, before in zip(ours, theirs, start, strict=True):
        assert (one - before).abs().mean() > 0.01
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0.02)
