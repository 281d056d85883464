"""Where the tokens of Qwen2.5-VL stand: rotary positions of both towers, and the windows of the vision tower."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLTextModel,
)

from reranker.models.layers.rotary import Rotation


def rope_positions(before: int, rows: int, columns: int, after: int) -> torch.Tensor:
    """Return M-RoPE positions (3, tokens) of time, height and width for text, an image, and text again.

    Text counts on in all three. The rows x columns visual tokens keep one position in time, and count their row and
    their column from the position that the text has reached; the text behind goes on after the larger of the two. Equal
    to `Qwen2_5_VLModel.get_rope_index` of transformers for one still image (M-RoPE: arXiv 2409.12191).

    before, after: text tokens before and behind the image.
    """
    row = torch.arange(rows).repeat_interleave(columns)
    image = torch.stack((torch.zeros_like(row), row, torch.arange(columns).repeat(rows))) + before
    first = torch.arange(before).expand(3, -1)
    behind = before + max(rows, columns)
    return torch.cat((first, image, torch.arange(behind, behind + after).expand(3, -1)), dim=1)


def language_rotation(language: Qwen2_5_VLTextModel, positions: torch.Tensor, dtype: torch.dtype) -> Rotation:
    """Return the rotation of the language tower for positions (3, tokens).

    Each section of a head turns by time, height or width.
    """
    angles = positions[..., None].float() * language.rotary_emb.inv_freq.float()
    sections = angles.split(cast(dict[str, Any], language.config.rope_parameters)["mrope_section"], dim=-1)
    return Rotation.by(torch.cat([section[number % 3] for number, section in enumerate(sections)], dim=-1), dtype)


def vision_rotation(network: Qwen2_5_VisionTransformerPretrainedModel, positions: torch.Tensor) -> Rotation:
    """Return the rotation of the vision tower for positions (patches, 2): half of each head turns by the row, half by
    the column; in float32, as published.
    """
    angles = positions[..., None].float() * network.rotary_pos_emb.inv_freq.float()
    return Rotation.by(angles.flatten(1), torch.float32)


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """An image cut into square windows.

    order: (visual tokens,), the row-by-row index of each visual token, window by window. windows: patches of each
        window.
    positions: (patches, 2), row and column of each patch, window by window.
    """

    order: torch.Tensor
    windows: tuple[int, ...]
    positions: torch.Tensor


@lru_cache(maxsize=256)
def window_layout(rows: int, columns: int, merge: int, side: int) -> WindowLayout:
    """Cut rows x columns visual tokens, each of merge x merge patches, into windows of side x side visual tokens."""
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
