"""Encode images: run the vision tower of Qwen3-VL over packed patches, which it takes as bytes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch.nn.functional import embedding
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionBlock, Qwen3VLVisionModel

from reranker.models.architecture import ImageFeatures
from reranker.models.layers.attention import PackedSequences, attend
from reranker.models.layers.patch_embedding import BytePatchEmbedding
from reranker.models.layers.rotary import Rotation
from reranker.models.layers.transfer import to_device
from reranker.models.patchify import Patches
from reranker.models.qwen3_vl.positions import patch_grid, vision_rotation


@dataclass(frozen=True, kw_only=True)
class VisionTower:
    """The vision tower of Qwen3-VL, with a patch embedding that takes bytes."""

    network: Qwen3VLVisionModel
    embedding: BytePatchEmbedding

    @property
    def blocks(self) -> list[Qwen3VLVisionBlock]:
        """The layers, in the order of the forward pass."""
        return list(cast(Iterable[Qwen3VLVisionBlock], self.network.blocks))


def encode_images(tower: VisionTower, images: Sequence[Patches], device: torch.device) -> list[ImageFeatures]:
    """Compute the features of each image, with all images in one packed pass.

    Equal to `Qwen3VLVisionModel` of transformers. Besides the merged output of the last layer, a merger of its own
    takes the output of some earlier ones.
    """
    if not images:
        return []
    network = tower.network
    merge = int(network.spatial_merge_size)
    grids = [patch_grid(image.grid_h, image.grid_w, merge, network.num_grid_per_side) for image in images]
    values = torch.cat([to_device(torch.from_numpy(image.values), device) for image in images])
    hidden = tower.embedding(values)  # (patches, hidden)
    neighbours, weights, positions = (
        to_device(torch.cat([getattr(grid, name) for grid in grids]), device)
        for name in ("neighbours", "weights", "positions")
    )
    learned = embedding(neighbours, network.pos_embed.weight) * weights[..., None]
    hidden = hidden + learned.sum(1).to(hidden.dtype)
    sequences = PackedSequences(lengths=tuple(len(grid.positions) for grid in grids), device=device)
    rotation = vision_rotation(network, positions)
    merged = []
    for number, block in enumerate(tower.blocks):
        hidden = _run_block(block, hidden, rotation, sequences)
        if number in network.deepstack_visual_indexes:
            merger = network.deepstack_merger_list[network.deepstack_visual_indexes.index(number)]
            merged.append(merger(hidden))
    states = torch.stack([network.merger(hidden), *merged])  # (1 + mergers, visual tokens, hidden)
    counts = [len(grid.positions) // merge**2 for grid in grids]
    return [
        ImageFeatures(states=part, rows=image.grid_h // merge, columns=image.grid_w // merge)
        for part, image in zip(states.split(counts, dim=1), images, strict=True)
    ]


def _run_block(
    block: Qwen3VLVisionBlock, hidden: torch.Tensor, rotation: Rotation, sequences: PackedSequences
) -> torch.Tensor:
    """Run one layer on the states of patches, (patches, hidden)."""
    attention = block.attn
    heads = (3, attention.num_heads, attention.head_dim)
    query, key, value = attention.qkv(block.norm1(hidden)).unflatten(-1, heads).unbind(1)
    query, key = rotation.rotate(query), rotation.rotate(key)
    attended = attend(query, key, value, sequences, scale=attention.scaling, causal=False)
    hidden = hidden + attention.proj(attended.flatten(1))
    output: torch.Tensor = hidden + block.mlp(block.norm2(hidden))
    return output
