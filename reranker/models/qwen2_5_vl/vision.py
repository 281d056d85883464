"""Pixels -> visual tokens: the vision tower over packed pictures, fed with bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.nn.functional import linear, silu
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionBlock,
)

from reranker.models.architecture import ImageFeatures
from reranker.models.layers.attention import Spans, attend
from reranker.models.layers.rotary import Rotation
from reranker.models.patchify import Patches, PatchSettings
from reranker.models.qwen2_5_vl.positions import vision_rotation, window_layout


class BytePatchEmbedding(nn.Module):
    """Qwen2.5-VL's patch embedding for a still picture, from bytes.

    The original is a 3-D convolution whose kernel is its stride over two equal frames: one matrix product with the
    kernel summed over time does the same on half the pixels. It keeps the original's weights and adds none.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, original: Qwen2_5_VisionPatchEmbed, settings: PatchSettings) -> None:
        super().__init__()
        self.proj = original.proj
        pixels = settings.patch_px**2
        self.register_buffer("mean", 255 * torch.tensor(settings.mean).repeat_interleave(pixels), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(settings.std).repeat_interleave(pixels), persistent=False)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """uint8 (patches, channels * patch_px ** 2) -> (patches, hidden)."""
        kernel: torch.Tensor = self.proj.weight.sum(dim=2).flatten(1)  # (hidden, channels * patch_px ** 2)
        values = (patches.float() - self.mean) / self.std
        return linear(values.to(kernel.dtype), kernel)


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """Qwen2.5-VL's vision tower and the embedding that feeds it with bytes."""

    network: Qwen2_5_VisionTransformerPretrainedModel
    embedding: BytePatchEmbedding

    @property
    def blocks(self) -> list[Qwen2_5_VLVisionBlock]:
        """Its layers."""
        return list(cast(Iterable[Qwen2_5_VLVisionBlock], self.network.blocks))


def encode_images(tower: VisionTower, pictures: Sequence[Patches], device: torch.device) -> list[ImageFeatures]:
    """Visual tokens of each picture, all pictures in one packed run.

    Equal to transformers' `Qwen2_5_VisionTransformerPretrainedModel`, whose windows run in a loop where there is no
    flash attention.
    """
    if not pictures:
        return []
    network = tower.network
    merge = int(network.spatial_merge_size)
    side = network.window_size // merge // cast(int, network.patch_size)
    shapes = [(picture.grid_h // merge, picture.grid_w // merge) for picture in pictures]
    arranged = [window_layout(*shape, merge, side) for shape in shapes]
    counts = [rows * columns for rows, columns in shapes]
    starts = torch.tensor([0, *counts]).cumsum(0)[:-1]
    order = torch.cat([start + one.order for start, one in zip(starts, arranged, strict=True)]).to(device)
    values = torch.cat([torch.from_numpy(picture.values).to(device, non_blocking=True) for picture in pictures])
    hidden = tower.embedding(values.unflatten(0, (-1, merge**2))[order].flatten(0, 1))
    windows = Spans(lengths=tuple(length for one in arranged for length in one.windows), device=device)
    whole = Spans(lengths=tuple(count * merge**2 for count in counts), device=device)
    rotation = vision_rotation(network, torch.cat([one.positions for one in arranged]).to(device))
    for number, block in enumerate(tower.blocks):
        hidden = _block(block, hidden, rotation, whole if number in network.fullatt_block_indexes else windows)
    merged = network.merger(hidden)
    tokens = torch.empty_like(merged).index_copy_(0, order, merged)
    return [
        ImageFeatures(tokens=part, rows=rows, columns=columns)
        for part, (rows, columns) in zip(tokens.split(counts), shapes, strict=True)
    ]


def _block(block: Qwen2_5_VLVisionBlock, hidden: torch.Tensor, rotation: Rotation, spans: Spans) -> torch.Tensor:
    """(patches, hidden) -> the same; SiLU as in all of Qwen2.5-VL, in place."""
    attention, mlp = block.attn, block.mlp
    projected = attention.qkv(block.norm1(hidden)).unflatten(-1, (3, attention.num_heads, attention.head_dim))
    query, key, value = projected.unbind(1)
    query, key = rotation.turn(query), rotation.turn(key)
    attended = attend(query, key, value, spans, scale=attention.scaling, causal=False)
    hidden = attention.proj(attended.flatten(1)).add_(hidden)
    normed = block.norm2(hidden)
    gated = silu(mlp.gate_proj(normed), inplace=True).mul_(mlp.up_proj(normed))
    output: torch.Tensor = mlp.down_proj(gated).add_(hidden)
    return output
