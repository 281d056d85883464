"""Models to benchmark: a checkpoint, or a model of a given shape with random weights, created on the device."""

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
    load_checkpoint,
    load_network,
    make_checkpoint,
    make_checkpoint_from_files,
)
from reranker.models.memory_plan import (
    DTYPES,
    LARGE_BYTES,
    QUANTIZED,
    WeightCounts,
    choose_device,
    choose_precision,
    place_on_devices,
    unquantized_precision,
)
from reranker.models.qwen2_5_vl.model import QWEN2_5_VL

# Language towers of the published Qwen2.5-VL: width, layers, heads, key-value heads, width of the FFN, vocabulary.
PUBLISHED = {"3b": (2048, 36, 16, 2, 11008, 151_936), "7b": (3584, 28, 28, 4, 18944, 152_064)}
LAYERS_BY_WIDTH = re.compile(r"([0-9]{1,9})x([0-9]{1,9})")
MAX_LAYERS, MAX_WIDTH = 128, 16_384  # beyond them, building the model takes longer than anybody waits
HEAD_DIM = 64  # of a shape LAYERSxWIDTH
SPECIAL_TOKENS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network as transformers runs it, and as this program does; both share their weights."""

    name: str
    network: Qwen2_5_VLForConditionalGeneration
    checkpoint: Checkpoint


def open_model(name: str, device: Device, precision: Precision, *, all_on_device: bool = True) -> Model:
    """Open "toybox", "3b", "7b", LAYERSxWIDTH or a folder.

    all_on_device: whether all weights are on the device, as transformers' own `generate` needs them; else they are
    placed as this program places them. Raises `ModelShapeUnknown`, `CheckpointUnsupported` if a shape should be
    quantized, and the errors of loading.
    """
    chosen_device = choose_device(device)
    if is_shape(name):
        if precision in QUANTIZED:
            raise CheckpointUnsupported(name=name, reason=f"random weights have no {precision}")
        large = sizes_of(name).bytes_on_gpu("bf16") >= LARGE_BYTES
        chosen_precision = unquantized_precision(chosen_device, large=large) if precision == "auto" else precision
        return random_model(name, chosen_device, chosen_precision, all_on_device=all_on_device)
    files = CheckpointFiles(name, folder_of(name))
    chosen_precision = choose_precision(precision, chosen_device, files.weight_counts, all_on_device=all_on_device)
    network = load_network(files, chosen_device, chosen_precision, all_on_device=all_on_device)
    checkpoint = make_checkpoint_from_files(network, files, chosen_device, chosen_precision)
    loaded = cast(Qwen2_5_VLForConditionalGeneration, network)
    return Model(name=name, network=loaded, checkpoint=checkpoint)


def is_shape(name: str) -> bool:
    """Whether the name is a shape, of which the weights are random."""
    return name in PUBLISHED or LAYERS_BY_WIDTH.fullmatch(name) is not None


def sizes_of(name: str) -> WeightCounts:
    """Return the sizes of the parts of a model. Raises the errors of `open_model`."""
    if is_shape(name):
        return WeightCounts.from_config(QWEN2_5_VL, config_of(name))
    return CheckpointFiles(name, folder_of(name)).weight_counts


def config_of(name: str) -> Qwen2_5_VLConfig:
    """Return the configuration of "3b", "7b" or LAYERSxWIDTH. Raises `ModelShapeUnknown`."""
    return _published_config(name) if name in PUBLISHED else _config_by_layers_and_width(name)


def random_model(name: str, device: torch.device, precision: str, *, all_on_device: bool = True) -> Model:
    """Create a model of this shape with random weights and the tokenizer of the toybox."""
    tokenizer = load_checkpoint("toybox", "cpu").tokenizer
    config = config_of(name)
    _set_token_ids(config, tokenizer)
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[precision])
    try:
        with torch.device(device):
            network = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(default)
    if not all_on_device:
        place_on_devices(network, device, precision)
    checkpoint = make_checkpoint(
        network,
        QWEN2_5_VL,
        tokenizer,
        name=name,
        digest=f"random {name}",
        device=device,
        precision=precision,
        patch_settings=QWEN2_5_VL.patch_settings,
        detail_levels=DEFAULT_DETAILS,
    )
    return Model(name=name, network=network, checkpoint=checkpoint)


def _published_config(name: str) -> Qwen2_5_VLConfig:
    hidden, layers, heads, key_heads, ffn, vocabulary = PUBLISHED[name]
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
        "tie_word_embeddings": name == "3b",
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    }
    return Qwen2_5_VLConfig(vision_config=vision, text_config=text, tie_word_embeddings=name == "3b")


def _config_by_layers_and_width(name: str) -> Qwen2_5_VLConfig:
    """Configure a language tower of this shape, and a vision tower with as many layers and half the width."""
    layers, width = (int(number) for number in name.split("x"))
    if not (1 <= layers <= MAX_LAYERS and 2 * HEAD_DIM <= width <= MAX_WIDTH) or width % (2 * HEAD_DIM):
        raise ModelShapeUnknown(name=name)
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


def _set_token_ids(config: Qwen2_5_VLConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    image, video, start, end, stop, pad = (
        tokenizer.encode(token, add_special_tokens=False)[0] for token in SPECIAL_TOKENS
    )
    config.image_token_id, config.video_token_id = image, video
    config.vision_start_token_id, config.vision_end_token_id = start, end
    for part in (config, cast(Qwen2_5_VLTextConfig, config.text_config)):
        part.bos_token_id, part.eos_token_id, part.pad_token_id = None, stop, pad


def language_parameters(model: Model) -> int:
    """Return the number of parameters in the layers of the language tower."""
    return _parameter_count(model.checkpoint.model.language.layers)


def _parameter_count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def picture_tflop(model: Model, visual_tokens: float, text_tokens: int) -> float:
    """Return the floating-point operations to encode and score one picture, in 10^12.

    The product of a matrix and a vector counts 2 for each element of the matrix. Attention in the vision tower counts 4
    for each pair of positions and element of the state, and half of that in the causal language tower. Windows have 64
    patches.
    """
    visual, text = model.network.model.visual, model.checkpoint.model.language.config
    vision = visual.config
    patches, length = 4 * visual_tokens, visual_tokens + text_tokens
    patch_parameters = _parameter_count(visual.blocks) + _parameter_count(visual.patch_embed)
    merger_parameters = _parameter_count(visual.merger)
    full_layers = len(vision.fullatt_block_indexes)
    window_attention = 4 * (vision.depth - full_layers) * patches * 64 * vision.hidden_size
    full_attention = 4 * full_layers * patches**2 * vision.hidden_size
    language_layers = 2 * length * language_parameters(model)
    language_attention = 2 * text.num_hidden_layers * length**2 * text.hidden_size
    vision_layers = 2 * patches * patch_parameters + 2 * visual_tokens * merger_parameters
    attention = window_attention + full_attention + language_attention
    return float(vision_layers + language_layers + attention) / 1e12
