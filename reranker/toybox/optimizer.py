"""The optimizer of the toybox model: Muon for the matrices inside the towers, AdamW for all other parameters."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import nn

MOMENTUM: Final = 0.95
_NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)  # the coefficients of the post below
_ITERATIONS: Final = 5


class Muon(torch.optim.Optimizer):
    """Muon for matrices, https://kellerjordan.github.io/posts/muon/, with matrices of one shape in one product.

    `torch.optim.Muon` computes in BF16. On a CPU without instructions for it, its step took 3 s, and this one 0.2 s.
    """

    def __init__(self, matrices: list[nn.Parameter], *, lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the matrices by their gradients."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for (rows, columns), matrices in by_shape.items():
                rate = group["lr"] * 0.2 * math.sqrt(max(rows, columns))  # as long a step as AdamW takes
                for matrix, update in zip(matrices, orthogonalized(self._updates(matrices)), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)

    def _updates(self, matrices: list[nn.Parameter]) -> torch.Tensor:
        """Return the gradients with Nesterov's momentum: (matrices, rows, columns)."""
        updates = []
        for matrix in matrices:
            assert matrix.grad is not None, "the others were left out"
            momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
            momentum.lerp_(matrix.grad, 1 - MOMENTUM)
            updates.append(matrix.grad.lerp(momentum, MOMENTUM))
        return torch.stack(updates)


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices, (n, rows, columns), with all singular values near 1, by Newton-Schulz iterations."""
    if matrices.shape[1] > matrices.shape[2]:
        transposed: torch.Tensor = orthogonalized(matrices.mT).mT
        return transposed
    a, b, c = _NEWTON_SCHULZ
    result: torch.Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = result @ result.mT
        result = a * result + (b * gram + c * gram @ gram) @ result
    return result


class MuonWithAdamW:
    """Muon and AdamW with one schedule: a warm-up of 100 steps, then a cosine decay.

    peak: the highest learning rate. final: the last learning rate, as a share of the peak.
    """

    def __init__(self, modules: Iterable[nn.Module], *, peak: float, final: float = 0.02) -> None:
        parameters = [(n, p) for module in modules for n, p in module.named_parameters() if p.requires_grad]
        matrices = [p for n, p in parameters if p.ndim == 2 and "embed" not in n and "heads" not in n]
        others = [p for n, p in parameters if not (p.ndim == 2 and "embed" not in n and "heads" not in n)]
        self._all = matrices + others
        self._peak, self._final, self.step_number = peak, final, 0
        self._optimizers: list[torch.optim.Optimizer] = [
            Muon(matrices, lr=peak, weight_decay=0.01),
            torch.optim.AdamW(others, lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
        ]

    def learning_rate(self, progress: float) -> float:
        """The learning rate at a progress in [0, 1] through the training."""
        warm = min(1.0, (self.step_number + 1) / 100)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return self._peak * warm * (self._final + (1 - self._final) * cosine)

    def step(self, loss: torch.Tensor, progress: float) -> None:
        """Take one step: backpropagate the loss, clip the gradients to norm 1, update all parameters."""
        loss.backward()
        nn.utils.clip_grad_norm_(self._all, 1.0)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate(progress)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step_number += 1
