"""Compute the log-odds of "yes" against "no" from a hidden state."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class YesNoHead:
    """Computes log-odds = state x (output row of "yes" - output row of "no"), in float32.

    In BF16, logits near 18 are multiples of 1/16, so that different pictures would have equal scores.
    """

    direction: torch.Tensor  # (hidden,)

    @classmethod
    def of(cls, output_weight: torch.Tensor, yes: int, no: int) -> "YesNoHead":
        """Make the head of an output matrix (vocabulary, hidden) and two token ids."""
        return cls(direction=output_weight[yes].detach().float() - output_weight[no].detach().float())

    def to(self, device: torch.device) -> "YesNoHead":
        """Return the head on another device."""
        return YesNoHead(direction=self.direction.to(device))

    def log_odds(self, states: torch.Tensor) -> torch.Tensor:
        """Map states (..., hidden) to log-odds (...), float32."""
        return states.float() @ self.direction
