"""The shapes of published dual encoders, without their weights, and the memory that they take."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import torch
from transformers import ChineseCLIPConfig, ChineseCLIPModel, SiglipConfig, SiglipModel

from reranker.models.memory_plan import BYTES, CONTEXT_BYTES

# Assumed for a batch of pictures, which is halved if it does not fit.
ENCODER_WORKING_BYTES: Final = 500_000_000


def _siglip(width: int, layers: int, heads: int, ffn: int, patch_px: int, image_px: int, vocabulary: int) -> Any:
    tower = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": ffn,
    }
    text = tower | {"vocab_size": vocabulary, "max_position_embeddings": 64, "projection_size": width}
    vision = tower | {"patch_size": patch_px, "image_size": image_px}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=vision))


def _chinese_clip() -> Any:
    vision = {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "intermediate_size": 3072,
        "patch_size": 16,
        "image_size": 224,
    }
    return ChineseCLIPModel(ChineseCLIPConfig(vision_config=vision, text_config={"vocab_size": 21128}))


ENCODER_SHAPES: Final[dict[str, Callable[[], Any]]] = {
    "siglip2": lambda: _siglip(768, 12, 12, 3072, 16, 256, 256_000),
    "siglip2-so400m": lambda: _siglip(1152, 27, 16, 4304, 14, 384, 256_000),
    "chinese-clip": _chinese_clip,
    "git-rsclip": lambda: _siglip(1024, 24, 16, 4096, 16, 256, 32_000),
}


@cache
def parameter_count(encoder: str) -> int:
    """Return the number of parameters of a published dual encoder, by its name in `ENCODER_SHAPES`."""
    with torch.device("meta"):
        network = ENCODER_SHAPES[encoder]()
    return sum(weight.numel() for weight in network.parameters())


def encoder_bytes(encoder: str, precision: str = "bf16", *, alone: bool = False) -> int:
    """Return the bytes of GPU memory that a dual encoder takes: its weights and a batch.

    alone: with those of the CUDA context, which it otherwise shares with the reranker.
    """
    weights = int(BYTES[precision] * parameter_count(encoder))
    return weights + ENCODER_WORKING_BYTES + (CONTEXT_BYTES if alone else 0)
