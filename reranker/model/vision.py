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
    return values, _grids(pictures)


def _grids(pictures: Sequence[Patches]) -> torch.Tensor:
    return torch.tensor([(1, picture.grid_h, picture.grid_w) for picture in pictures])


def look(
    visual: Qwen2_5_VisionTransformerPretrainedModel, pictures: Sequence[Patches], device: torch.device
) -> list[SeenPicture]:
    """Visual tokens of each picture, all pictures in one packed run."""
    if not pictures:
        return []
    values = torch.cat([torch.from_numpy(picture.values).to(device, non_blocking=True) for picture in pictures])
    tokens = visual(values, grid_thw=_grids(pictures).to(device)).pooler_output
    merge = int(visual.spatial_merge_size)
    shapes = [(picture.grid_h // merge, picture.grid_w // merge) for picture in pictures]
    parts = torch.split(tokens, [rows * columns for rows, columns in shapes])
    return [SeenPicture(tokens=part, rows=r, columns=c) for part, (r, c) in zip(parts, shapes, strict=True)]


@dataclass(kw_only=True)
class _Kept:
    """A remembered picture, and the run that used it last."""

    picture: SeenPicture
    run: object


class VisionMemory:
    """Seen pictures by key, in host memory (pinned where they come from a card), bounded in bytes. Thread-safe.

    The least recently used are forgotten first, but never for another picture of the same run: of a set larger than
    the memory, what fits stays, and is known when the set is asked for again.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._bytes = max_bytes, 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> SeenPicture | None:
        """The picture with its visual tokens on the CPU, None where it is not known."""
        with self._lock:
            kept = self._kept.get(key)
            return None if kept is None else kept.picture

    def use(self, key: str, run: object) -> None:
        """Note that a run has used what it got; runs are told apart by identity."""
        with self._lock:
            if key in self._kept:
                self._kept[key].run = run
                self._kept.move_to_end(key)

    def put(self, key: str, picture: SeenPicture, run: object) -> None:
        """Remember, where there is room or something to forget for it."""
        with self._lock:
            if key in self._kept or not self._make_room(picture.tokens.nbytes, run):
                return
            self._kept[key] = _Kept(picture=replace(picture, tokens=_on_host(picture.tokens)), run=run)
            self._bytes += picture.tokens.nbytes

    def _make_room(self, nbytes: int, run: object) -> bool:
        while self._bytes + nbytes > self._max_bytes:
            if not self._kept or next(iter(self._kept.values())).run is run:
                return False
            self._bytes -= self._kept.popitem(last=False)[1].picture.tokens.nbytes
        return True


def _on_host(tokens: torch.Tensor) -> torch.Tensor:
    """A copy of its own: a slice would hold its whole batch."""
    return torch.empty_like(tokens, device="cpu", pin_memory=tokens.is_cuda).copy_(tokens)
