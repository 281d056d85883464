"""The memory plan: in which precision a network is loaded, and which of its parts live on the device.

On a card are the vision tower and the layers of the language tower. The embedding stays in host memory, since a query
needs some hundred rows of it, and so does the output matrix, of which yes-no needs the difference of two rows; only a
rating, which writes words, has it on the card. For the 7B these two are 2.0 of 15.4 GiB in BF16.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import torch
from accelerate import dispatch_model, infer_auto_device_map
from transformers import BitsAndBytesConfig, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from reranker.settings import Device, Precision

DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
QUANTIZED: Final = ("int8", "nf4")
BYTES: Final = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "int8": 1.0,
    "nf4": 0.5 + 4 / 64,
}  # a weight; nf4 with its scales
LARGE_BYTES: Final = 500_000_000  # of weights, from which on speed and memory count for more than the last bits
GIB: Final = 2**30
CONTEXT_BYTES: Final = int(0.6 * GIB)  # of the card that CUDA and its kernels take, which torch does not count
WORKING_BYTES: Final = 1 * GIB  # for a batch, at least


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of weights of a network's parts."""

    vision: int
    layers: int
    embedding: int
    output: int  # 0 where it is the embedding

    @classmethod
    def of(cls, network: Qwen2_5_VLForConditionalGeneration) -> "Sizes":
        """Counted; its weights need not be there."""
        language, tied = network.model.language_model, network.config.tie_word_embeddings
        embedding = _count(language.embed_tokens)
        return cls(
            vision=_count(network.model.visual),
            layers=_count(language) - embedding,
            embedding=embedding,
            output=0 if tied else _count(network.lm_head),
        )

    @classmethod
    def described(cls, config: Qwen2_5_VLConfig) -> "Sizes":
        """Of a network that is not loaded."""
        with torch.device("meta"):
            return cls.of(Qwen2_5_VLForConditionalGeneration(config))

    def bytes_on_card(self, precision: str, *, writes: bool = False) -> int:
        """Of the weights. writes: whether the output matrix is needed there. What is quantized are the layers."""
        whole = BYTES["bf16" if precision in QUANTIZED else precision]
        output = (self.output or self.embedding) if writes else 0
        return int(whole * (self.vision + output) + BYTES[precision] * self.layers)

    def card_bytes(self, precision: str, *, writes: bool = False) -> int:
        """What a card has to have for it, all counted: weights, CUDA's own, a batch."""
        return self.bytes_on_card(precision, writes=writes) + CONTEXT_BYTES + WORKING_BYTES


def _count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def choose_device(device: Device) -> torch.device:
    """ "auto" is the first CUDA card where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def whole_precision(device: torch.device, *, large: bool) -> str:
    """The one of 2 or 4 bytes that a device is good at: BF16 on a card that has it, FP16 on one that has not.

    On the CPU FP32; for large weights BF16 where it has products for it: half the weights to hold, and twice as fast
    (measured with twelve layers of 512).
    """
    if device.type == "cpu":
        return "bf16" if large and _multiplies_bf16() else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def choose_precision(precision: Precision, device: torch.device, sizes: Sizes, *, writes: bool = False) -> str:
    """ "auto" is `whole_precision`; on a card that it does not fit int8, then nf4, and where neither fits as before."""
    if precision != "auto":
        return precision
    whole = whole_precision(device, large=sizes.bytes_on_card("bf16") >= LARGE_BYTES)
    if device.type == "cpu":
        return whole
    return fitting(sizes, torch.cuda.mem_get_info(device)[0] + CONTEXT_BYTES, whole, writes=writes) or whole


def fitting(sizes: Sizes, free_bytes: int, whole: str, *, writes: bool = False) -> str | None:
    """The first of `whole`, int8 and nf4 that fits a card with so much memory for all; None where none does."""
    offered = (whole, *(QUANTIZED if find_spec("bitsandbytes") else ()))
    return next((one for one in offered if sizes.card_bytes(one, writes=writes) <= free_bytes), None)


def _multiplies_bf16() -> bool:
    """Whether this CPU has products of BF16; others convert each number."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def how_to_load(precision: str, device: torch.device) -> dict[str, Any]:
    """What `from_pretrained` is to be told. Quantized layers are made on the device, all else on the CPU first."""
    if precision not in QUANTIZED:
        return {"dtype": DTYPES[precision]}
    whole = DTYPES[whole_precision(device, large=True)]
    kept = {"llm_int8_skip_modules": ["model.visual", "lm_head"]}
    config = (
        BitsAndBytesConfig(load_in_8bit=True, **kept)
        if precision == "int8"
        else BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=whole, **kept)
    )
    return {"dtype": whole, "quantization_config": config, "device_map": {"": str(device)}}


def place(network: Qwen2_5_VLForConditionalGeneration, device: torch.device, precision: str, *, writes: bool) -> None:
    """Each part where it belongs. Layers that the card has no room for stay in host memory, or go onto other cards.

    The former cross the bus with every batch: at 16 GB/s the 7B's layers in BF16 take 0.8 s each time.
    """
    language, output = network.model.language_model, network.lm_head
    language.embed_tokens.to("cpu" if device.type == "cuda" and not writes else device)
    output.to(device if writes else "cpu")
    for part in (network.model.visual, language.norm, language.rotary_emb):
        part.to(device)
    if precision in QUANTIZED:
        return  # they are there
    if device.type == "cpu" or _count(language.layers) * BYTES[precision] <= _room(device):
        language.layers.to(device)
    else:
        spread(language.layers, {device.index or 0: _room(device), **_other_cards(device)})


def spread(layers: torch.nn.ModuleList, room: dict[int | str, int]) -> None:
    """Over cards with so many bytes each, in their order; the rest in host memory, from where accelerate brings it."""
    places = infer_auto_device_map(
        layers, max_memory={**room, "cpu": 2**60}, no_split_module_classes=[type(layers[0]).__name__]
    )
    dispatch_model(layers, device_map=places, main_device=next(iter(room)), force_hooks=True)


def is_spread(layers: torch.nn.ModuleList) -> bool:
    """Whether accelerate brings some of them, or what they see, from elsewhere."""
    return any(hasattr(layer, "_hf_hook") for layer in layers)


def _room(device: torch.device) -> int:
    return max(0, torch.cuda.mem_get_info(device)[0] - WORKING_BYTES)


def _other_cards(device: torch.device) -> dict[int | str, int]:
    return {n: _room(torch.device("cuda", n)) for n in range(torch.cuda.device_count()) if n != (device.index or 0)}
