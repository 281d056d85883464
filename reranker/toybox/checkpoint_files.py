"""Create the toybox model, and write it as a checkpoint in the Hugging Face layout."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from reranker.models.layers.patch_embedding import BytePatchEmbedding
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from reranker.toybox.differentiable_attention import WINDOW_ATTENTION
from reranker.toybox.model_config import DEFAULT_VISUAL_TOKENS, DETAIL_LEVELS, toybox_config
from reranker.toybox.tokenizer import SPECIAL_TOKENS


def create_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    """A model with random weights from torch's random state; its vision tower takes patches of bytes."""
    return use_byte_patches(Qwen2_5_VLForConditionalGeneration(_config(tokenizer)))


def _config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    ids = {token: tokenizer.encode(token, add_special_tokens=False)[0] for token in SPECIAL_TOKENS}
    return toybox_config(len(tokenizer), ids)


def use_byte_patches(model: Qwen2_5_VLForConditionalGeneration) -> Qwen2_5_VLForConditionalGeneration:
    """Make the vision tower take patches of bytes, as in inference; see `BytePatchEmbedding`. Changes the model."""
    visual = model.model.visual
    visual.config._attn_implementation = WINDOW_ATTENTION
    visual.patch_embed = BytePatchEmbedding(visual.patch_embed, QWEN2_5_VL.patch_settings)
    return model


def write_checkpoint(
    model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write weights in BF16, configuration, tokenizer, preprocessor configuration and `reranker.json`."""
    published = Qwen2_5_VLForConditionalGeneration(_config(tokenizer))
    published.load_state_dict(model.state_dict())
    torch.nn.Module.to(published, torch.bfloat16)
    published.save_pretrained(folder)
    (folder / "model.safetensors").chmod(
        0o644
    )  # safetensors makes it readable for its owner only, which a container may not be
    tokenizer.save_pretrained(folder)
    settings = QWEN2_5_VL.patch_settings
    preprocessor = {
        "image_processor_type": "Qwen2VLImageProcessor",
        "patch_size": settings.patch_px,
        "merge_size": settings.merge,
        "temporal_patch_size": 2,
        "image_mean": settings.mean,
        "image_std": settings.std,
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
        "size": {
            "shortest_edge": DEFAULT_VISUAL_TOKENS * settings.token_px**2,
            "longest_edge": 64 * settings.token_px**2,
        },
    }
    _write_json(folder / "preprocessor_config.json", preprocessor)
    _write_json(folder / "reranker.json", {"details": DETAIL_LEVELS, "takes_example": False, "temperature": 1.0})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
