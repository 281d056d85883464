"""Patches and sizes are those of transformers' image processor."""

import numpy as np
import pytest
from PIL import Image

from reranker.models.patchify import fitted_size, patchify
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from tests.support.pictures import processed_by_transformers


@pytest.mark.parametrize("tokens", [25, 49, 64, 256])
def test_patches_are_those_of_the_image_processor(pictures, tokens):
    settings = QWEN2_5_VL.patch_settings
    mean, std = (np.repeat(values, 14 * 14) for values in (settings.mean, settings.std))
    for picture in pictures:
        ours = patchify(picture, tokens, settings)
        theirs = processed_by_transformers(picture, tokens)
        assert theirs["image_grid_thw"].tolist() == [[1, ours.grid_h, ours.grid_w]]
        both_frames = theirs["pixel_values"].numpy().reshape(-1, 3, 2, 14 * 14)
        values = ((ours.values / 255 - mean) / std).reshape(-1, 3, 14 * 14)
        assert np.abs(both_frames - values[:, :, None]).max() < 1e-5


@pytest.mark.parametrize(("width", "height"), [(1, 1), (28, 28), (196, 196), (3000, 20), (20, 3000), (641, 357)])
def test_the_size_is_that_of_smart_resize(width, height):
    assert processed_by_transformers(Image.new("RGB", (width, height)))["image_grid_thw"].tolist() == [
        [1, *(side // 14 for side in reversed(fitted_size(width, height, 49, QWEN2_5_VL.patch_settings)))]
    ]
