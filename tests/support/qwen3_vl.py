"""Tiny checkpoints of Qwen3-VL with random weights, in the layout and the proportions of the published ones."""

import json
import shutil
from pathlib import Path

import torch
from transformers import AutoTokenizer, Qwen3VLConfig, Qwen3VLForConditionalGeneration

from reranker.models.hub import TOYBOX

# Of the 2B and of the 8B: heads for each key head, layers of the vision tower after which DeepStack takes features.
PROPORTIONS = {"2b": (2, [1, 2], True), "8b": (4, [0, 1, 2], False)}
PREPROCESSOR = {
    "size": {"longest_edge": 1280 * 32 * 32, "shortest_edge": 4 * 32 * 32},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
    "image_processor_type": "Qwen2VLImageProcessorFast",
}


def config_of(proportions: str) -> Qwen3VLConfig:
    """Return the configuration of a tiny model; its tokens are those of the toybox's tokenizer."""
    heads_per_key, deepstack, tied = PROPORTIONS[proportions]
    tokenizer = AutoTokenizer.from_pretrained(TOYBOX)
    names = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>")
    image, video, start, end, stop = (tokenizer.encode(name, add_special_tokens=False)[0] for name in names)
    vision = {
        "depth": 4,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_heads": 3,
        "out_hidden_size": 64,
        "patch_size": 16,
        "num_position_embeddings": 36,  # a grid of 6 x 6
        "deepstack_visual_indexes": deepstack,
    }
    text = {
        "hidden_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4 // heads_per_key,
        "head_dim": 32,
        "intermediate_size": 128,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 5e6,
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
        "eos_token_id": stop,
    }
    return Qwen3VLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
        tie_word_embeddings=tied,
    )


def qwen3_vl_network(proportions: str) -> Qwen3VLForConditionalGeneration:
    """Return a network in which every weight matters: none is 0, norms are not 1."""
    torch.manual_seed(7)
    network = Qwen3VLForConditionalGeneration(config_of(proportions)).eval()
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            is_norm = "norm" in name and name.endswith("weight")
            weight.copy_(1 + 0.2 * noise if is_norm else noise * (0.15 if weight.dim() > 1 else 0.1))
    return network


def qwen3_vl_folder(folder: Path, proportions: str = "2b") -> Path:
    """Write a checkpoint as transformers 5 does, with the file of its image processor as published."""
    qwen3_vl_network(proportions).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOYBOX / name, folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR), encoding="utf-8")
    return folder
