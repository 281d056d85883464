"""Models to benchmark: a checkpoint, or a model of a given shape with random weights, created on the device."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from reranker.benchmarks.random_configs import architecture_of, config_of, is_shape
from reranker.config.settings import Device, Precision
from reranker.core.errors import CheckpointUnsupported
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

SPECIAL_TOKENS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_end|>", "<|endoftext|>")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network as transformers runs it, and as this program does; both share their weights."""

    name: str
    network: Any
    checkpoint: Checkpoint


def open_model(name: str, device: Device, precision: Precision, *, all_on_device: bool = True) -> Model:
    """Open a model of this machine, or one of a shape, by its name in `random_configs`.

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
    return Model(name=name, network=network, checkpoint=checkpoint)


def sizes_of(name: str) -> WeightCounts:
    """Return the sizes of the parts of a model. Raises the errors of `open_model`."""
    if is_shape(name):
        return WeightCounts.from_config(architecture_of(name), config_of(name))
    return CheckpointFiles(name, folder_of(name)).weight_counts


def random_model(name: str, device: torch.device, precision: str, *, all_on_device: bool = True) -> Model:
    """Create a model of this shape with random weights and the tokenizer of the toybox."""
    tokenizer = load_checkpoint("toybox", "cpu").tokenizer
    architecture, config = architecture_of(name), config_of(name)
    _set_token_ids(config, tokenizer)
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[precision])
    try:
        with torch.device(device):
            network: Any = architecture.network_class(config)
    finally:
        torch.set_default_dtype(default)
    if not all_on_device:
        place_on_devices(network, device, precision)
    checkpoint = make_checkpoint(
        network,
        architecture,
        tokenizer,
        name=name,
        digest=f"random {name}",
        device=device,
        precision=precision,
        patch_settings=architecture.patch_settings,
        detail_levels=DEFAULT_DETAILS,
    )
    return Model(name=name, network=network, checkpoint=checkpoint)


def _set_token_ids(config: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    image, video, start, end, stop, pad = (
        tokenizer.encode(token, add_special_tokens=False)[0] for token in SPECIAL_TOKENS
    )
    config.image_token_id, config.video_token_id = image, video
    config.vision_start_token_id, config.vision_end_token_id = start, end
    for part in (config, config.text_config):
        part.bos_token_id, part.eos_token_id, part.pad_token_id = None, stop, pad


def language_parameters(model: Model) -> int:
    """Return the number of parameters in the layers of the language tower."""
    return _parameter_count(model.checkpoint.model.language.layers)


def _parameter_count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def picture_tflop(model: Model, visual_tokens: float, text_tokens: int) -> float:
    """Return the floating-point operations to encode and score one picture, in 10^12.

    The product of a matrix and a vector counts 2 for each element of the matrix. Attention in the vision tower counts 4
    for each pair of positions and element of the heads, and half of that in the causal language tower. Windows, of
    vision towers that have them, have 64 patches.
    """
    visual, text = model.network.model.visual, model.checkpoint.model.language.config
    vision = visual.config
    patches, length = 4 * visual_tokens, visual_tokens + text_tokens
    patch_parameters = _parameter_count(visual.blocks) + _parameter_count(visual.patch_embed)
    mergers = [visual.merger, *getattr(visual, "deepstack_merger_list", ())]
    merger_parameters = sum(map(_parameter_count, mergers))
    full_layers = len(getattr(vision, "fullatt_block_indexes", range(vision.depth)))
    window_attention = 4 * (vision.depth - full_layers) * patches * 64 * vision.hidden_size
    full_attention = 4 * full_layers * patches**2 * vision.hidden_size
    language_layers = 2 * length * language_parameters(model)
    heads_width = text.num_attention_heads * model.checkpoint.model.language.layers[0].self_attn.head_dim
    language_attention = 2 * text.num_hidden_layers * length**2 * heads_width
    vision_layers = 2 * patches * patch_parameters + 2 * visual_tokens * merger_parameters
    attention = window_attention + full_attention + language_attention
    return float(vision_layers + language_layers + attention) / 1e12
