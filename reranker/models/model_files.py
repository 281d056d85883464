"""The files that every kind of model has: config.json, safetensors weights, a tokenizer, image processor settings.

The layout is that of Hugging Face.
"""

import hashlib
import json
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from reranker.core.errors import (
    CheckpointBroken,
    CheckpointFieldInvalid,
    CheckpointMissing,
    CheckpointUnsupported,
    FieldRule,
)
from reranker.models.hub import INDEX
from reranker.models.picture_preprocessing import NESTED, PREPROCESSOR_FILE, PROCESSOR_FILE, PreprocessorFields

WEIGHT_FILE: Final = re.compile(r"[\w.-]{1,200}\.safetensors", re.ASCII)  # in the folder itself
SHA256: Final = re.compile(r"[0-9a-f]{64}")
HASHING_THREADS: Final = 4
CONFIG: Final = "config.json"


@dataclass(frozen=True)
class ModelFiles:
    """The folder of a model whose weight files are complete and whose `model_type` is supported.

    name: of the model, for error messages. The constructor, and everything that reads a file later, raises
        `CheckpointMissing`, `CheckpointBroken` or `CheckpointUnsupported`.
    """

    name: str
    folder: Path

    supported: ClassVar[Collection[str]]
    """The values of `model_type` in config.json that a class reads."""

    def __post_init__(self) -> None:
        model_type = self.read_json(CONFIG).get("model_type")
        if not isinstance(model_type, str) or model_type not in self.supported:
            supported = " or ".join(map(repr, self.supported))
            raise CheckpointUnsupported(
                name=self.name, reason=f"its architecture is {model_type!r:.40}, not {supported}"
            )
        for path in self.weights:
            if not path.is_file():
                raise CheckpointMissing(name=self.name, missing=path.name)
            self._check_complete(path)

    @property
    def model_type(self) -> str:
        """The architecture of the network, by config.json."""
        return str(self.read_json(CONFIG)["model_type"])

    @cached_property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors files, sorted by name: those of the index, or all files if there is no index."""
        if (self.folder / INDEX).is_file():
            weight_map = self.read_json(INDEX).get("weight_map")
            names = set(map(str, weight_map.values())) if isinstance(weight_map, dict) else set()
            if not names or not all(map(WEIGHT_FILE.fullmatch, names)):
                raise self.invalid(INDEX, "weight_map", "files")
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

    def preprocessor_fields(self) -> PreprocessorFields:
        """Return the settings of the image processor: those that transformers would read if there are several."""
        if (self.folder / PROCESSOR_FILE).is_file():
            nested = self.read_json(PROCESSOR_FILE).get(NESTED)
            if isinstance(nested, dict):
                return PreprocessorFields(name=self.name, file=PROCESSOR_FILE, fields=nested)
            if nested is not None:
                raise self.invalid(PROCESSOR_FILE, NESTED, "object")
        if not (self.folder / PREPROCESSOR_FILE).is_file():
            raise CheckpointMissing(name=self.name, missing="preprocessing")
        return PreprocessorFields(name=self.name, file=PREPROCESSOR_FILE, fields=self.read_json(PREPROCESSOR_FILE))

    def invalid(self, file: str, field: str, rule: FieldRule) -> CheckpointFieldInvalid:
        """Return the error of a field that breaks a rule."""
        return CheckpointFieldInvalid(name=self.name, file=file, field=field, reason=rule)

    def read_json(self, file: str) -> dict[str, Any]:
        """Return the object in a JSON file of the folder."""
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
