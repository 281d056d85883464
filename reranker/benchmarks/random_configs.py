"""The shapes of models with random weights: those that are published, and LAYERSxWIDTH of any architecture.

A name is "3b" or "7b" (Qwen2.5-VL), "2b" or "8b" (Qwen3-VL), or LAYERSxWIDTH, before which the `model_type` of an
architecture and a colon may stand: "qwen3_vl:12x512".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from transformers import PretrainedConfig, Qwen2_5_VLConfig, Qwen3VLConfig

from reranker.core.errors import ModelShapeUnknown
from reranker.models.architecture import Architecture
from reranker.models.registry import ARCHITECTURES

LAYERS_BY_WIDTH: Final = re.compile(r"(?:(?P<architecture>[a-z0-9_]+):)?(?P<layers>[0-9]{1,9})x(?P<width>[0-9]{1,9})")
MAX_LAYERS, MAX_WIDTH = 128, 16_384  # beyond them, building the model takes longer than anybody waits
HEAD_DIM: Final = 64  # of a shape LAYERSxWIDTH
DEFAULT_ARCHITECTURE: Final = "qwen2_5_vl"


@dataclass(frozen=True, kw_only=True)
class _Language:
    """The language tower of a published model. tied: whether the output matrix is the embedding."""

    width: int
    layers: int
    heads: int
    key_heads: int
    ffn: int
    vocabulary: int
    tied: bool

    def settings(self, **others: object) -> dict[str, object]:
        """Return the fields of a configuration, and others."""
        return {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_heads,
            "intermediate_size": self.ffn,
            "vocab_size": self.vocabulary,
            "tie_word_embeddings": self.tied,
            **others,
        }


def _qwen2_5_vl(language: _Language) -> Qwen2_5_VLConfig:
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": language.width,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    }
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]}
    text = language.settings(rope_parameters=rope)
    return Qwen2_5_VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=language.tied)


def _qwen3_vl(language: _Language, depth: int, width: int, ffn: int, deepstack: list[int]) -> Qwen3VLConfig:
    """Return a configuration. depth, width, ffn: of the vision tower. deepstack: layers of it that are taken."""
    vision = {
        "depth": depth,
        "hidden_size": width,
        "intermediate_size": ffn,
        "num_heads": 16,
        "out_hidden_size": language.width,
        "deepstack_visual_indexes": deepstack,
    }
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}
    text = language.settings(rope_parameters=rope, head_dim=128)
    return Qwen3VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=language.tied)


_3B: Final = _Language(width=2048, layers=36, heads=16, key_heads=2, ffn=11008, vocabulary=151_936, tied=True)
_7B: Final = _Language(width=3584, layers=28, heads=28, key_heads=4, ffn=18944, vocabulary=152_064, tied=False)
_2B: Final = _Language(width=2048, layers=28, heads=16, key_heads=8, ffn=6144, vocabulary=151_936, tied=True)
_8B: Final = _Language(width=4096, layers=36, heads=32, key_heads=8, ffn=12288, vocabulary=151_936, tied=False)

# By name: the architecture, and what makes the configuration.
PUBLISHED: Final[dict[str, tuple[str, Callable[[], PretrainedConfig]]]] = {
    "3b": ("qwen2_5_vl", lambda: _qwen2_5_vl(_3B)),
    "7b": ("qwen2_5_vl", lambda: _qwen2_5_vl(_7B)),
    "2b": ("qwen3_vl", lambda: _qwen3_vl(_2B, 24, 1024, 4096, [5, 11, 17])),
    "8b": ("qwen3_vl", lambda: _qwen3_vl(_8B, 27, 1152, 4304, [8, 16, 24])),
}


def is_shape(name: str) -> bool:
    """Whether the name is a shape, of which the weights are random."""
    return name in PUBLISHED or LAYERS_BY_WIDTH.fullmatch(name) is not None


def is_by_size(name: str) -> bool:
    """Whether the name is LAYERSxWIDTH without an architecture."""
    found = LAYERS_BY_WIDTH.fullmatch(name)
    return found is not None and found["architecture"] is None


def architecture_of(name: str) -> Architecture:
    """Return the architecture of a shape. Raises `ModelShapeUnknown`."""
    if name in PUBLISHED:
        return ARCHITECTURES[PUBLISHED[name][0]]
    return ARCHITECTURES[_layers_and_width(name)[0]]


def config_of(name: str) -> PretrainedConfig:
    """Return the configuration of a shape. Raises `ModelShapeUnknown`."""
    if name in PUBLISHED:
        return PUBLISHED[name][1]()
    architecture, layers, width = _layers_and_width(name)
    return _BY_LAYERS_AND_WIDTH[architecture](layers, width)


def _layers_and_width(name: str) -> tuple[str, int, int]:
    """Return the parts of a name LAYERSxWIDTH. Raises `ModelShapeUnknown`."""
    found = LAYERS_BY_WIDTH.fullmatch(name)
    if found is None:
        raise ModelShapeUnknown(name=name)
    architecture, layers, width = (
        found["architecture"] or DEFAULT_ARCHITECTURE,
        int(found["layers"]),
        int(found["width"]),
    )
    is_small = 1 <= layers <= MAX_LAYERS and 2 * HEAD_DIM <= width <= MAX_WIDTH
    if architecture not in _BY_LAYERS_AND_WIDTH or not is_small or width % (2 * HEAD_DIM):
        raise ModelShapeUnknown(name=name)
    return architecture, layers, width


def _language_of(layers: int, width: int) -> _Language:
    heads = width // HEAD_DIM
    ffn = 8 * width // 3 // 64 * 64
    return _Language(
        width=width, layers=layers, heads=heads, key_heads=max(1, heads // 4), ffn=ffn, vocabulary=1024, tied=True
    )


def _vision_of(layers: int, width: int) -> dict[str, object]:
    """Return the fields of a vision tower with as many layers as the language tower, and half its width."""
    return {
        "depth": layers,
        "hidden_size": width // 2,
        "intermediate_size": 4 * width // 3 // 64 * 64,
        "num_heads": width // 2 // HEAD_DIM,
        "out_hidden_size": width,
    }


def _qwen2_5_vl_of(layers: int, width: int) -> Qwen2_5_VLConfig:
    full = [layer for layer in range(layers) if layer % 8 == 7 or layer == layers - 1]
    vision = _vision_of(layers, width) | {"window_size": 112, "fullatt_block_indexes": full}
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]}
    text = _language_of(layers, width).settings(rope_parameters=rope)
    return Qwen2_5_VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=True)


def _qwen3_vl_of(layers: int, width: int) -> Qwen3VLConfig:
    deepstack = sorted({layers * part // 4 for part in (1, 2, 3)})
    vision = _vision_of(layers, width) | {"deepstack_visual_indexes": deepstack}
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [12, 10, 10], "mrope_interleaved": True}
    text = _language_of(layers, width).settings(rope_parameters=rope, head_dim=HEAD_DIM)
    return Qwen3VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=True)


_BY_LAYERS_AND_WIDTH: Final[dict[str, Callable[[int, int], PretrainedConfig]]] = {
    "qwen2_5_vl": _qwen2_5_vl_of,
    "qwen3_vl": _qwen3_vl_of,
}
