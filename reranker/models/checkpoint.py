"""Read the folder of a checkpoint in the Hugging Face layout, and check its files.

The folder has config.json, safetensors files, a tokenizer, and processor_config.json or preprocessor_config.json. It
may also have `reranker.json`, a file of this program: the settings that the checkpoint was trained with, and its
calibration.
"""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase

from reranker.core.errors import (
    CheckpointBroken,
    CheckpointFieldInvalid,
    CheckpointMissing,
    CheckpointUnsupported,
    FieldRule,
)
from reranker.core.text import is_well_formed
from reranker.models.architecture import Architecture
from reranker.models.context import max_tokens_of, max_visual_tokens
from reranker.models.hub import INDEX
from reranker.models.memory_plan import WeightCounts
from reranker.models.patchify import PatchSettings
from reranker.models.picture_preprocessing import (
    NESTED,
    PREPROCESSOR_FILE,
    PROCESSOR_FILE,
    PreprocessorFields,
    VisionShape,
    is_number,
    is_positive_whole,
)
from reranker.models.registry import ARCHITECTURES
from reranker.models.scoring.prompts import DEFAULT_INSTRUCTION

DEFAULT_DETAILS: Final = (256, 512, 1280)  # visual tokens, if reranker.json does not have them
WEIGHT_FILE: Final = re.compile(r"[\w.-]{1,200}\.safetensors", re.ASCII)  # in the folder itself
SHA256: Final = re.compile(r"[0-9a-f]{64}")
HASHING_THREADS: Final = 4
CONFIG: Final = "config.json"
SETTINGS: Final = "reranker.json"


@dataclass(frozen=True)
class CheckpointFiles:
    """The folder of a checkpoint whose weight files are complete and whose architecture is supported.

    name: of the model, for error messages. The constructor, and everything that reads a file later, raises
        `CheckpointMissing`, `CheckpointBroken` or `CheckpointUnsupported`.
    """

    name: str
    folder: Path

    def __post_init__(self) -> None:
        model_type = self._json(CONFIG).get("model_type")
        if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
            supported = " or ".join(map(repr, ARCHITECTURES))
            raise CheckpointUnsupported(
                name=self.name, reason=f"its architecture is {model_type!r:.40}, not {supported}"
            )
        for path in self.weights:
            if not path.is_file():
                raise CheckpointMissing(name=self.name, missing=path.name)
            self._check_complete(path)

    @property
    def architecture(self) -> Architecture:
        """The architecture of the network."""
        return ARCHITECTURES[self._json(CONFIG)["model_type"]]

    @cached_property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors files, sorted by name: those of the index, or all files if there is no index."""
        if (self.folder / INDEX).is_file():
            weight_map = self._json(INDEX).get("weight_map")
            names = set(map(str, weight_map.values())) if isinstance(weight_map, dict) else set()
            if not names or not all(map(WEIGHT_FILE.fullmatch, names)):
                raise self._invalid(INDEX, "weight_map", "files")
            return tuple(self.folder / name for name in sorted(names))
        paths = tuple(sorted(self.folder.glob("*.safetensors")))
        if not paths:
            raise CheckpointMissing(name=self.name, missing="*.safetensors")
        return paths

    def _check_complete(self, path: Path) -> None:
        """Compare the size of a safetensors file with the end of its last weight, which its header has.

        Raises `CheckpointBroken`.
        """
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = file.read(size) if size < path.stat().st_size else b""
            if len(header) < size or not size:
                raise CheckpointBroken(name=self.name, file=path.name, reason="truncated")
            offsets = [entry["data_offsets"] for name, entry in json.loads(header).items() if name != "__metadata__"]
            required_size = 8 + size + max((end for _, end in offsets), default=0)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointBroken(name=self.name, file=path.name, reason=type(error).__name__) from None
        if path.stat().st_size < required_size:
            raise CheckpointBroken(name=self.name, file=path.name, reason="truncated")

    @cached_property
    def config(self) -> PretrainedConfig:
        """The configuration of the network, by config.json."""
        try:
            return self.architecture.config_class.from_pretrained(self.folder, local_files_only=True)
        except Exception as error:  # transformers raises errors of many types
            raise CheckpointBroken(name=self.name, file=CONFIG, reason=type(error).__name__) from error

    @cached_property
    def weight_counts(self) -> WeightCounts:
        """The number of weights of each part of the network, by config.json."""
        try:
            return WeightCounts.from_config(self.architecture, self.config)
        except CheckpointBroken:
            raise
        except Exception as error:  # transformers raises errors of many types
            raise CheckpointBroken(name=self.name, file=CONFIG, reason=type(error).__name__) from error

    @property
    def max_tokens(self) -> int:
        """Most tokens, visual and text, that the model reads together."""
        return max_tokens_of(self.name, self.config)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 over the SHA-256 digests of the weight files."""
        with ThreadPoolExecutor(HASHING_THREADS) as threads:
            digests = list(threads.map(_digest, self.weights))
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Load the tokenizer, without running code from the checkpoint."""
        try:
            return AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:
            raise CheckpointBroken(name=self.name, file="tokenizer.json", reason=type(error).__name__) from error

    @property
    def patch_settings(self) -> PatchSettings:
        """The settings of the image processor, with those of the architecture for missing fields."""
        vision = cast(Any, self.config).vision_config
        for field in ("patch_size", "spatial_merge_size", "temporal_patch_size"):
            if not is_positive_whole(getattr(vision, field)):
                raise self._invalid(CONFIG, field, "positive whole number")
        shape = VisionShape(
            patch_px=vision.patch_size, merge=vision.spatial_merge_size, frames=vision.temporal_patch_size
        )
        return self._preprocessor_fields().patch_settings(shape, self.architecture.patch_settings)

    def _preprocessor_fields(self) -> PreprocessorFields:
        """Return the settings of the image processor: those that transformers would read if there are several."""
        if (self.folder / PROCESSOR_FILE).is_file():
            nested = self._json(PROCESSOR_FILE).get(NESTED)
            if isinstance(nested, dict):
                return PreprocessorFields(name=self.name, file=PROCESSOR_FILE, fields=nested)
            if nested is not None:
                raise self._invalid(PROCESSOR_FILE, NESTED, "object")
        if not (self.folder / PREPROCESSOR_FILE).is_file():
            raise CheckpointMissing(name=self.name, missing="preprocessing")
        return PreprocessorFields(name=self.name, file=PREPROCESSOR_FILE, fields=self._json(PREPROCESSOR_FILE))

    @cached_property
    def _reranker_settings(self) -> dict[str, Any]:
        return self._json(SETTINGS) if (self.folder / SETTINGS).is_file() else {}

    @property
    def temperature(self) -> float:
        """The temperature of the displayed score; 1 if the checkpoint was not calibrated."""
        temperature = self._reranker_settings.get("temperature", 1.0)
        if not (is_number(temperature) and temperature > 0):
            raise self._invalid(SETTINGS, "temperature", "positive number")
        return float(temperature)

    @property
    def relevance_threshold(self) -> float | None:
        """The lowest score, between 0 and 10, of a picture that fits its query; None if the checkpoint has none."""
        threshold = self._reranker_settings.get("fits")
        if threshold is None:
            return None
        if not (is_number(threshold) and 0 < threshold < 10):
            raise self._invalid(SETTINGS, "fits", "score")
        return float(threshold)

    @property
    def takes_example(self) -> bool:
        """Whether the model knows queries with a picture; true if reranker.json does not say."""
        takes_example = self._reranker_settings.get("takes_example", True)
        if not isinstance(takes_example, bool):
            raise self._invalid(SETTINGS, "takes_example", "true or false")
        return takes_example

    @property
    def instruction(self) -> str:
        """The instruction of reranker.json; `DEFAULT_INSTRUCTION` if it has none."""
        instruction = self._reranker_settings.get("instruction", DEFAULT_INSTRUCTION)
        if not (isinstance(instruction, str) and is_well_formed(instruction)):
            raise self._invalid(SETTINGS, "instruction", "text")
        return instruction

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        """The visual tokens per picture at the lowest, the default and the highest detail.

        If the model has no room for so many, a level is what it has room for.
        """
        details = self._reranker_settings.get("details", DEFAULT_DETAILS)
        numbers = list(details) if isinstance(details, (list, tuple)) else []
        if len(numbers) != len(DEFAULT_DETAILS) or not all(map(is_positive_whole, numbers)):
            raise self._invalid(SETTINGS, "details", "three positive whole numbers")
        most = max_visual_tokens(self.max_tokens)
        low, default, high = sorted(min(number, most) for number in numbers)
        return low, default, high

    def _invalid(self, file: str, field: str, rule: FieldRule) -> CheckpointFieldInvalid:
        return CheckpointFieldInvalid(name=self.name, file=file, field=field, reason=rule)

    def _json(self, file: str) -> dict[str, Any]:
        path = self.folder / file
        if not path.is_file():
            raise CheckpointMissing(name=self.name, missing=file)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointBroken(name=self.name, file=file, reason=type(error).__name__) from None
        if not isinstance(content, dict):
            raise CheckpointBroken(name=self.name, file=file, reason="not a JSON object")
        return content


def _digest(path: Path) -> bytes:
    """Return the SHA-256 of a file.

    A file in the hub's cache is a link to a file that is named by its SHA-256, so nothing is read.
    """
    target = path.resolve()
    if target.parent.name == "blobs" and SHA256.fullmatch(target.name):
        return bytes.fromhex(target.name)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
