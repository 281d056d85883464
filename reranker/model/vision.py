"""Pixels -> visual tokens: the vision tower, fed with bytes, and the memory of what it has seen."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

import torch
from torch import nn
from torch.nn.functional import linear
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VisionTransformerPretrainedModel,
)

from reranker.model.patches import Patches, PatchSettings


@dataclass(frozen=True, kw_only=True)
class SeenPicture:
    """A picture's visual tokens, (rows * columns, hidden)."""

    tokens: torch.Tensor
    rows: int
    columns: int


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


def stacked(pictures: Sequence[Patches]) -> tuple[torch.Tensor, torch.Tensor]:
    """The patches of several pictures one after the other, and their grids: uint8 (patches, n), int64 (pictures, 3)."""
    values = torch.cat([torch.from_numpy(picture.values) for picture in pictures])
    grids = torch.tensor([(1, picture.grid_h, picture.grid_w) for picture in pictures])
    return values, grids


def look(
    visual: Qwen2_5_VisionTransformerPretrainedModel, pictures: Sequence[Patches], device: torch.device
) -> list[SeenPicture]:
    """Visual tokens of each picture, all pictures in one packed run."""
    if not pictures:
        return []
    values, grids = stacked(pictures)
    tokens = visual(values.to(device), grid_thw=grids.to(device)).pooler_output
    merge = int(visual.spatial_merge_size)
    shapes = [(picture.grid_h // merge, picture.grid_w // merge) for picture in pictures]
    parts = torch.split(tokens, [rows * columns for rows, columns in shapes])
    return [SeenPicture(tokens=part, rows=r, columns=c) for part, (r, c) in zip(parts, shapes, strict=True)]


class VisionMemory:
    """Seen pictures by content hash, in host memory, the least recently used forgotten first. Thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._pictures: OrderedDict[str, SeenPicture] = OrderedDict()
        self._lock = Lock()

    def get(self, content_hash: str) -> SeenPicture | None:
        """The picture with its visual tokens on the CPU, None where it is not known."""
        with self._lock:
            if content_hash in self._pictures:
                self._pictures.move_to_end(content_hash)
            return self._pictures.get(content_hash)

    def put(self, content_hash: str, picture: SeenPicture) -> None:
        """Remember; a picture larger than the whole memory is not."""
        if picture.tokens.nbytes > self._max_bytes:
            return
        kept = replace(picture, tokens=picture.tokens.to("cpu", copy=True))  # a copy: a slice would hold its batch
        with self._lock:
            if content_hash in self._pictures:
                return
            self._pictures[content_hash] = kept
            self._bytes += kept.tokens.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._pictures.popitem(last=False)[1].tokens.nbytes
