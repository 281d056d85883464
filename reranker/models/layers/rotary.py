"""Rotary positions (arXiv 2104.09864): each pair of a head's elements turns by an angle that its position sets."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The turn of each token: cos, sin (tokens, 1, head_dim), in the precision that is turned in."""

    cos: torch.Tensor
    sin: torch.Tensor

    @classmethod
    def by(cls, angles: torch.Tensor, dtype: torch.dtype) -> "Rotation":
        """From angles (tokens, head_dim / 2): element i is paired with element i + head_dim / 2."""
        whole = torch.cat((angles, angles), dim=-1)[:, None]
        return cls(cos=whole.cos().to(dtype), sin=whole.sin().to(dtype))

    def turn(self, heads: torch.Tensor) -> torch.Tensor:
        """(tokens, heads, head_dim) -> the same, turned."""
        first, second = heads.chunk(2, dim=-1)
        turned = heads * self.cos + torch.cat((-second, first), dim=-1) * self.sin
        return turned.to(heads.dtype)

    def at(self, tokens: torch.Tensor) -> "Rotation":
        """Of these tokens alone."""
        return Rotation(cos=self.cos[tokens], sin=self.sin[tokens])

    def to(self, device: torch.device) -> "Rotation":
        """The same on another device."""
        return Rotation(cos=self.cos.to(device), sin=self.sin.to(device))
