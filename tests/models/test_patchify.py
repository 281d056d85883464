"""Patches and sizes are those of transformers' image processor with the same pixel range."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from reranker.models.patchify import PatchSettings, fitted_size, patchify
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from tests.support.pictures import processed_by_transformers

side = st.integers(1, 3000)


def of_range(smallest: int, largest: int) -> PatchSettings:
    """The settings of Qwen2.5-VL with another range of visual tokens."""
    return replace(QWEN2_5_VL.patch_settings, min_pixels=smallest * 28 * 28, max_pixels=largest * 28 * 28)


@pytest.mark.parametrize("tokens", [25, 49, 64, 256])
def test_patches_are_those_of_the_image_processor(pictures, tokens):
    patch_settings = of_range(16, 1280)
    mean, std = (np.repeat(values, 14 * 14) for values in (patch_settings.mean, patch_settings.std))
    for picture in pictures:
        ours = patchify(picture, tokens, patch_settings)
        theirs = processed_by_transformers(picture, smallest=16, largest=tokens)
        assert theirs["image_grid_thw"].tolist() == [[1, ours.grid_h, ours.grid_w]]
        both_frames = theirs["pixel_values"].numpy().reshape(-1, 3, 2, 14 * 14)
        values = ((ours.values / 255 - mean) / std).reshape(-1, 3, 14 * 14)
        assert np.abs(both_frames - values[:, :, None]).max() < 1e-5


@settings(deadline=None, max_examples=60, database=None)
@given(width=side, height=side, smallest=st.integers(1, 64), largest=st.integers(64, 1280))
@example(width=1, height=1, smallest=4, largest=1280)
@example(width=13, height=13, smallest=1, largest=64)
@example(width=3000, height=20, smallest=49, largest=64)
@example(width=196, height=196, smallest=49, largest=64)
@example(width=641, height=357, smallest=4, largest=1280)
def test_the_size_is_that_of_smart_resize(width, height, smallest, largest):
    assume(max(width, height) <= 200 * min(width, height))  # transformers refuses longer ones
    fitted_width, fitted_height = fitted_size(width, height, largest, of_range(smallest, 16384))
    grid = processed_by_transformers(Image.new("RGB", (width, height)), smallest=smallest, largest=largest)[
        "image_grid_thw"
    ]
    assert grid.tolist() == [[1, fitted_height // 14, fitted_width // 14]]


def test_a_picture_inside_the_range_keeps_its_size():
    assert fitted_size(280, 196, 1280, of_range(4, 1280)) == (280, 196)
    assert fitted_size(290, 190, 1280, of_range(4, 1280)) == (280, 196)


def test_detail_is_the_upper_end_and_a_lower_detail_the_lower_one_too():
    toybox = of_range(49, 64)
    assert toybox.pixel_range(64) == (49 * 784, 64 * 784)
    assert toybox.pixel_range(25) == (25 * 784, 25 * 784)
    assert toybox.pixel_range(512) == (49 * 784, 64 * 784)
    assert fitted_size(20, 20, 25, toybox) == (140, 140)
