"""Files on the disk -> the two towers, the tokenizer and the head, on a device, in a precision."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from transformers import PreTrainedTokenizerBase, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from reranker.errors import CheckpointBroken, CheckpointUnsupported
from reranker.model.checkpoint_files import CheckpointFiles
from reranker.model.hub import folder_of
from reranker.model.language import YesNoHead
from reranker.model.patches import PatchSettings
from reranker.model.vision import BytePatchEmbedding, VisionTower
from reranker.settings import Device, Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LARGE_BYTES = 500_000_000  # of weights, from which on speed and memory count for more than the last bits


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model ready to judge.

    digest: sha256 of the weights. precision: fp32, bf16 or fp16. details: visual tokens at the
    lowest, the usual and the highest detail. temperature: T of the score that people see.
    """

    name: str
    digest: str
    device: torch.device
    precision: str
    vision: VisionTower
    language: Qwen2_5_VLTextModel
    head: YesNoHead
    tokenizer: PreTrainedTokenizerBase
    patch_settings: PatchSettings
    details: tuple[int, int, int]
    temperature: float


def choose_device(device: Device) -> torch.device:
    """ "auto" is the first CUDA card where there is one, else the CPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def choose_precision(precision: Precision, device: torch.device, weight_bytes: int = 0) -> str:
    """ "auto" is BF16 on a card that has it, FP16 on one that has not; on the CPU FP32.

    Large weights get BF16 there, too, where the CPU has products for it: half the weights to hold, and twice as fast
    (measured with twelve layers of 512).
    """
    if precision != "auto":
        return precision
    if device.type == "cpu":
        return "bf16" if weight_bytes >= LARGE_BYTES and _multiplies_bf16() else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _multiplies_bf16() -> bool:
    """Whether this CPU has products of BF16; others convert each number."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def load_checkpoint(
    model: str, device: Device = "auto", precision: Precision = "auto", revision: str = ""
) -> Checkpoint:
    """Read a checkpoint from the disk; nothing is fetched, and only safetensors are read.

    model: "toybox", a name of `hub.REPOSITORIES`, an id of the hub, or a folder. Raises `CheckpointMissing`,
    `CheckpointBroken`, `CheckpointUnsupported`.
    """
    files = CheckpointFiles(model, folder_of(model, revision))
    chosen_device = choose_device(device)
    chosen_precision = choose_precision(precision, chosen_device, files.weight_bytes)
    return with_its_files(load_network(files, chosen_device, chosen_precision), files, chosen_precision)


def load_network(files: CheckpointFiles, device: torch.device, precision: str) -> Qwen2_5_VLForConditionalGeneration:
    """The whole network on its device, as transformers has it. Raises as `load_checkpoint` does.

    Takes the file layout of today and the one from before transformers 5, whose names of weights differ.
    """
    try:
        loaded: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            files.folder,
            dtype=DTYPES[precision],
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except Exception as error:  # safetensors, json and transformers each raise their own
        raise CheckpointBroken(name=files.name, file="*.safetensors", reason=type(error).__name__) from error
    network, told = loaded
    if told["missing_keys"] or told["mismatched_keys"]:  # transformers would go on with random ones
        raise CheckpointBroken(name=files.name, file="*.safetensors", reason="weights")
    network.to(device)
    return cast(Qwen2_5_VLForConditionalGeneration, network)


def with_its_files(network: Qwen2_5_VLForConditionalGeneration, files: CheckpointFiles, precision: str) -> Checkpoint:
    """The network ready to judge, with the tokenizer and the settings that lie beside its weights."""
    return assembled(
        network,
        files.tokenizer(),
        name=files.name,
        digest=files.digest,
        precision=precision,
        patch_settings=files.patch_settings(network.model.visual.patch_size),
        details=files.details,
        temperature=files.temperature,
    )


def assembled(
    network: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    digest: str,
    precision: str,
    patch_settings: PatchSettings,
    details: tuple[int, int, int],
    temperature: float = 1.0,
) -> Checkpoint:
    """A network made into a judge: its towers fed with bytes, packed, without gradients, its head cut to two rows."""
    network.eval().requires_grad_(False)
    yes, no = (_single_token(name, tokenizer, word) for word in ("yes", "no"))
    visual, device = network.model.visual, network.lm_head.weight.device
    return Checkpoint(
        name=name,
        digest=digest,
        device=device,
        precision=precision,
        vision=VisionTower(network=visual, embedding=BytePatchEmbedding(visual.patch_embed, patch_settings).to(device)),
        language=network.model.language_model,
        head=YesNoHead.of(network.lm_head.weight, yes, no),
        tokenizer=tokenizer,
        patch_settings=patch_settings,
        details=details,
        temperature=temperature,
    )


def _single_token(model: str, tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise CheckpointUnsupported(name=model, reason=f"its tokenizer has no single token for {word!r}")
    return int(ids[0])
