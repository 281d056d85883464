"""Resize an upright RGB picture and split it into the patches that Qwen2.5-VL's vision tower reads.

The patches equal those of transformers' `Qwen2VLImageProcessorPil`. That class repeats a still image for two frames;
only one of the two is kept here. The module needs only NumPy and Pillow, and is safe to use from several threads.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PATCHIFY_VERSION = "patches-3"  # part of the fingerprint: increase it if the same picture gives other patches
CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class PatchSettings:
    """The preprocessing settings of a checkpoint.

    patch_px: side of a patch in pixels. merge: patches per side of a visual token. mean, std: per channel, of pixel
        values in [0, 1]. min_pixels, max_pixels: areas between which a picture keeps its size.
    """

    patch_px: int
    merge: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    min_pixels: int
    max_pixels: int

    @property
    def token_px(self) -> int:
        """The side of the square that one visual token covers, in pixels."""
        return self.patch_px * self.merge

    def pixel_range(self, visual_tokens: int) -> tuple[int, int]:
        """Return the smallest and the largest area of a picture with at most `visual_tokens` visual tokens.

        They are those of the checkpoint, or the area of the visual tokens where that is smaller.
        """
        area = visual_tokens * self.token_px**2
        return min(self.min_pixels, area), min(self.max_pixels, area)


@dataclass(frozen=True, kw_only=True)
class Patches:
    """The patches of one picture.

    values: uint8, (grid_h * grid_w, channels * patch_px * patch_px). The patches of one visual token are consecutive.
    grid_h, grid_w: rows and columns of patches, multiples of `merge`.
    """

    values: NDArray[np.uint8]
    grid_h: int
    grid_w: int

    @property
    def digest(self) -> str:
        """The SHA-256 of the values and the grid, in hexadecimal."""
        hashed = hashlib.sha256(f"{self.grid_h} {self.grid_w} ".encode())
        hashed.update(np.ascontiguousarray(self.values).data)
        return hashed.hexdigest()


def fitted_size(width: int, height: int, visual_tokens: int, settings: PatchSettings) -> tuple[int, int]:
    """Return the width and height in pixels to which a picture is resized for at most `visual_tokens` visual tokens.

    Both are multiples of `token_px`. A picture inside the pixel range keeps its size except for rounding. Otherwise its
    area becomes that of the nearer end, and the ratio of its sides stays about the same. This is `smart_resize` of
    Qwen2-VL. A very long picture gets more visual tokens, because no side is shorter than one token.
    """
    side = settings.token_px
    smallest, largest = settings.pixel_range(visual_tokens)
    rounded_w, rounded_h = round(width / side) * side, round(height / side) * side
    if rounded_w * rounded_h > largest:
        scale = math.sqrt(width * height / largest)
        return max(side, math.floor(width / scale / side) * side), max(side, math.floor(height / scale / side) * side)
    if rounded_w * rounded_h < smallest:
        scale = math.sqrt(smallest / (width * height))
        return math.ceil(width * scale / side) * side, math.ceil(height * scale / side) * side
    return rounded_w, rounded_h


def patchify(picture: Image.Image, visual_tokens: int, settings: PatchSettings) -> Patches:
    """Resize a picture (bicubic) to its `fitted_size`, and split it into patches."""
    width, height = fitted_size(picture.width, picture.height, visual_tokens, settings)
    resized = picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BICUBIC)
    return split(np.asarray(resized), settings)


def split(pixels: NDArray[np.uint8], settings: PatchSettings) -> Patches:
    """Split the pixels of a picture that has its `fitted_size` into patches. pixels: (height, width, channels)."""
    grid_h, grid_w = pixels.shape[0] // settings.patch_px, pixels.shape[1] // settings.patch_px
    blocks = pixels.reshape(
        grid_h // settings.merge,
        settings.merge,
        settings.patch_px,
        grid_w // settings.merge,
        settings.merge,
        settings.patch_px,
        CHANNELS,
    )
    ordered = blocks.transpose(0, 3, 1, 4, 6, 2, 5)  # (rows, columns, merge, merge, channels, patch_px, patch_px)
    return Patches(values=ordered.reshape(grid_h * grid_w, -1), grid_h=grid_h, grid_w=grid_w)


def noise(rng: np.random.Generator, visual_tokens: int, settings: PatchSettings) -> Patches:
    """Return the patches of random pixels, one visual token high and `visual_tokens` wide."""
    values = rng.integers(0, 256, (visual_tokens * settings.merge**2, CHANNELS * settings.patch_px**2), dtype=np.uint8)
    return Patches(values=values, grid_h=settings.merge, grid_w=visual_tokens * settings.merge)
