"""Encode images: run the vision tower over packed patches, which it takes as bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import nn
from torch.nn.functional import linear, pad, silu
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VisionTransformerPretrainedModel,
    Qwen2_5_VLVisionBlock,
)

from reranker.models.architecture import ImageFeatures
from reranker.models.layers.attention import PackedSequences, attend
from reranker.models.layers.rms_norm import rms_norm
from reranker.models.layers.rotary import Rotation
from reranker.models.layers.transfer import to_device
from reranker.models.patchify import Patches, PatchSettings
from reranker.models.qwen2_5_vl.positions import vision_rotation, window_layout

FFN_MULTIPLE: Final = 64  # of columns, for which matrix kernels of GPUs have tiles


class BytePatchEmbedding(nn.Module):
    """The patch embedding of Qwen2.5-VL for one still image, from bytes.

    The original is a 3-D convolution over two equal frames, whose stride is the size of its kernel. One matrix product
    with the kernel summed over time gives the same result from half the pixels. The weights are those of the original:
    if they are frozen, as in inference, they are summed once; in training at every call.
    """

    mean: torch.Tensor
    std: torch.Tensor
    frozen_kernel: torch.Tensor | None

    def __init__(self, original: Qwen2_5_VisionPatchEmbed, settings: PatchSettings) -> None:
        super().__init__()
        self.proj = original.proj
        pixels = settings.patch_px**2
        self.register_buffer("mean", 255 * torch.tensor(settings.mean).repeat_interleave(pixels), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(settings.std).repeat_interleave(pixels), persistent=False)
        frozen_kernel = None if self.proj.weight.requires_grad else self._kernel()
        self.register_buffer("frozen_kernel", frozen_kernel, persistent=False)

    def _kernel(self) -> torch.Tensor:
        """Return the weights summed over time in float32, (hidden, channels * patch_px ** 2)."""
        weight = self.proj.weight
        return weight.sum(dim=2, dtype=torch.float32).flatten(1).to(weight.dtype)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Normalize and embed patches, uint8 (patches, channels * patch_px ** 2). Returns (patches, hidden)."""
        kernel = self._kernel() if self.frozen_kernel is None else self.frozen_kernel
        values = (patches.float() - self.mean) / self.std
        return linear(values.to(kernel.dtype), kernel)


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
        ImageFeatures(tokens=part, rows=rows, columns=columns)
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
