"""Models to measure: a checkpoint, or the published shape of one with random weights, made on the device."""

import re
from dataclasses import dataclass
from typing import cast

import torch
from transformers import (
    PreTrainedTokenizerBase,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLTextConfig,
)

from reranker.config.settings import Device, Precision
from reranker.core.errors import CheckpointUnsupported, ModelShapeUnknown
from reranker.models.checkpoint import DEFAULT_DETAILS, CheckpointFiles
from reranker.models.hub import folder_of
from reranker.models.loading import (
    Checkpoint,
    assembled,
    load_checkpoint,
    load_network,
    with_its_files,
)
from reranker.models.memory_plan import (
    DTYPES,
    LARGE_BYTES,
    QUANTIZED,
    Sizes,
    choose_device,
    choose_precision,
    place,
    whole_precision,
)
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL

# Qwen2.5-VL as published: hidden, layers, heads, key heads, FFN and vocabulary of the language tower.
PUBLISHED = {"3b": (2048, 36, 16, 2, 11008, 151_936), "7b": (3584, 28, 28, 4, 18944, 152_064)}
LAYERS_BY_WIDTH = re.compile(r"(\d+)x(\d+)")
HEAD_DIM = 64  # of a geometry given as LAYERSxWIDTH
SPECIAL = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network as transformers has it, and the same ready to judge; both share their weights."""

    geometry: str
    network: Qwen2_5_VLForConditionalGeneration
    checkpoint: Checkpoint


def open_model(geometry: str, device: Device, precision: Precision, *, whole: bool = True) -> Model:
    """From "toybox", "3b", "7b", LAYERSxWIDTH or a folder.

    whole: whether transformers' own `generate` is to work, for which all is on the device; else it is placed as
    this program does. A shape is never quantized. Raises `ModelShapeUnknown`, `CheckpointUnsupported` and what loading
    raises.
    """
    chosen_device = choose_device(device)
    if is_random(geometry):
        if precision in QUANTIZED:
            raise CheckpointUnsupported(name=geometry, reason=f"random weights have no {precision}")
        large = sizes_of(geometry).bytes_on_gpu("bf16") >= LARGE_BYTES
        chosen_precision = whole_precision(chosen_device, large=large) if precision == "auto" else precision
        return random_model(geometry, chosen_device, chosen_precision, whole=whole)
    files = CheckpointFiles(geometry, folder_of(geometry))
    chosen_precision = choose_precision(precision, chosen_device, files.sizes, writes=True)
    network = load_network(files, chosen_device, chosen_precision, whole=whole)
    checkpoint = with_its_files(network, files, chosen_device, chosen_precision)
    loaded = cast(Qwen2_5_VLForConditionalGeneration, network)
    return Model(geometry=geometry, network=loaded, checkpoint=checkpoint)


def is_random(geometry: str) -> bool:
    """Whether it is a shape, to be filled with random weights."""
    return geometry in PUBLISHED or LAYERS_BY_WIDTH.fullmatch(geometry) is not None


def sizes_of(geometry: str) -> Sizes:
    """Of its parts. Raises as `open_model` does."""
    if is_random(geometry):
        return Sizes.described(QWEN2_5_VL, config_of(geometry))
    return CheckpointFiles(geometry, folder_of(geometry)).sizes


def config_of(geometry: str) -> Qwen2_5_VLConfig:
    """Of "3b", "7b" or LAYERSxWIDTH. Raises `ModelShapeUnknown`."""
    return _published_config(geometry) if geometry in PUBLISHED else _config_by_size(geometry)


def random_model(geometry: str, device: torch.device, precision: str, *, whole: bool = True) -> Model:
    tokenizer = load_checkpoint("toybox", "cpu").tokenizer
    config = config_of(geometry)
    _name_tokens(config, tokenizer)
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[precision])
    try:
        with torch.device(device):
            network = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    if not whole:
        place(network, device, precision)
    checkpoint = assembled(
        network,
        QWEN2_5_VL,
        tokenizer,
        name=geometry,
        digest=f"random {geometry}",
        device=device,
        precision=precision,
        patch_settings=QWEN2_5_VL.patch_settings,
        detail_levels=DEFAULT_DETAILS,
    )
    return Model(geometry=geometry, network=network, checkpoint=checkpoint)


def _published_config(geometry: str) -> Qwen2_5_VLConfig:
    hidden, layers, heads, key_heads, ffn, vocabulary = PUBLISHED[geometry]
    vision = {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": hidden,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
    }
    text = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "intermediate_size": ffn,
        "vocab_size": vocabulary,
        "tie_word_embeddings": geometry == "3b",
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }
    return Qwen2_5_VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=geometry == "3b")


def _config_by_size(geometry: str) -> Qwen2_5_VLConfig:
    """The language tower has these layers and this width; the vision tower as many layers and half the width."""
    layers, width = (int(number) for number in geometry.split("x"))
    if layers < 1 or width < 2 * HEAD_DIM or width % (2 * HEAD_DIM):
        raise ModelShapeUnknown(name=geometry)
    vision = {
        "depth": layers,
        "hidden_size": width // 2,
        "intermediate_size": 4 * width // 3 // 64 * 64,
        "num_heads": width // 2 // HEAD_DIM,
        "out_hidden_size": width,
        "window_size": 112,
        "fullatt_block_indexes": [layer for layer in range(layers) if layer % 8 == 7 or layer == layers - 1],
    }
    text = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // HEAD_DIM,
        "num_key_value_heads": max(1, width // HEAD_DIM // 4),
        "intermediate_size": 8 * width // 3 // 64 * 64,
        "vocab_size": 1024,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
    }
    return Qwen2_5_VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=True)


def _name_tokens(config: Qwen2_5_VLConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    image, video, start, end, stop, pad = (tokenizer.encode(token, add_special_tokens=False)[0] for token in SPECIAL)
    config.image_token_id, config.video_token_id = image, video
    config.vision_start_token_id, config.vision_end_token_id = start, end
    for part in (config, cast(Qwen2_5_VLTextConfig, config.text_config)):
        part.bos_token_id, part.eos_token_id, part.pad_token_id = None, stop, pad


def language_parameters(model: Model) -> int:
    """Of the language tower's layers."""
    return sum(parameter.numel() for parameter in model.checkpoint.model.language.layers.parameters())


def picture_tflop(model: Model, visual_tokens: float, text_tokens: int) -> float:
    """Floating point operations to judge one picture that nobody knows, in 10^12.

    A product of a matrix with a vector counts two for each of its elements; attention four for each pair and element of
    the state in the vision tower, half of that in the causal language tower; windows are of 64 patches.
    """
    visual, text = model.network.model.visual, model.checkpoint.model.language.config
    vision = visual.config
    patches, length = 4 * visual_tokens, visual_tokens + text_tokens
    blocks = sum(p.numel() for p in visual.blocks.parameters()) + sum(
        p.numel() for p in visual.patch_embed.parameters()
    )
    merger = sum(parameter.numel() for parameter in visual.merger.parameters())
    full = len(vision.fullatt_block_indexes)
    windows = 4 * (vision.depth - full) * patches * 64 * vision.hidden_size
    whole = 4 * full * patches**2 * vision.hidden_size
    language = 2 * length * language_parameters(model)
    attention = 2 * text.num_hidden_layers * length**2 * text.hidden_size
    return float(2 * patches * blocks + 2 * visual_tokens * merger + windows + whole + language + attention) / 1e12
