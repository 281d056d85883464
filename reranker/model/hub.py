"""A model's name -> its files on the disk. Nothing here asks the hub for anything; `download` does."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import huggingface_hub
from huggingface_hub.errors import LocalEntryNotFoundError

from reranker.errors import CheckpointMissing, CheckpointNotFetched

TOYBOX: Final = Path(__file__).resolve().parents[2] / "assets" / "toybox"
REPOSITORIES: Final = {
    "lychee": "vec-ai/lychee-rerank-mm",
    "lychee-3b": "vec-ai/lychee-rerank-mm-3b",
    "qwen2.5-vl-7b": "Qwen/Qwen2.5-VL-7B-Instruct",
    "qwen2.5-vl-3b": "Qwen/Qwen2.5-VL-3B-Instruct",
}
GIGABYTES: Final = {"lychee": 16.6, "lychee-3b": 7.5, "qwen2.5-vl-7b": 16.6, "qwen2.5-vl-3b": 7.5}
BEST: Final = "lychee"  # what "auto" would have
WANTED: Final = ["*.safetensors", "*.json", "*.jinja", "merges.txt", "README.md", "LICENSE*"]
HUB_ID: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)

Reason = Literal["asked", "card", "no card", "not downloaded"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which model is to judge, by a name other than "auto", and why.

    "asked": somebody named it. "card": there is a graphics card, and the files of `BEST` are here. Else it is the
    toybox, since there is "no card", or since those files are "not downloaded".
    """

    name: str
    reason: Reason


def choose(model: str, revision: str, has_card: Callable[[], bool]) -> Choice:
    """What a setting means; `has_card` is asked for "auto" alone."""
    if model != "auto":
        return Choice(name=model, reason="asked")
    if not has_card():
        return Choice(name="toybox", reason="no card")
    if is_missing(BEST, revision):
        return Choice(name="toybox", reason="not downloaded")
    return Choice(name=BEST, reason="card")


def repository_of(model: str) -> str | None:
    """Where on the hub a name's files are; None for the toybox and for folders."""
    if model in REPOSITORIES:
        return REPOSITORIES[model]
    if model == "toybox" or Path(model).expanduser().is_dir() or not HUB_ID.fullmatch(model):
        return None
    return model


def folder_of(model: str, revision: str = "") -> Path:
    """The folder that a name means: "toybox", one of `REPOSITORIES`, an id of the hub, or a path.

    Looks on this machine only, for names of the hub in its library's cache. Raises `CheckpointMissing` and
    `CheckpointNotFetched`.
    """
    if model == "toybox":
        return TOYBOX
    repository = repository_of(model)
    if repository is not None:
        return _snapshot(model, repository, revision)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise CheckpointMissing(name=model)
    return folder


def _snapshot(model: str, repository: str, revision: str) -> Path:
    try:
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision or None, allow_patterns=WANTED, local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        raise CheckpointNotFetched(name=model) from None


def is_missing(model: str, revision: str = "") -> bool:
    """Whether it is a model of the hub whose files are not all on this machine."""
    repository = repository_of(model)
    if repository is None:
        return False
    try:
        _snapshot(model, repository, revision)
    except CheckpointNotFetched:
        return True
    return False
