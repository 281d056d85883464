"""Read the folder of a checkpoint in the Hugging Face layout, and check its files.

The folder has config.json, safetensors files, a tokenizer and preprocessor_config.json. It may also have
`reranker.json`, a file of this program: the settings that the checkpoint was trained with, and its calibration.
"""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from reranker.core.errors import CheckpointBroken, CheckpointMissing, CheckpointUnsupported
from reranker.models.architecture import Architecture
from reranker.models.hub import INDEX
from reranker.models.memory_plan import WeightCounts
from reranker.models.patchify import PatchSettings
from reranker.models.registry import ARCHITECTURES
from reranker.models.scoring.prompts import DEFAULT_INSTRUCTION

DEFAULT_DETAILS: Final = (256, 512, 1280)  # visual tokens, if reranker.json does not have them
SHA256: Final = re.compile(r"[0-9a-f]{64}")
HASHING_THREADS: Final = 4


@dataclass(frozen=True)
class CheckpointFiles:
    """The folder of a checkpoint whose weight files are complete and whose architecture is supported.

    name: of the model, for error messages. The constructor, and everything that reads a file later, raises
        `CheckpointMissing`, `CheckpointBroken` or `CheckpointUnsupported`.
    """

    name: str
    folder: Path

    def __post_init__(self) -> None:
        model_type = self._json("config.json").get("model_type")
        if model_type not in ARCHITECTURES:
            supported = " or ".join(map(repr, ARCHITECTURES))
            raise CheckpointUnsupported(name=self.name, reason=f"its architecture is {model_type!r}, not {supported}")
        for path in self.weights:
            if not path.is_file():
                raise CheckpointMissing(name=self.name, missing=path.name)
            self._check_complete(path)

    @property
    def architecture(self) -> Architecture:
        """The architecture of the network."""
        return ARCHITECTURES[self._json("config.json")["model_type"]]

    @cached_property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors files, sorted by name: those of the index, or all files if there is no index."""
        if (self.folder / INDEX).is_file():
            weight_map = self._json(INDEX).get("weight_map")
            if not isinstance(weight_map, dict) or not weight_map:
                raise CheckpointBroken(name=self.name, file=INDEX, reason="no weight_map")
            return tuple(self.folder / Path(str(name)).name for name in sorted(set(weight_map.values())))
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
    def weight_counts(self) -> WeightCounts:
        """The number of weights of each part of the network, by config.json."""
        try:
            config = self.architecture.config_class.from_pretrained(self.folder, local_files_only=True)
            return WeightCounts.from_config(self.architecture, config)
        except Exception as error:  # transformers raises errors of many types
            raise CheckpointBroken(name=self.name, file="config.json", reason=type(error).__name__) from error

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

    def patch_settings(self, patch_px: int) -> PatchSettings:
        """Return the settings of preprocessor_config.json, with those of the architecture for missing fields."""
        fields = self._json("preprocessor_config.json")
        defaults = self.architecture.patch_settings
        min_pixels, max_pixels = self._pixel_range(fields, defaults)
        return PatchSettings(
            patch_px=patch_px,
            merge=int(fields.get("merge_size", defaults.merge)),
            mean=tuple(fields.get("image_mean", defaults.mean)),
            std=tuple(fields.get("image_std", defaults.std)),
            min_pixels=min_pixels,
            max_pixels=max_pixels,
        )

    def _pixel_range(self, fields: dict[str, Any], defaults: PatchSettings) -> tuple[int, int]:
        """Return the smallest and the largest area, in either spelling: `min_pixels` or `size.shortest_edge`.

        transformers reads both, and prefers the former.
        """
        size = fields.get("size") or {}
        smallest = fields.get("min_pixels") or size.get("shortest_edge") or defaults.min_pixels
        largest = fields.get("max_pixels") or size.get("longest_edge") or defaults.max_pixels
        if not (isinstance(smallest, int) and isinstance(largest, int) and 0 < smallest <= largest):
            reason = "its pixel range is not two positive whole numbers, the smaller one first"
            raise CheckpointBroken(name=self.name, file="preprocessor_config.json", reason=reason)
        return smallest, largest

    @cached_property
    def _reranker_settings(self) -> dict[str, Any]:
        return self._json("reranker.json") if (self.folder / "reranker.json").is_file() else {}

    @property
    def temperature(self) -> float:
        """The temperature of the displayed score; 1 if the checkpoint was not calibrated."""
        return float(self._reranker_settings.get("temperature", 1.0))

    @property
    def relevance_threshold(self) -> float | None:
        """The lowest score, between 0 and 10, of a picture that fits its query; None if the checkpoint has none."""
        threshold = self._reranker_settings.get("fits")
        if threshold is not None and not (isinstance(threshold, int | float) and 0 < threshold < 10):
            reason = "“fits” is not a number between 0 and 10"
            raise CheckpointBroken(name=self.name, file="reranker.json", reason=reason)
        return threshold

    @property
    def instruction(self) -> str:
        """The instruction of reranker.json; `DEFAULT_INSTRUCTION` if it has none."""
        return str(self._reranker_settings.get("instruction", DEFAULT_INSTRUCTION))

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        """The visual tokens per picture at the lowest, the default and the highest detail."""
        details = self._reranker_settings.get("details", DEFAULT_DETAILS)
        numbers = list(details) if isinstance(details, (list, tuple)) else []
        if len(numbers) != len(DEFAULT_DETAILS) or not all(isinstance(n, int) and n > 0 for n in numbers):
            reason = "“details” is not a list of three positive whole numbers"
            raise CheckpointBroken(name=self.name, file="reranker.json", reason=reason)
        low, default, high = sorted(numbers)
        return low, default, high

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
