"""The optimizer of the toybox model: Muon for the matrices inside the towers, AdamW for all other parameters."""

import math
from collections.abc import Iterable

import torch
from torch import nn


class MuonWithAdamW:
    """Muon and AdamW with one schedule: a warm-up of 100 steps, then a cosine decay.

    peak: the highest learning rate. final: the last learning rate, as a share of the peak. Muon:
    https://kellerjordan.github.io/posts/muon/
    """

    def __init__(self, modules: Iterable[nn.Module], *, peak: float, final: float = 0.02) -> None:
        parameters = [(n, p) for module in modules for n, p in module.named_parameters() if p.requires_grad]
        matrices = [p for n, p in parameters if p.ndim == 2 and "embed" not in n and "heads" not in n]
        others = [p for n, p in parameters if not (p.ndim == 2 and "embed" not in n and "heads" not in n)]
        self._all = matrices + others
        self._peak, self._final, self.step_number = peak, final, 0
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=peak, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
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
