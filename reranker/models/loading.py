"""Load a checkpoint from the disk in a precision, and place it on devices."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import set_tqdm_hook

from reranker.config.settings import Device, Precision
from reranker.core.errors import (
    CheckpointBroken,
    CheckpointError,
    CheckpointUnsupported,
    CheckpointWeightsInvalid,
    ModelOutOfMemory,
    QuantizationMissing,
)
from reranker.core.types import LabelCalibration, LoadWarning
from reranker.models.architecture import Architecture, VisionLanguageModel
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.context import check_detail, max_tokens_of
from reranker.models.device_map import LanguageTower, gpus_of, has_offloaded_layers
from reranker.models.hub import folder_of
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.memory_plan import (
    QUANTIZED,
    choose_device,
    choose_precision,
    is_out_of_memory,
    loading_options,
    place_on_devices,
)
from reranker.models.model_files import ModelFiles
from reranker.models.patchify import PatchSettings

Report = Callable[[int, int], None]
WEIGHTS: Final = "*.safetensors"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A loaded model with its tokenizer and settings.

    digest: SHA-256 of the weights. precision: fp32, bf16, fp16, int8 or nf4. output_weight: (vocabulary, hidden).
    max_tokens: most tokens, visual and text, that the model reads together.
    detail_levels: visual tokens per picture at the lowest, the default and the highest detail. instruction: the one
        that the model was trained with. temperature: of the displayed score. relevance_threshold: the lowest score,
        between 0 and 10, of a picture that fits its query; None if unknown. label_calibration: None if unknown.
        takes_example: whether the model knows queries with a picture.
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
    max_tokens: int
    detail_levels: tuple[int, int, int]
    instruction: str
    temperature: float
    relevance_threshold: float | None
    label_calibration: LabelCalibration | None
    takes_example: bool
    load_warnings: tuple[LoadWarning, ...]

    @property
    def gpus(self) -> tuple[torch.device, ...]:
        """`device`, followed by any other devices on which layers run."""
        return gpus_of(self.model.language)


def load_checkpoint(
    model: str,
    device: Device = "auto",
    precision: Precision = "auto",
    revision: str = "",
    *,
    visual_tokens: int = 0,
    report: Report = lambda done, total: None,
) -> Checkpoint:
    """Load a checkpoint from the disk. Nothing is downloaded, and weights are read from safetensors files only.

    model: "toybox", a name of `hub.REPOSITORIES`, an id of the hub, or a folder. visual_tokens: of a picture, for which
        the model must have room; 0 if it is not known yet. report: is called with the number of weights that are
        loaded, and the number of all weights.

    Raises `CheckpointMissing`, `CheckpointBroken`, `CheckpointUnsupported`, `QuantizationMissing`, `ModelOutOfMemory`,
    `DeviceMissing`, `DetailTooHigh`.
    """
    chosen_device = choose_device(device)
    files = CheckpointFiles(model, folder_of(model, revision))
    check_detail(model, visual_tokens, files.max_tokens)
    chosen_precision = choose_precision(precision, chosen_device, files.weight_counts)
    with report_loading(report):
        network = load_network(files, chosen_device, chosen_precision)
    checkpoint = make_checkpoint_from_files(network, files, chosen_device, chosen_precision)
    if precision == "auto" and chosen_precision == "fp16":
        return replace(checkpoint, load_warnings=("fp16", *checkpoint.load_warnings))
    return checkpoint


@contextmanager
def report_loading(report: Report) -> Iterator[None]:
    """Call `report` while transformers loads weights, in place of its progress bar."""

    def replace_bar(make_bar: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args or not isinstance(args[0], Collection):
            return make_bar(*args, **kwargs)
        return _report_items(args[0], report)

    previous_hook = set_tqdm_hook(replace_bar)
    try:
        yield
    finally:
        set_tqdm_hook(previous_hook)


def _report_items(items: Collection[Any], report: Report) -> Iterator[Any]:
    for number, item in enumerate(items):
        report(number, len(items))
        yield item


def load_network(
    files: CheckpointFiles,
    device: torch.device,
    precision: str,
    *,
    all_on_device: bool = False,
) -> PreTrainedModel:
    """Load a network of transformers and place it on devices. Raises the errors of `load_checkpoint`.

    transformers reads the names of weights from before version 5, too.

    all_on_device: as for `place_on_devices`.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns at every int8 product that it uses FP16
    try:
        loaded: Any = files.architecture.network_class.from_pretrained(
            files.folder,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation="sdpa",
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are reported below, by their names
            **loading_options(precision, device),
        )
        network, loading_info = loaded
        check_weights(files, network, loading_info)
        place_on_devices(network, device, precision, all_on_device=all_on_device)
    except CheckpointError:
        raise
    except Exception as error:  # safetensors, json and transformers raise errors of many types
        raise _loading_error(error, files.name, precision) from error
    return cast(PreTrainedModel, network)


def check_weights(files: ModelFiles, network: PreTrainedModel, info: Mapping[str, Collection[Any]]) -> None:
    """Raise `CheckpointWeightsInvalid` if weights are missing or misshapen: transformers has filled in random ones.

    info: that of `from_pretrained`.
    """
    found = {name: _shape_text(shape) for name, shape, _ in info["mismatched_keys"]}
    faulty = {*info["missing_keys"], *found}
    if not faulty:
        return
    expected = {name: _shape_text(weight.shape) for name, weight in network.state_dict().items()}
    first = min(faulty, key=[*expected, *sorted(faulty)].index)
    raise CheckpointWeightsInvalid(
        name=files.name,
        file=files.weights[0].name if len(files.weights) == 1 else WEIGHTS,
        reason="shape" if first in found else "missing",
        weight=first,
        found=found.get(first, ""),
        expected=expected.get(first, "?"),
        more=len(faulty) - 1,
    )


def _shape_text(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _loading_error(error: Exception, name: str, precision: str) -> CheckpointError:
    """Return the `CheckpointError` for an exception of loading."""
    if is_out_of_memory(error):
        return ModelOutOfMemory(name=name, precision=precision)
    if isinstance(error, ImportError) and precision in QUANTIZED:
        return QuantizationMissing(name=name, precision=precision)
    return CheckpointBroken(name=name, file=WEIGHTS, reason=type(error).__name__)


def make_checkpoint_from_files(
    network: PreTrainedModel, files: CheckpointFiles, device: torch.device, precision: str
) -> Checkpoint:
    """Make a checkpoint of a network, with the tokenizer and the settings from the folder of its weights."""
    checkpoint = make_checkpoint(
        network,
        files.architecture,
        files.tokenizer(),
        name=files.name,
        digest=files.digest,
        device=device,
        precision=precision,
        patch_settings=files.patch_settings,
        detail_levels=files.detail_levels,
    )
    return replace(
        checkpoint,
        instruction=files.instruction,
        temperature=files.temperature,
        relevance_threshold=files.relevance_threshold,
        label_calibration=files.label_calibration,
        takes_example=files.takes_example,
    )


def make_checkpoint(
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
    """Make a checkpoint of a network, which is switched to evaluation without gradients."""
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
        max_tokens=max_tokens_of(name, network.config),
        detail_levels=detail_levels,
        instruction=architecture.instruction,
        temperature=1.0,
        relevance_threshold=None,
        label_calibration=None,
        takes_example=True,
        load_warnings=_load_warnings(parts.model.language_model),
    )


def _load_warnings(language: LanguageTower) -> tuple[LoadWarning, ...]:
    if has_offloaded_layers(language):
        return ("offloaded",)
    return ("split",) if len(gpus_of(language)) > 1 else ()


def _single_token(model: str, tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise CheckpointUnsupported(name=model, reason=f"its tokenizer has no single token for {word!r}")
    return int(ids[0])
