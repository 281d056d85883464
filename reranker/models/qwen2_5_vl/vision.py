"""Encode images: run the vision tower over packed patches, which it takes as bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch.nn.functional import pad, silu
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionBlock,
)

from reranker.models.architecture import ImageFeatures
from reranker.models.layers.attention import PackedSequences, attend
from reranker.models.layers.patch_embedding import BytePatchEmbedding
from reranker.models.layers.rms_norm import rms_norm
from reranker.models.layers.rotary import Rotation
from reranker.models.layers.transfer import to_device
from reranker.models.patchify import Patches
from reranker.models.qwen2_5_vl.positions import vision_rotation, window_layout

FFN_MULTIPLE: Final = 64  # of columns, for which matrix kernels of GPUs have tiles


def pad_ffn(block: Qwen2_5_VLVisionBlock, multiple: int = FFN_MULTIPLE) -> None:
    """Pad the hidden units of a layer's gated FFN to a multiple, for matrix kernels. Changes the layer.

    The units are zero, so they change no result: the published 3,420 units become 3,456.
    """
    mlp = block.mlp
    missing = -mlp.gate_proj.out_features % multiple
    if not missing:
        return
    for projection in (mlp.gate_proj, mlp.up_proj):
        projection.weight.data = pad(projection.weight.data, (0, 0, 0, missing))
        projection.bias.data = pad(projection.bias.data, (0, missing))
        projection.out_features += missing
    mlp.down_proj.weight.data = pad(mlp.down_proj.weight.data, (0, missing))
    mlp.down_proj.in_features += missing


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """The vision tower of Qwen2.5-VL, with a patch embedding that takes bytes."""

    network: Qwen2_5_VisionTransformerPretrainedModel
    embedding: BytePatchEmbedding

    @property
    def blocks(self) -> list[Qwen2_5_VLVisionBlock]:
        """The layers, in the order of the forward pass."""
        return list(cast(Iterable[Qwen2_5_VLVisionBlock], self.network.blocks))


def encode_images(tower: VisionTower, images: Sequence[Patches], device: torch.device) -> list[ImageFeatures]:
    """Compute the visual tokens of each image, with all images in one packed pass.

    Equal to `Qwen2_5_VisionTransformerPretrainedModel` of transformers, which runs window after window if flash
    attention is missing.
    """
    if not images:
        return []
    network = tower.network
    merge = int(network.spatial_merge_size)
    side = network.window_size // merge // cast(int, network.patch_size)
    shapes = [(image.grid_h // merge, image.grid_w // merge) for image in images]
    layouts = [window_layout(*shape, merge, side) for shape in shapes]
    counts = [rows * columns for rows, columns in shapes]
    starts = torch.tensor([0, *counts]).cumsum(0)[:-1]
    order = to_device(torch.cat([start + layout.order for start, layout in zip(starts, layouts, strict=True)]), device)
    values = torch.cat([to_device(torch.from_numpy(image.values), device) for image in images])
    hidden = tower.embedding(values.unflatten(0, (-1, merge**2))[order].flatten(0, 1))  # (patches, hidden)
    window_sequences = PackedSequences(
        lengths=tuple(patches for layout in layouts for patches in layout.windows), device=device
    )
    image_sequences = PackedSequences(lengths=tuple(count * merge**2 for count in counts), device=device)
    rotation = vision_rotation(network, to_device(torch.cat([layout.positions for layout in layouts]), device))
    for number, block in enumerate(tower.blocks):
        is_full = number in network.fullatt_block_indexes
        hidden = _run_block(block, hidden, rotation, image_sequences if is_full else window_sequences)
    merged = network.merger(hidden)  # (visual tokens, hidden), window by window
    tokens = torch.empty_like(merged).index_copy_(0, order, merged)
    return [
        ImageFeatures.of(part, rows, columns)
        for part, (rows, columns) in zip(tokens.split(counts), shapes, strict=True)
    ]


def _run_block(
    block: Qwen2_5_VLVisionBlock, hidden: torch.Tensor, rotation: Rotation, sequences: PackedSequences
) -> torch.Tensor:
    """Run one layer on the states of patches, (patches, hidden). SiLU, the activation of Qwen2.5-VL, runs in place."""
    attention, mlp = block.attn, block.mlp
    projected = attention.qkv(rms_norm(block.norm1, hidden)).unflatten(-1, (3, attention.num_heads, attention.head_dim))
    query, key, value = projected.unbind(1)  # (patches, heads, head_dim)
    query, key = rotation.rotate(query), rotation.rotate(key)
    attended = attend(query, key, value, sequences, scale=attention.scaling, causal=False)
    hidden = attention.proj(attended.flatten(1)).add_(hidden)
    normed = rms_norm(block.norm2, hidden)
    gated = silu(mlp.gate_proj(normed), inplace=True).mul_(mlp.up_proj(normed))
    output: torch.Tensor = mlp.down_proj(gated).add_(hidden)
    return output
