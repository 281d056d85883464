"""Find the files of a model on this machine, by its name. Only `reranker.models.download` connects to the hub."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import huggingface_hub
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from reranker.config.paths import ASSETS
from reranker.core.errors import CheckpointMissing, CheckpointNotDownloaded

TOYBOX: Final = ASSETS / "toybox"
EMBEDDED: Final = {"toybox": TOYBOX, "toybox-encoder": ASSETS / "toybox-encoder"}  # on every machine
REPOSITORIES: Final = {
    "lychee": "vec-ai/lychee-rerank-mm",
    "lychee-3b": "vec-ai/lychee-rerank-mm-3b",
    "qwen2.5-vl-7b": "Qwen/Qwen2.5-VL-7B-Instruct",
    "qwen2.5-vl-3b": "Qwen/Qwen2.5-VL-3B-Instruct",
    "qwen3-vl-reranker-2b": "Qwen/Qwen3-VL-Reranker-2B",
    "qwen3-vl-reranker-8b": "Qwen/Qwen3-VL-Reranker-8B",
    "qwen3-vl-2b": "Qwen/Qwen3-VL-2B-Instruct",
    "qwen3-vl-4b": "Qwen/Qwen3-VL-4B-Instruct",
    "qwen3-vl-8b": "Qwen/Qwen3-VL-8B-Instruct",
}
ENCODERS: Final = {
    "siglip2": "google/siglip2-base-patch16-256",
    "siglip2-so400m": "google/siglip2-so400m-patch14-384",
    "chinese-clip": "OFA-Sys/chinese-clip-vit-base-patch16",
    "git-rsclip": "lcybuaa/Git-RSCLIP",
}
TEMPLATES: Final = {"git-rsclip": "a remote sensing image of {}"}  # what texts are put into
LANGUAGES: Final = {"chinese-clip": ("zh",), "git-rsclip": ("en",)}  # that an encoder reads; others read both
GIGABYTES: Final = {
    "lychee": 16.6,
    "lychee-3b": 7.5,
    "qwen2.5-vl-7b": 16.6,
    "qwen2.5-vl-3b": 7.5,
    "qwen3-vl-reranker-2b": 4.3,
    "qwen3-vl-2b": 4.3,
}
INDEX: Final = "model.safetensors.index.json"
LARGE_GPU_BYTES: Final = 15 * 2**30  # from which the weights of lychee fit in BF16: a GPU that is sold with 16 GB
# The models of "auto", best first: on a GPU of that size, and on a smaller one.
BEST_LARGE: Final = ("lychee", "qwen3-vl-reranker-8b", "qwen3-vl-reranker-2b")
BEST_SMALL: Final = ("qwen3-vl-reranker-2b", "lychee-3b", "lychee")
DOWNLOADED_FILES: Final = ["*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.txt", "README.md", "LICENSE*"]

Reason = Literal["named", "GPU", "no GPU", "not downloaded"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The model that scores, by a name other than "auto", and why.

    reason: "named" if the user named it; "GPU" if there is a GPU and the files of the model are on this machine; "no
        GPU" or "not downloaded" if the toybox is used instead. best: the model that should be downloaded then.
    """

    name: str
    reason: Reason
    best: str = BEST_LARGE[0]


def choose(model: str, revision: str, gpu_bytes: Callable[[], int]) -> Choice:
    """Return the model of a setting; of "auto", the best one on this machine for its GPU.

    gpu_bytes: returns the memory of the GPU, 0 without one; called for "auto" only.
    """
    if model != "auto":
        return Choice(name=model, reason="named")
    memory = gpu_bytes()
    if not memory:
        return Choice(name="toybox", reason="no GPU")
    best = BEST_LARGE if memory >= LARGE_GPU_BYTES else BEST_SMALL
    found = next((name for name in best if not is_missing(name, revision)), None)
    if found is None:
        return Choice(name="toybox", reason="not downloaded", best=best[0])
    return Choice(name=found, reason="GPU", best=best[0])


def repository_of(model: str) -> str | None:
    """Return the id of a model's repository on the hub; None for the toybox and for folders."""
    if known := REPOSITORIES.get(model) or ENCODERS.get(model):
        return known
    if model in EMBEDDED or model.count("/") != 1 or _folder_at(model) is not None:
        return None
    try:
        validate_repo_id(model)
    except HFValidationError:
        return None
    return model


def folder_of(model: str, revision: str = "") -> Path:
    """Return the folder of a model: "toybox", one of `REPOSITORIES`, an id of the hub, or a path.

    Models of the hub are read from the cache of its library. Raises `CheckpointMissing` if a path does not exist, and
    `CheckpointNotDownloaded` if files of a model of the hub are not on this machine.
    """
    if model in EMBEDDED:
        return EMBEDDED[model]
    repository = repository_of(model)
    if repository is not None:
        return _snapshot(model, repository, revision)
    folder = _folder_at(model)
    if folder is None:
        raise CheckpointMissing(name=model)
    return folder


def _folder_at(path: str) -> Path | None:
    """Return the folder at a path, in which `~` is a home folder; None if there is none."""
    try:
        folder = Path(path).expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):  # longer than a name can be; the home of a user who does not exist
        return None


def _snapshot(model: str, repository: str, revision: str) -> Path:
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision or None, allow_patterns=DOWNLOADED_FILES, local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        raise CheckpointNotDownloaded(name=model) from None
    if not _is_complete(folder):  # the library cannot tell if another program downloaded only some of the files
        raise CheckpointNotDownloaded(name=model)
    return folder


def _is_complete(folder: Path) -> bool:
    """Whether config.json and all weight files exist."""
    try:
        names = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        weights = [(folder / str(name)).is_file() for name in set(names)]
    except FileNotFoundError:
        weights = [path.is_file() for path in folder.glob("*.safetensors")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        weights = []
    return bool(weights) and all(weights) and (folder / "config.json").is_file()


def is_missing(model: str, revision: str = "") -> bool:
    """Whether a model is on the hub and some of its files are not on this machine."""
    repository = repository_of(model)
    if repository is None:
        return False
    try:
        _snapshot(model, repository, revision)
    except CheckpointNotDownloaded:
        return True
    return False
