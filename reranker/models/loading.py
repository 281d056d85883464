"""Files on the disk -> the two towers, the tokenizer and the head, on a device, in a precision."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import set_tqdm_hook

from reranker.config.settings import Device, Precision
from reranker.core.errors import (
    CheckpointBroken,
    CheckpointError,
    CheckpointUnsupported,
    ModelOutOfMemory,
    QuantizationMissing,
)
from reranker.core.types import LoadWarning
from reranker.models.architecture import Architecture, VisionLanguageModel
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.device_map import LanguageTower, are_brought, gpus_of
from reranker.models.hub import folder_of
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.memory_plan import QUANTIZED, choose_device, choose_precision, how_to_load, is_out_of_memory, place
from reranker.models.patchify import PatchSettings
from reranker.models.scoring.prompts import INSTRUCTIONS

Report = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model ready to judge.

    digest: sha256 of the weights. precision: fp32, bf16, fp16, int8 or nf4. output_weight: (vocabulary, hidden).
    details: visual tokens at the lowest, the usual and the highest detail. instruction: the one that it was taught
    with. temperature: T of the score that people see. fits: the score from which a picture does, None where not known.
    """

    name: str
    digest: str
    device: torch.device
    precision: str
    model: VisionLanguageModel
    head: YesNoHead
    output_weight: torch.Tensor
    tokenizer: PreTrainedTokenizerBase
    patch_settings: PatchSettings
    detail_levels: tuple[int, int, int]
    instruction: str
    temperature: float
    relevance_threshold: float | None
    load_warnings: tuple[LoadWarning, ...]

    @property
    def gpus(self) -> tuple[torch.device, ...]:
        """`device`, and those that layers work on besides."""
        return gpus_of(self.model.language)


def load_checkpoint(
    model: str,
    device: Device = "auto",
    precision: Precision = "auto",
    revision: str = "",
    *,
    writes: bool = False,
    report: Report = lambda done, total: None,
) -> Checkpoint:
    """Read a checkpoint from the disk; nothing is fetched, and only safetensors are read.

    model: "toybox", a name of `hub.REPOSITORIES`, an id of the hub, or a folder. writes: whether it is to write words,
    which takes the output matrix. report: is told of weights that are loaded, and of weights in all.
    Raises `CheckpointMissing`, `CheckpointBroken`, `CheckpointUnsupported`, `QuantizationMissing`, `ModelOutOfMemory`.
    """
    files = CheckpointFiles(model, folder_of(model, revision))
    chosen_device = choose_device(device)
    chosen_precision = choose_precision(precision, chosen_device, files.sizes, writes=writes)
    with _told(report):
        network = load_network(files, chosen_device, chosen_precision, writes=writes)
    checkpoint = with_its_files(network, files, chosen_device, chosen_precision)
    if precision == "auto" and chosen_precision == "fp16":
        return replace(checkpoint, load_warnings=("fp16", *checkpoint.load_warnings))
    return checkpoint


@contextmanager
def _told(report: Report) -> Iterator[None]:
    """While transformers loads, which would draw a bar."""

    def counted(bar: Callable[..., Any], items: tuple[Any, ...], shown: dict[str, Any]) -> Any:
        if not items or not isinstance(items[0], Collection):
            return bar(*items, **shown)
        return _counted(items[0], report)

    before = set_tqdm_hook(counted)
    try:
        yield
    finally:
        set_tqdm_hook(before)


def _counted(items: Collection[Any], report: Report) -> Iterator[Any]:
    for number, item in enumerate(items):
        report(number, len(items))
        yield item


def load_network(
    files: CheckpointFiles, device: torch.device, precision: str, *, writes: bool = False, whole: bool = False
) -> PreTrainedModel:
    """The network in its places, as transformers has it. Raises as `load_checkpoint` does.

    Takes the file layout of today and the one from before transformers 5, whose names of weights differ.
    writes, whole: as `placement.place` has them.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells at every product that int8 goes by FP16
    try:
        loaded: Any = files.architecture.network_class.from_pretrained(
            files.folder,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
            output_loading_info=True,
            **how_to_load(precision, device),
        )
        network, told = loaded
        place(network, device, precision, writes=writes, whole=whole)
    except Exception as error:  # safetensors, json and transformers each raise their own
        raise _refusal(error, files.name, precision) from error
    if told["missing_keys"] or told["mismatched_keys"]:  # transformers would go on with random ones
        raise CheckpointBroken(name=files.name, file="*.safetensors", reason="weights")
    return cast(PreTrainedModel, network)


def _refusal(error: Exception, name: str, precision: str) -> CheckpointError:
    """What it means that loading raised this."""
    if is_out_of_memory(error):
        return ModelOutOfMemory(name=name, precision=precision)
    if isinstance(error, ImportError) and precision in QUANTIZED:
        return QuantizationMissing(name=name, precision=precision)
    return CheckpointBroken(name=name, file="*.safetensors", reason=type(error).__name__)


def with_its_files(
    network: PreTrainedModel, files: CheckpointFiles, device: torch.device, precision: str
) -> Checkpoint:
    """The network ready to judge, with the tokenizer and the settings that lie beside its weights."""
    plain = assembled(
        network,
        files.architecture,
        files.tokenizer(),
        name=files.name,
        digest=files.digest,
        device=device,
        precision=precision,
        patch_settings=files.patch_settings(cast(Any, network).model.visual.patch_size),
        detail_levels=files.detail_levels,
    )
    return replace(
        plain,
        instruction=files.instruction,
        temperature=files.temperature,
        relevance_threshold=files.relevance_threshold,
    )


def assembled(
    network: PreTrainedModel,
    architecture: Architecture,
    tokenizer: PreTrainedTokenizerBase,
    *,
    name: str,
    digest: str,
    device: torch.device,
    precision: str,
    patch_settings: PatchSettings,
    detail_levels: tuple[int, int, int],
) -> Checkpoint:
    """A network made into a judge: its towers fed with bytes, packed, without gradients, its head cut to two rows."""
    network.eval().requires_grad_(False)
    yes, no = (_single_token(name, tokenizer, word) for word in ("yes", "no"))
    parts: Any = network
    return Checkpoint(
        name=name,
        digest=digest,
        device=device,
        precision=precision,
        model=architecture.wrap(network, patch_settings, device),
        head=YesNoHead.of(parts.lm_head.weight, yes, no).to(device),
        output_weight=parts.lm_head.weight,
        tokenizer=tokenizer,
        patch_settings=patch_settings,
        detail_levels=detail_levels,
        instruction=INSTRUCTIONS["web"],
        temperature=1.0,
        relevance_threshold=None,
        load_warnings=_load_warnings(parts.model.language_model),
    )


def _load_warnings(language: LanguageTower) -> tuple[LoadWarning, ...]:
    if are_brought(language):
        return ("offloaded",)
    return ("split",) if len(gpus_of(language)) > 1 else ()


def _single_token(model: str, tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise CheckpointUnsupported(name=model, reason=f"its tokenizer has no single token for {word!r}")
    return int(ids[0])
