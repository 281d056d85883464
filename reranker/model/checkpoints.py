"""Files on the disk -> the two towers, the tokenizer and the head, on a device, in a precision.

A checkpoint is a folder in Hugging Face layout: config.json, safetensors, a tokenizer, preprocessor_config.json.
`reranker.json` beside them is ours and optional: what the checkpoint was taught at and how its scores are shown.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from reranker.errors import CheckpointBroken, CheckpointMissing, CheckpointUnsupported
from reranker.model.language import YesNoHead
from reranker.model.patches import PatchSettings
from reranker.model.vision import BytePatchEmbedding, VisionTower
from reranker.settings import Device, Precision

TOYBOX = Path(__file__).resolve().parents[2] / "assets" / "toybox"
ARCHITECTURE = "qwen2_5_vl"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LARGE_BYTES = 500_000_000  # of weights, from which on speed and memory count for more than the last bits
DEFAULT_DETAILS = (256, 512, 1280)  # visual tokens, where the checkpoint does not say its own


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


def folder_of(model: str) -> Path:
    """The folder that a name means: "toybox", or a path. Raises `CheckpointMissing`."""
    folder = TOYBOX if model == "toybox" else Path(model).expanduser()
    if not folder.is_dir():
        raise CheckpointMissing(name=model)
    return folder


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


def load_checkpoint(model: str, device: Device = "auto", precision: Precision = "auto") -> Checkpoint:
    """Read a checkpoint from the disk; nothing is fetched, and only safetensors are read.

    Raises `CheckpointMissing`, `CheckpointBroken`, `CheckpointUnsupported`.
    """
    chosen_device = choose_device(device)
    weight_bytes = sum(path.stat().st_size for path in folder_of(model).glob("*.safetensors"))
    chosen_precision = choose_precision(precision, chosen_device, weight_bytes)
    return with_its_files(load_network(model, chosen_device, chosen_precision), model, chosen_precision)


def load_network(model: str, device: torch.device, precision: str) -> Qwen2_5_VLForConditionalGeneration:
    """The whole network on its device, as transformers has it. Raises as `load_checkpoint` does."""
    folder = folder_of(model)
    _check_architecture(model, folder)
    try:
        network: Qwen2_5_VLForConditionalGeneration = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, dtype=DTYPES[precision], local_files_only=True, use_safetensors=True, attn_implementation="sdpa"
        )
    except Exception as error:  # safetensors, json and transformers each raise their own
        raise CheckpointBroken(name=model, file="*.safetensors", reason=type(error).__name__) from error
    torch.nn.Module.to(network, device)
    return network


def with_its_files(network: Qwen2_5_VLForConditionalGeneration, model: str, precision: str) -> Checkpoint:
    """The network ready to judge, with the tokenizer and the settings that lie beside its weights."""
    folder = folder_of(model)
    ours = _read_json(model, folder, "reranker.json") if (folder / "reranker.json").is_file() else {}
    return assembled(
        network,
        _load_tokenizer(model, folder),
        name=model,
        digest=_digest(folder),
        precision=precision,
        patch_settings=_patch_settings(model, folder, network.model.visual.patch_size),
        details=_details(model, ours.get("details", DEFAULT_DETAILS)),
        temperature=float(ours.get("temperature", 1.0)),
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


def _read_json(model: str, folder: Path, file: str) -> dict[str, Any]:
    path = folder / file
    if not path.is_file():
        raise CheckpointMissing(name=model, missing=file)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointBroken(name=model, file=file, reason=type(error).__name__) from None
    if not isinstance(content, dict):
        raise CheckpointBroken(name=model, file=file, reason="not a JSON object")
    return content


def _check_architecture(model: str, folder: Path) -> None:
    found = _read_json(model, folder, "config.json").get("model_type")
    if found != ARCHITECTURE:
        raise CheckpointUnsupported(name=model, reason=f"its architecture is {found!r}, not {ARCHITECTURE!r}")
    if not any(folder.glob("*.safetensors")):
        raise CheckpointMissing(name=model, missing="*.safetensors")


def _load_tokenizer(model: str, folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise CheckpointBroken(name=model, file="tokenizer.json", reason=type(error).__name__) from error


def _single_token(model: str, tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise CheckpointUnsupported(name=model, reason=f"its tokenizer has no single token for {word!r}")
    return int(ids[0])


def _patch_settings(model: str, folder: Path, patch_px: int) -> PatchSettings:
    described = _read_json(model, folder, "preprocessor_config.json")
    plain = PatchSettings()
    return PatchSettings(
        patch_px=patch_px,
        merge=int(described.get("merge_size", plain.merge)),
        mean=tuple(described.get("image_mean", plain.mean)),
        std=tuple(described.get("image_std", plain.std)),
    )


def _details(model: str, described: object) -> tuple[int, int, int]:
    numbers = list(described) if isinstance(described, (list, tuple)) else []
    if len(numbers) != len(DEFAULT_DETAILS) or not all(isinstance(n, int) and n > 0 for n in numbers):
        raise CheckpointBroken(name=model, file="reranker.json", reason="details are not three numbers")
    low, usual, high = sorted(numbers)
    return low, usual, high


def _digest(folder: Path) -> str:
    """sha256 over the weight files in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
