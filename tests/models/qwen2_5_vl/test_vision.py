"""Visual tokens are those of transformers."""

import numpy as np
import torch

from reranker.models.patchify import Patches
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL


def test_visual_tokens_are_those_of_transformers(checkpoint, reference):
    rng, settings = np.random.default_rng(0), QWEN2_5_VL.patch_settings
    shapes = [(14, 14), (10, 18), (2, 40), (30, 2), (2, 2), (26, 8)]
    pictures = [
        Patches(values=rng.integers(0, 256, (h * w, 588), dtype=np.uint8), grid_h=h, grid_w=w) for h, w in shapes
    ]
    with torch.inference_mode():
        seen = checkpoint.model.encode_images(pictures)
    mean, std = (np.repeat(values, 14 * 14) for values in (settings.mean, settings.std))
    for picture, ours in zip(pictures, seen, strict=True):
        values = torch.from_numpy((picture.values / 255 - mean) / std).float().unflatten(1, (3, 1, 196))
        both_frames = values.expand(-1, -1, 2, -1).flatten(1)
        grid = torch.tensor([[1, picture.grid_h, picture.grid_w]])
        with torch.inference_mode():
            expected = reference.model.visual(both_frames, grid_thw=grid).pooler_output
        assert torch.allclose(ours.tokens, expected, atol=2e-5)
        assert (ours.rows, ours.columns) == (picture.grid_h // 2, picture.grid_w // 2)
