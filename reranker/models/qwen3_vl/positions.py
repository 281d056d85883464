"""Compute the rotary positions of Qwen3-VL's towers, and the learned positions of its patches."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel, Qwen3VLVisionModel

from reranker.models.layers.rotary import Rotation


def language_rotation(language: Qwen3VLTextModel, positions: torch.Tensor, dtype: torch.dtype) -> Rotation:
    """Return the rotation of the language tower for positions (3, tokens).

    Frequencies are interleaved: of each three, the second turns by the height and the third by the width, as far as
    there are frequencies for these; the others turn by the time.
    """
    angles = positions[..., None].float() * language.rotary_emb.inv_freq.float()  # (3, tokens, head_dim / 2)
    sections = cast(dict[str, Any], language.config.rope_parameters).get("mrope_section", (24, 20, 20))
    selected = angles[0].clone()
    for dimension in (1, 2):
        every_third = slice(dimension, 3 * sections[dimension], 3)
        selected[:, every_third] = angles[dimension][:, every_third]
    return Rotation.from_angles(selected, dtype)


def vision_rotation(network: Qwen3VLVisionModel, positions: torch.Tensor) -> Rotation:
    """Return the rotation of the vision tower for positions (patches, 2), in float32 as published.

    One half of each head is rotated by the row, the other half by the column.
    """
    angles = positions[..., None].float() * network.rotary_pos_emb.inv_freq.float()
    return Rotation.from_angles(angles.flatten(1), torch.float32)


@dataclass(frozen=True, kw_only=True)
class PatchGrid:
    """The patches of an image, in the order of `Patches`.

    positions: row and column of each, (patches, 2). neighbours: the four learned positions around each, as indices of a
    square grid of them, (patches, 4). weights: of these, (patches, 4); they sum to 1.
    """

    positions: torch.Tensor
    neighbours: torch.Tensor
    weights: torch.Tensor


@lru_cache(maxsize=256)
def patch_grid(rows: int, columns: int, merge: int, side: int) -> PatchGrid:
    """Return the grid of rows x columns patches, of which merge x merge are a visual token.

    The learned positions are a grid of side x side, which is stretched over the image so that the corners meet, and
    interpolated bilinearly between its points.
    """
    numbers = torch.arange(rows * columns // merge**2)
    corners = merge * torch.stack((numbers // (columns // merge), numbers % (columns // merge)), dim=1)
    inside = torch.cartesian_prod(torch.arange(merge), torch.arange(merge))
    positions = (corners[:, None] + inside).flatten(0, 1)
    row_taps, row_weights = _taps(positions[:, 0], rows, side)
    column_taps, column_weights = _taps(positions[:, 1], columns, side)
    return PatchGrid(
        positions=positions,
        neighbours=(row_taps[:, :, None] * side + column_taps[:, None, :]).flatten(1),
        weights=(row_weights[:, :, None] * column_weights[:, None, :]).flatten(1),
    )


def _taps(position: torch.Tensor, length: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the two points of the learned grid next to each position along a side of `length`, and their weights."""
    scaled = position.float() * ((side - 1) / max(1, length - 1))
    before = scaled.floor().long().clamp(max=side - 1)
    share = scaled - before
    taps = torch.stack((before, (before + 1).clamp(max=side - 1)), dim=1)
    return taps, torch.stack((1 - share, share), dim=1)
