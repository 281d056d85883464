"""A checkpoint's folder, in Hugging Face layout: config.json, safetensors, a tokenizer, preprocessor_config.json.

`reranker.json` beside them is ours and optional: what the checkpoint was taught at and how its scores are shown.
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
from reranker.models.memory_plan import Sizes
from reranker.models.patchify import PatchSettings
from reranker.models.registry import ARCHITECTURES
from reranker.models.scoring.prompts import INSTRUCTIONS

DEFAULT_DETAILS: Final = (256, 512, 1280)  # visual tokens, where the checkpoint does not say its own
SHA256: Final = re.compile(r"[0-9a-f]{64}")
HASHED_AT_ONCE: Final = 4


@dataclass(frozen=True)
class CheckpointFiles:
    """A folder whose weight files are there and whole, of the architecture that is judged with.

    `name` is the one that people know the model by. Raises `CheckpointMissing`, `CheckpointBroken`,
    `CheckpointUnsupported`, here and wherever a file is read.
    """

    name: str
    folder: Path

    def __post_init__(self) -> None:
        model_type = self._json("config.json").get("model_type")
        if model_type not in ARCHITECTURES:
            known = " or ".join(map(repr, ARCHITECTURES))
            raise CheckpointUnsupported(name=self.name, reason=f"its architecture is {model_type!r}, not {known}")
        for path in self.weights:
            if not path.is_file():
                raise CheckpointMissing(name=self.name, missing=path.name)
            self._check_whole(path)

    @property
    def architecture(self) -> Architecture:
        """The architecture of the network."""
        return ARCHITECTURES[self._json("config.json")["model_type"]]

    @cached_property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors, in the order of their names: those of the index where there is one, else all."""
        if (self.folder / INDEX).is_file():
            places = self._json(INDEX).get("weight_map")
            if not isinstance(places, dict) or not places:
                raise CheckpointBroken(name=self.name, file=INDEX, reason="no weight_map")
            return tuple(self.folder / Path(str(name)).name for name in sorted(set(places.values())))
        paths = tuple(sorted(self.folder.glob("*.safetensors")))
        if not paths:
            raise CheckpointMissing(name=self.name, missing="*.safetensors")
        return paths

    def _check_whole(self, path: Path) -> None:
        """A safetensors file says in its header where its last weight ends."""
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = file.read(size) if size < path.stat().st_size else b""
            if len(header) < size or not size:
                raise CheckpointBroken(name=self.name, file=path.name, reason="truncated")
            places = [entry["data_offsets"] for name, entry in json.loads(header).items() if name != "__metadata__"]
            ends = 8 + size + max((end for _, end in places), default=0)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointBroken(name=self.name, file=path.name, reason=type(error).__name__) from None
        if path.stat().st_size < ends:
            raise CheckpointBroken(name=self.name, file=path.name, reason="truncated")

    @cached_property
    def sizes(self) -> Sizes:
        """Of the network that config.json describes."""
        try:
            config = self.architecture.config_class.from_pretrained(self.folder, local_files_only=True)
            return Sizes.described(self.architecture, config)
        except Exception as error:  # transformers checks what it reads in ways of its own
            raise CheckpointBroken(name=self.name, file="config.json", reason=type(error).__name__) from error

    @cached_property
    def digest(self) -> str:
        """sha256 over the digests of the weight files."""
        with ThreadPoolExecutor(HASHED_AT_ONCE) as threads:
            digests = list(threads.map(_digest, self.weights))
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Without code of its own."""
        try:
            return AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:
            raise CheckpointBroken(name=self.name, file="tokenizer.json", reason=type(error).__name__) from error

    def patch_settings(self, patch_px: int) -> PatchSettings:
        """How pixels become patches; what the file does not say is as published."""
        described = self._json("preprocessor_config.json")
        plain = self.architecture.patch_settings
        return PatchSettings(
            patch_px=patch_px,
            merge=int(described.get("merge_size", plain.merge)),
            mean=tuple(described.get("image_mean", plain.mean)),
            std=tuple(described.get("image_std", plain.std)),
        )

    @cached_property
    def _ours(self) -> dict[str, Any]:
        return self._json("reranker.json") if (self.folder / "reranker.json").is_file() else {}

    @property
    def temperature(self) -> float:
        """T of the score that people see; 1 where the checkpoint was not calibrated."""
        return float(self._ours.get("temperature", 1.0))

    @property
    def relevance_threshold(self) -> float | None:
        """The score of 10 from which a picture fits its query; None where the checkpoint does not know."""
        line = self._ours.get("fits")
        if line is not None and not (isinstance(line, int | float) and 0 < line < 10):
            raise CheckpointBroken(name=self.name, file="reranker.json", reason="fits is no score")
        return line

    @property
    def instruction(self) -> str:
        """What it was taught with, where it says so; else what suits photographs."""
        return str(self._ours.get("instruction", INSTRUCTIONS["photo"]))

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        """Visual tokens at the lowest, the usual and the highest detail."""
        described = self._ours.get("details", DEFAULT_DETAILS)
        numbers = list(described) if isinstance(described, (list, tuple)) else []
        if len(numbers) != len(DEFAULT_DETAILS) or not all(isinstance(n, int) and n > 0 for n in numbers):
            raise CheckpointBroken(name=self.name, file="reranker.json", reason="details are not three numbers")
        low, usual, high = sorted(numbers)
        return low, usual, high

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
    """sha256 of a file; in the hub's cache it is the name of what the file links to, so that nothing is read."""
    target = path.resolve()
    if target.parent.name == "blobs" and SHA256.fullmatch(target.name):
        return bytes.fromhex(target.name)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
