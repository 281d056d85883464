"""Compute the rotary positions of Qwen2.5-VL's towers, and the windows of its vision tower."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLTextModel,
)

from reranker.models.layers.rotary import Rotation


def language_rotation(language: Qwen2_5_VLTextModel, positions: torch.Tensor, dtype: torch.dtype) -> Rotation:
    """Return the rotation of the language tower for positions (3, tokens).

    Each section of a head is rotated by its position in time, height or width.
    """
    angles = positions[..., None].float() * language.rotary_emb.inv_freq.float()
    sections = angles.split(cast(dict[str, Any], language.config.rope_parameters)["mrope_section"], dim=-1)
    selected = [section[number % 3] for number, section in enumerate(sections)]
    return Rotation.from_angles(torch.cat(selected, dim=-1), dtype)  # (tokens, head_dim / 2)


def vision_rotation(network: Qwen2_5_VisionTransformerPretrainedModel, positions: torch.Tensor) -> Rotation:
    """Return the rotation of the vision tower for positions (patches, 2), in float32 as published.

    One half of each head is rotated by the row, the other half by the column.
    """
    angles = positions[..., None].float() * network.rotary_pos_emb.inv_freq.float()
    return Rotation.from_angles(angles.flatten(1), torch.float32)


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """The square windows of an image.

    order: row-by-row index of each visual token, window by window, (visual tokens,). windows: patches of each window.
    positions: row and column of each patch, window by window, (patches, 2).
    """

    order: torch.Tensor
    windows: tuple[int, ...]
    positions: torch.Tensor


@lru_cache(maxsize=256)
def window_layout(rows: int, columns: int, merge: int, side: int) -> WindowLayout:
    """Split rows x columns visual tokens, each of merge x merge patches, into windows of side x side visual tokens."""
    numbers = torch.arange(rows * columns).view(rows, columns)
    windows = [window.flatten() for band in numbers.split(side) for window in band.split(side, dim=1)]
    order = torch.cat(windows)
    corners = merge * torch.stack((order // columns, order % columns), dim=1)  # (visual tokens, 2)
    inside = torch.cartesian_prod(torch.arange(merge), torch.arange(merge))  # (merge * merge, 2)
    return WindowLayout(
        order=order,
        windows=tuple(len(window) * merge**2 for window in windows),
        positions=(corners[:, None] + inside).flatten(0, 1),
    )
