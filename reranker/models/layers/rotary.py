"""Rotary position embedding (arXiv 2104.09864): rotate each pair of a head's elements by an angle for its position."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """The cosine and sine of each token's angles, (tokens, 1, head_dim / 2) each, in the precision of the rotation."""

    cos: torch.Tensor
    sin: torch.Tensor

    @classmethod
    def from_angles(cls, angles: torch.Tensor, dtype: torch.dtype) -> "Rotation":
        """Make a rotation of angles (tokens, head_dim / 2). Element i is paired with element i + head_dim / 2."""
        angles = angles[:, None]
        return cls(cos=angles.cos().to(dtype), sin=angles.sin().to(dtype))

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Rotate queries or keys, (tokens, heads, head_dim)."""
        first, second = heads.chunk(2, dim=-1)
        rotated = torch.empty(heads.shape, dtype=self.cos.dtype, device=heads.device)
        rotated_first, rotated_second = rotated.chunk(2, dim=-1)
        torch.mul(first, self.cos, out=rotated_first).addcmul_(second, self.sin, value=-1)
        torch.mul(second, self.cos, out=rotated_second).addcmul_(first, self.sin)
        return rotated.to(heads.dtype)

    def select(self, tokens: torch.Tensor) -> "Rotation":
        """Return the rotation of some tokens, given by their indices."""
        return Rotation(cos=self.cos[tokens], sin=self.sin[tokens])

    def to(self, device: torch.device) -> "Rotation":
        """Return the rotation on another device."""
        return Rotation(cos=self.cos.to(device), sin=self.sin.to(device))
