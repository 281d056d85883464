"""Choose the precision of a network, and place its parts on devices.

The vision tower and the layers of the language tower are on the GPU. The embedding stays in host memory, because a
query needs only some hundred of its rows. So does the output matrix, because a score needs only the rows of "yes" and
"no", or of the digits. In the 7B model in BF16 these two matrices take 2.0 of 15.4 GiB.
"""

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import torch
from transformers import BitsAndBytesConfig, PretrainedConfig

from reranker.config.settings import Device, Precision
from reranker.core.errors import DeviceMissing
from reranker.models.architecture import Architecture
from reranker.models.device_map import distribute_layers

DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
QUANTIZED: Final = ("int8", "nf4")
# Bytes per weight. In nf4, 64 weights share a scale of four bytes.
BYTES: Final = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "nf4": 0.5 + 4 / 64}
LARGE_BYTES: Final = 500_000_000  # of weights; for a larger model, speed and memory matter more than full precision
GIB: Final = 2**30
CONTEXT_BYTES: Final = int(0.6 * GIB)  # assumed for the CUDA context and kernels, which torch does not count
WORKING_BYTES: Final = 1 * GIB  # reserved for a batch
# Phrases of torch's errors: of the CPU, of CUDA, of cuBLAS and cuDNN, of cuDNN from version 9 on.
OUT_OF_MEMORY: Final = ("can't allocate memory", "out of memory", "_ALLOC_FAILED", "_ALLOCATION_FAILED")
GPU_ERRORS: Final = ("CUDA error", "CUDA driver error", "cuDNN error")


@dataclass(frozen=True, kw_only=True)
class WeightCounts:
    """The number of weights of each part of a network."""

    vision: int
    layers: int
    embedding: int
    output: int  # 0 if it is the same matrix as the embedding

    @classmethod
    def of(cls, network: Any) -> "WeightCounts":
        """Count the weights of a network, which may be on the meta device."""
        language, tied = network.model.language_model, network.config.tie_word_embeddings
        embedding = _count(language.embed_tokens)
        return cls(
            vision=_count(network.model.visual),
            layers=_count(language) - embedding,
            embedding=embedding,
            output=0 if tied else _count(network.lm_head),
        )

    @classmethod
    def from_config(cls, architecture: Architecture, config: PretrainedConfig) -> "WeightCounts":
        """Count the weights of a network that is not loaded."""
        with torch.device("meta"):
            return cls.of(architecture.network_class(config))

    def bytes_on_gpu(self, precision: str, *, all_on_device: bool = False) -> int:
        """Return the bytes of the weights that are on the GPU. Only the layers are quantized.

        all_on_device: as for `place_on_devices`.
        """
        unquantized_bytes = BYTES["bf16" if precision in QUANTIZED else precision]
        tables = self.embedding + self.output if all_on_device else 0
        return int(unquantized_bytes * (self.vision + tables) + BYTES[precision] * self.layers)

    def gpu_bytes(self, precision: str, *, all_on_device: bool = False) -> int:
        """Return the bytes that a GPU must have in all: for weights, the CUDA context and a batch.

        If layers are quantized, all parts are on the GPU during loading, which can take more memory than scoring.
        """
        scoring = self.bytes_on_gpu(precision, all_on_device=all_on_device) + WORKING_BYTES
        moved_afterwards = BYTES["bf16"] * (self.embedding + self.output)
        loading = self.bytes_on_gpu(precision) + moved_afterwards if precision in QUANTIZED else 0
        return CONTEXT_BYTES + int(max(scoring, loading))


def _count(module: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def choose_device(device: Device) -> torch.device:
    """Return the device of a setting; "auto" is the first CUDA GPU, or the CPU if there is none.

    A GPU has its index, without which torch does not say which share of its memory this process may use. Raises
    `DeviceMissing`.
    """
    if device != "cpu" and torch.cuda.is_available():
        return torch.device("cuda", 0)
    if device == "cuda":
        raise DeviceMissing(device=device, reason="none" if torch.backends.cuda.is_built() else "build")
    return torch.device("cpu")


def gpu_bytes(device: Device) -> int:
    """Return the memory of the GPU of a setting; 0 if it is the CPU. Raises `DeviceMissing`."""
    chosen = choose_device(device)
    return int(torch.cuda.get_device_properties(chosen).total_memory) if chosen.type == "cuda" else 0


def gpu_count(device: Device) -> int:
    """Return how many GPUs a setting allows on this machine; 0 if it is the CPU."""
    return torch.cuda.device_count() if device != "cpu" else 0


def unquantized_precision(device: torch.device, *, large: bool) -> str:
    """Return the precision without quantization that suits a device.

    On a GPU it is BF16, or FP16 if the GPU has no BF16. On the CPU it is FP32; but BF16 if the model is large and the
    CPU multiplies BF16, which halves the memory and doubles the speed (measured with twelve layers of width 512).
    """
    if device.type == "cpu":
        return "bf16" if large and multiplies_bf16() else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def choose_precision(
    precision: Precision, device: torch.device, counts: WeightCounts, *, all_on_device: bool = False
) -> str:
    """Return the precision of a setting.

    "auto" is `unquantized_precision` if that fits into the memory of all GPUs of this machine, otherwise nf4 if that
    fits into one GPU. If nothing fits, it is `unquantized_precision`, and some layers will be offloaded.
    """
    if precision != "auto":
        return precision
    unquantized = unquantized_precision(device, large=counts.bytes_on_gpu("bf16") >= LARGE_BYTES)
    if device.type == "cpu":
        return unquantized
    # Reading the free memory has created a CUDA context. Hence other GPUs are read only if they are needed.
    free = free_bytes(device) + CONTEXT_BYTES
    if fitting_precision(counts, free, unquantized, all_on_device=all_on_device) == unquantized:
        return unquantized
    other_gpu_bytes = sum(max(0.0, free_bytes(gpu) - WORKING_BYTES) for gpu in other_gpus(device))
    fitting = fitting_precision(counts, free, unquantized, all_on_device=all_on_device, other_gpu_bytes=other_gpu_bytes)
    return fitting or unquantized


def fitting_precision(
    counts: WeightCounts,
    gpu_bytes: float,
    unquantized: str,
    *,
    all_on_device: bool = False,
    other_gpu_bytes: float = 0.0,
) -> str | None:
    """Return `unquantized` if it fits into a GPU with `gpu_bytes`, otherwise nf4 if that fits, or None.

    It is never int8, which takes more memory than nf4, and whose scores depend on the other images of a batch: it
    multiplies columns with large values in higher precision, and selects them over the whole batch.

    other_gpu_bytes: bytes of unquantized layers that other GPUs may hold.
    """
    layer_bytes_elsewhere = min(other_gpu_bytes, BYTES[unquantized] * counts.layers)
    if counts.gpu_bytes(unquantized, all_on_device=all_on_device) <= gpu_bytes + layer_bytes_elsewhere:
        return unquantized
    fits = find_spec("bitsandbytes") is not None and counts.gpu_bytes("nf4", all_on_device=all_on_device) <= gpu_bytes
    return "nf4" if fits else None


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions that multiply BF16; other CPUs convert each number first."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def loading_options(precision: str, device: torch.device) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` for a precision.

    A quantized network is loaded on the device, any other on the CPU.
    """
    if precision not in QUANTIZED:
        return {"dtype": DTYPES[precision]}
    dtype = DTYPES[unquantized_precision(device, large=True)]
    unquantized = {"llm_int8_skip_modules": ["model.visual", "lm_head"]}
    config = (
        BitsAndBytesConfig(load_in_8bit=True, **unquantized)
        if precision == "int8"
        else BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, **unquantized
        )
    )
    return {"dtype": dtype, "quantization_config": config, "device_map": {"": str(device)}}


def place_on_devices(network: Any, device: torch.device, precision: str, *, all_on_device: bool = False) -> None:
    """Move each part of a network to its device. Layers that do not fit on the GPU go to the machine's other GPUs.

    Layers that fit on no GPU stay in host memory and are copied for every batch: for the 7B model in BF16 this takes
    0.8 s at 16 GB/s.

    all_on_device: whether the embedding and the output matrix must be on the device too, as `generate` of transformers
        needs them.
    """
    language = network.model.language_model
    for table in (language.embed_tokens, network.lm_head):
        table.to(device if all_on_device else "cpu")
    for part in (network.model.visual, language.norm, language.rotary_emb):
        part.to(device)
    if precision not in QUANTIZED:  # quantized layers are on the device already
        gpus = (device, *other_gpus(device))
        distribute_layers(language, ((gpu, free_bytes(gpu) - WORKING_BYTES) for gpu in gpus))
    if device.type == "cuda":
        torch.cuda.empty_cache()


def other_gpus(device: torch.device) -> list[torch.device]:
    """Return the other GPUs of this machine."""
    if device.type != "cuda":
        return []
    first = torch.cuda.current_device() if device.index is None else device.index
    return [torch.device("cuda", number) for number in range(torch.cuda.device_count()) if number != first]


def free_bytes(device: torch.device) -> float:
    """Return the free memory of a GPU, within the limit that was set for this process; infinity for the CPU."""
    if device.type != "cuda":
        return math.inf
    free, total = torch.cuda.mem_get_info(device)
    limit = torch.cuda.get_per_process_memory_fraction(device) * total
    return min(free, limit - torch.cuda.memory_reserved(device))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device, or the machine if the device is the CPU, had no memory left."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or _says(error, OUT_OF_MEMORY)


def is_device_failure(error: BaseException) -> bool:
    """Whether an error comes from a GPU and is not about memory. After most of them, all later calls fail, too."""
    return (isinstance(error, torch.AcceleratorError) or _says(error, GPU_ERRORS)) and not is_out_of_memory(error)


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in phrases)
