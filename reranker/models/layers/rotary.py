"""Rotary position embedding (arXiv 2104.09864): rotate each pair of a head's elements by an angle for its position."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The cosine and sine of each token's angles, (tokens, 1, head_dim) each, in the precision of the rotation."""

    cos: torch.Tensor
    sin: torch.Tensor

    @classmethod
    def from_angles(cls, angles: torch.Tensor, dtype: torch.dtype) -> "Rotation":
        """Make a rotation of angles (tokens, head_dim / 2). Element i is paired with element i + head_dim / 2."""
        both = torch.cat((angles, angles), dim=-1)[:, None]  # (tokens, 1, head_dim)
        return cls(cos=both.cos().to(dtype), sin=both.sin().to(dtype))

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Rotate queries or keys, (tokens, heads, head_dim)."""
        first, second = heads.chunk(2, dim=-1)
        rotated = heads * self.cos + torch.cat((-second, first), dim=-1) * self.sin
        return rotated.to(heads.dtype)

    def select(self, tokens: torch.Tensor) -> "Rotation":
        """Return the rotation of some tokens, given by their indices."""
        return Rotation(cos=self.cos[tokens], sin=self.sin[tokens])

    def to(self, device: torch.device) -> "Rotation":
        """Return the rotation on another device."""
        return Rotation(cos=self.cos.to(device), sin=self.sin.to(device))
