"""Visual tokens are those of transformers."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Qwen2_5_VLForConditionalGeneration

from reranker.benchmarks.random_configs import config_of
from reranker.models.layers.patch_embedding import BytePatchEmbedding
from reranker.models.loading import load_checkpoint
from reranker.models.patchify import Patches
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL, Qwen2_5VL
from reranker.models.qwen2_5_vl.vision import pad_ffn
from tests.support.fake_gpus import pretended_gpus


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


def test_the_ffn_is_padded_on_a_gpu_and_not_on_the_cpu():
    def units(device: torch.device) -> set[int]:
        config = config_of("2x128")
        config.vision_config.intermediate_size = 100
        tower = Qwen2_5VL(Qwen2_5_VLForConditionalGeneration(config), QWEN2_5_VL.patch_settings, device).vision
        return {block.mlp.down_proj.in_features for block in tower.blocks}

    with pretended_gpus() as (gpu, _):
        assert units(gpu) == {128}
    assert units(torch.device("cpu")) == {100}


def test_the_published_ffn_is_padded_to_3456_units():
    with torch.device("meta"):
        blocks = Qwen2_5_VLForConditionalGeneration(config_of("7b")).model.visual.blocks
    pad_ffn(blocks[0])
    assert blocks[0].mlp.gate_proj.weight.shape == (3456, 1280)


HIDDEN = 8


class TwoFrames(nn.Module):
    """A patch embedding as the published one: a convolution over two frames."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.proj = nn.Conv3d(3, HIDDEN, (2, 14, 14), (2, 14, 14), bias=False, dtype=dtype)


def byte_patches(count: int = 5) -> torch.Tensor:
    return torch.randint(0, 256, (count, 588), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_kernel_is_the_float32_sum_over_both_frames(dtype):
    original, settings = TwoFrames(dtype).requires_grad_(False), QWEN2_5_VL.patch_settings
    embedded = BytePatchEmbedding(original, settings)(byte_patches())
    mean, std = (torch.tensor(values).repeat_interleave(196) for values in (settings.mean, settings.std))
    values = ((byte_patches() - 255 * mean) / (255 * std)).to(dtype)
    both = original.proj.weight.float()
    kernel = (both[:, :, 0] + both[:, :, 1]).flatten(1).to(dtype)
    assert torch.equal(embedded, nn.functional.linear(values, kernel))


def test_frozen_weights_are_summed_once_and_trained_ones_at_every_call():
    for frozen in (True, False):
        original = TwoFrames(torch.float32).requires_grad_(not frozen)
        embedding = BytePatchEmbedding(original, QWEN2_5_VL.patch_settings)
        before = embedding(byte_patches())
        with torch.no_grad():
            original.proj.weight.zero_()
        assert torch.equal(embedding(byte_patches()), before) == frozen
        assert before.requires_grad == (not frozen)


def test_a_checkpoint_has_only_the_weights_of_the_original():
    original = TwoFrames(torch.float32).requires_grad_(False)
    embedding = BytePatchEmbedding(original, QWEN2_5_VL.patch_settings)
    assert list(embedding.state_dict()) == list(original.state_dict()) == ["proj.weight"]
