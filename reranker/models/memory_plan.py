"""The memory plan: in which precision a network is loaded, and which of its parts live on the device.

On a card are the vision tower and the layers of the language tower. The embedding stays in host memory, since a query
needs some hundred rows of it, and so does the output matrix, of which yes-no needs the difference of two rows; only a
rating, which writes words, has it on the card. For the 7B these two are 2.0 of 15.4 GiB in BF16.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import torch
from transformers import BitsAndBytesConfig, PretrainedConfig

from reranker.config.settings import Device, Precision
from reranker.models.architecture import Architecture
from reranker.models.device_map import distribute_layers

DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
QUANTIZED: Final = ("int8", "nf4")
# Of a weight; in nf4 64 of them share a scale of four bytes.
BYTES: Final = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "nf4": 0.5 + 4 / 64}
LARGE_BYTES: Final = 500_000_000  # of weights, from which on speed and memory count for more than the last bits
GIB: Final = 2**30
CONTEXT_BYTES: Final = int(0.6 * GIB)  # assumed for CUDA and its kernels, which torch does not count
WORKING_BYTES: Final = 1 * GIB  # set aside for a batch


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of weights of a network's parts."""

    vision: int
    layers: int
    embedding: int
    output: int  # 0 where it is the embedding

    @classmethod
    def of(cls, network: Any) -> "Sizes":
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
    def described(cls, architecture: Architecture, config: PretrainedConfig) -> "Sizes":
        """Of a network that is not loaded."""
        with torch.device("meta"):
            return cls.of(architecture.network_class(config))

    def bytes_on_gpu(self, precision: str, *, writes: bool = False) -> int:
        """Of the weights. writes: whether the output matrix is needed there. What is quantized are the layers."""
        whole = BYTES["bf16" if precision in QUANTIZED else precision]
        output = (self.output or self.embedding) if writes else 0
        return int(whole * (self.vision + output) + BYTES[precision] * self.layers)

    def gpu_bytes(self, precision: str, *, writes: bool = False) -> int:
        """What a card has to have for it, all counted: weights, CUDA's own, and a batch.

        Where layers are quantized all parts are on the card while they are loaded, and that can be more.
        """
        judging = self.bytes_on_gpu(precision, writes=writes) + WORKING_BYTES
        beside = BYTES["bf16"] * (self.embedding + self.output)
        loading = self.bytes_on_gpu(precision) + beside if precision in QUANTIZED else 0
        return CONTEXT_BYTES + int(max(judging, loading))


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
    """For "auto" `whole_precision` where it fits this machine's cards together, else int8 or nf4 where that fits one.

    Where neither does, `whole_precision` all the same.
    """
    if precision != "auto":
        return precision
    whole = whole_precision(device, large=sizes.bytes_on_gpu("bf16") >= LARGE_BYTES)
    if device.type == "cpu":
        return whole
    # CUDA's own is in use by now: asking for the free memory has begun it. So other cards are asked only where need be.
    free = free_bytes(device) + CONTEXT_BYTES
    if fitting(sizes, free, whole, writes=writes) == whole:
        return whole
    beside = sum(max(0.0, free_bytes(gpu) - WORKING_BYTES) for gpu in gpus_beside(device))
    return fitting(sizes, free, whole, writes=writes, beside=beside) or whole


def fitting(sizes: Sizes, gpu_bytes: float, whole: str, *, writes: bool = False, beside: float = 0.0) -> str | None:
    """The first of `whole`, int8 and nf4 that fits a card with so much memory for all; None where none does.

    beside: bytes of weights that other cards may hold, of what is not quantized.
    """
    if sizes.gpu_bytes(whole, writes=writes) <= gpu_bytes + min(beside, BYTES[whole] * sizes.layers):
        return whole
    offered = QUANTIZED if find_spec("bitsandbytes") else ()
    return next((one for one in offered if sizes.gpu_bytes(one, writes=writes) <= gpu_bytes), None)


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


def place(
    network: Any,
    device: torch.device,
    precision: str,
    *,
    writes: bool = False,
    whole: bool = False,
) -> None:
    """Each part where it belongs. Layers that the card has no room for go to the machine's other cards.

    What none has room for stays in host memory, and crosses the bus with every batch: at 16 GB/s the 7B's layers in
    BF16 take 0.8 s each time.
    writes: whether the output matrix is needed. whole: whether all is, as by transformers' own `generate`.
    """
    language, output = network.model.language_model, network.lm_head
    tied = language.embed_tokens.weight is output.weight
    language.embed_tokens.to(device if whole or (writes and tied) else "cpu")
    output.to(device if whole or writes else "cpu")
    for part in (network.model.visual, language.norm, language.rotary_emb):
        part.to(device)
    if precision not in QUANTIZED:  # quantized layers are there
        gpus = (device, *gpus_beside(device))
        distribute_layers(language, ((gpu, free_bytes(gpu) - WORKING_BYTES) for gpu in gpus))
    if device.type == "cuda":
        torch.cuda.empty_cache()


def gpus_beside(device: torch.device) -> list[torch.device]:
    """The other cards of this machine."""
    if device.type != "cuda":
        return []
    first = torch.cuda.current_device() if device.index is None else device.index
    return [torch.device("cuda", number) for number in range(torch.cuda.device_count()) if number != first]


def free_bytes(device: torch.device) -> float:
    """Of a card's memory, within the limit that was set for this process; elsewhere there is no end to it."""
    if device.type != "cuda":
        return math.inf
    free, total = torch.cuda.mem_get_info(device)
    limit = torch.cuda.get_per_process_memory_fraction(device) * total
    return min(free, limit - torch.cuda.memory_reserved(device))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the machine where that is the device, had no memory left."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
