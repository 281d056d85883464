"""The toybox model made new, and written as a checkpoint in Hugging Face layout."""

import json
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from reranker.models.qwen2_5_vl.model import QWEN2_5_VL
from reranker.models.qwen2_5_vl.vision import BytePatchEmbedding
from reranker.toybox.geometry import LEVELS, VISUAL_TOKENS, toybox_config
from reranker.toybox.plain_attention import WINDOWS
from reranker.toybox.tokenizer import SPECIAL_TOKENS


def new_model(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLForConditionalGeneration:
    """Random weights from torch's seed, the vision tower fed with bytes."""
    return feed_with_bytes(Qwen2_5_VLForConditionalGeneration(_config(tokenizer)))


def _config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    numbers = {token: tokenizer.encode(token, add_special_tokens=False)[0] for token in SPECIAL_TOKENS}
    return toybox_config(len(tokenizer), numbers)


def feed_with_bytes(model: Qwen2_5_VLForConditionalGeneration) -> Qwen2_5_VLForConditionalGeneration:
    """The same model, taught and used on bytes; see `BytePatchEmbedding`."""
    visual = model.model.visual
    visual.config._attn_implementation = WINDOWS
    visual.patch_embed = BytePatchEmbedding(visual.patch_embed, QWEN2_5_VL.patch_settings)
    return model


def write_checkpoint(
    model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """BF16 weights, configuration, tokenizer, preprocessor configuration and `reranker.json`."""
    plain = Qwen2_5_VLForConditionalGeneration(_config(tokenizer))
    plain.load_state_dict(model.state_dict())
    torch.nn.Module.to(plain, torch.bfloat16)
    plain.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # written for its owner alone, it could not be read in a container
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
        "size": {"shortest_edge": VISUAL_TOKENS * settings.token_px**2, "longest_edge": 64 * settings.token_px**2},
    }
    _write_json(folder / "preprocessor_config.json", preprocessor)
    _write_json(folder / "reranker.json", {"details": LEVELS, "temperature": 1.0})


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
