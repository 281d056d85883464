"""An upright RGB picture -> the patches that Qwen2.5-VL's vision tower reads. NumPy and Pillow only, made for threads.

Equal to transformers' `Qwen2VLImageProcessorPil` with its two temporal halves alike, of which one is kept.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PATCHIFY_VERSION = "patches-2"  # goes into the fingerprint: raise it when the same picture gives other patches
CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class PatchSettings:
    """How a checkpoint wants its pictures. `mean` and `std` are of values in [0, 1], one a channel."""

    patch_px: int
    merge: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def token_px(self) -> int:
        """Side of the square that one visual token covers."""
        return self.patch_px * self.merge


@dataclass(frozen=True, kw_only=True)
class Patches:
    """One picture cut up.

    values: uint8, (grid_h * grid_w, channels * patch_px * patch_px); patches of one visual token follow one another.
    grid_h, grid_w: patches down and across, multiples of `merge`.
    """

    values: NDArray[np.uint8]
    grid_h: int
    grid_w: int


def fitted_size(width: int, height: int, visual_tokens: int, settings: PatchSettings) -> tuple[int, int]:
    """Width and height in pixels, multiples of `token_px`, nearest to the aspect ratio at so many visual tokens.

    The rule of Qwen2-VL's `smart_resize` with its smallest and largest area equal; a very long picture gets more.
    """
    side = settings.token_px
    area = visual_tokens * side * side
    rounded_h, rounded_w = round(height / side) * side, round(width / side) * side
    if rounded_h * rounded_w == area:
        return rounded_w, rounded_h
    scale = math.sqrt(height * width / area)
    if rounded_h * rounded_w > area:
        return max(side, math.floor(width / scale / side) * side), max(side, math.floor(height / scale / side) * side)
    return math.ceil(width / scale / side) * side, math.ceil(height / scale / side) * side


def patchify(picture: Image.Image, visual_tokens: int, settings: PatchSettings) -> Patches:
    """The picture resized to about so many visual tokens (bicubic) and cut into patches."""
    width, height = fitted_size(picture.width, picture.height, visual_tokens, settings)
    resized = picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.BICUBIC)
    grid_h, grid_w = height // settings.patch_px, width // settings.patch_px
    blocks = np.asarray(resized).reshape(
        grid_h // settings.merge,
        settings.merge,
        settings.patch_px,
        grid_w // settings.merge,
        settings.merge,
        settings.patch_px,
        CHANNELS,
    )
    ordered = blocks.transpose(0, 3, 1, 4, 6, 2, 5)  # (down, across, merge, merge, channel, patch, patch)
    return Patches(values=ordered.reshape(grid_h * grid_w, -1), grid_h=grid_h, grid_w=grid_w)


def noise(rng: np.random.Generator, visual_tokens: int, settings: PatchSettings) -> Patches:
    """Random pixels: a picture one visual token high."""
    values = rng.integers(0, 256, (visual_tokens * settings.merge**2, CHANNELS * settings.patch_px**2), dtype=np.uint8)
    return Patches(values=values, grid_h=settings.merge, grid_w=visual_tokens * settings.merge)
