"""Visual tokens are those of transformers."""

import numpy as np
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from reranker.benchmarks.model_shapes import config_of
from reranker.models.loading import load_checkpoint
from reranker.models.patchify import Patches
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL, Qwen2_5VL
from reranker.models.qwen2_5_vl.vision import pad_ffn


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


def test_padded_units_of_the_ffn_change_no_result():
    rng = np.random.default_rng(0)
    picture = Patches(values=rng.integers(0, 256, (140, 588), dtype=np.uint8), grid_h=14, grid_w=10)
    model = load_checkpoint("toybox", "cpu", "fp32").model
    with torch.inference_mode():
        (before,) = model.encode_images([picture])
    for block in model.vision.blocks:
        pad_ffn(block, multiple=100)
        assert block.mlp.gate_proj.weight.shape[0] % 100 == 0
    with torch.inference_mode():
        (after,) = model.encode_images([picture])
    assert torch.allclose(after.tokens, before.tokens, atol=1e-5)


def test_the_ffn_of_the_published_vision_tower_is_padded_on_a_gpu():
    with torch.device("meta"):
        network = Qwen2_5_VLForConditionalGeneration(config_of("7b"))
    tower = Qwen2_5VL(network, QWEN2_5_VL.patch_settings, torch.device("meta")).vision
    assert {block.mlp.down_proj.in_features for block in tower.blocks} == {3456}
