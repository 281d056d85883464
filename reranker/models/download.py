"""Fetches a model's files from the hub into its library's cache: only when somebody asks, only safetensors, no code.

The library begins a large file anew when it broke off, hours ago perhaps. So those come by our own hand, named by their
digests as the library's cache has them; it then fetches the small ones and links all of them to their names.
"""

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    WeakFileLock,
    build_hf_headers,
    filter_repo_objects,
)
from tqdm import tqdm

from reranker.core.errors import CheckpointBroken, DownloadFailed, DownloadFailureReason
from reranker.models.hub import WANTED, repository_of

MAIN = "main"
Report = Callable[[int, int], None]  # bytes that are here, bytes in all


def download(model: str, revision: str = "", report: Report = lambda done, total: None) -> Path:
    """Fetch what is missing of a model's files, go on where an earlier try ended, and compare all with their digests.

    Returns the folder. Raises `DownloadFailed`, and `CheckpointBroken` where a file arrived with another digest than
    the hub's; it is removed, to be fetched again.
    """
    repository = repository_of(model)
    if repository is None:
        raise DownloadFailed(name=model, reason="not on the hub")
    constants.HF_HUB_DISABLE_TELEMETRY = True  # it would tell what else is installed here
    with _told_as(model):
        commit = str(huggingface_hub.HfApi().repo_info(repository, revision=revision or MAIN).sha)
        large = [file for file in _wanted(repository, commit) if file.lfs is not None]
        blobs = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repository, repo_type="model"), "blobs")
        _check_room(model, blobs, large)
        done, total = 0, sum(file.size for file in large)
        for file in large:
            _bring(model, repository, commit, file, blobs, partial(_report_behind, report, done, total))
            done += file.size
        return Path(huggingface_hub.snapshot_download(repository, revision=revision or MAIN, allow_patterns=WANTED))


def _report_behind(report: Report, before: int, total: int, here: int) -> None:
    report(before + here, total)


@contextmanager
def _told_as(model: str) -> Iterator[None]:
    try:
        yield
    except (HTTPError, OSError) as error:
        raise DownloadFailed(name=model, reason=_trouble(error)) from error


def _trouble(error: Exception) -> DownloadFailureReason:
    if isinstance(error, OfflineModeIsEnabled):
        return "offline"
    if isinstance(error, GatedRepoError):
        return "gated"
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return "unknown"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "no space"
    if isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "no access"
    return "network"


def _wanted(repository: str, commit: str) -> list[RepoFile]:
    tree = huggingface_hub.HfApi().list_repo_tree(repository, recursive=True, revision=commit)
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    return list(filter_repo_objects(files, allow_patterns=WANTED, key=lambda file: file.path))


def _check_room(model: str, blobs: Path, files: list[RepoFile]) -> None:
    """Before hours of work rather than after. Raises `DownloadFailed`."""
    blobs.mkdir(parents=True, exist_ok=True)
    if sum(file.size - _here(blobs, file) for file in files) > shutil.disk_usage(blobs).free:
        raise DownloadFailed(name=model, reason="no space")


def _here(blobs: Path, file: RepoFile) -> int:
    """Bytes of a file that need no fetching."""
    assert file.lfs is not None, "large files are known by their sha256"
    places = (blobs / file.lfs.sha256, blobs / f"{file.lfs.sha256}.part")
    return min(file.size, max(place.stat().st_size if place.exists() else 0 for place in places))


def _bring(
    model: str, repository: str, commit: str, file: RepoFile, blobs: Path, report: Callable[[int], None]
) -> None:
    """One large file into its place; what is there already is compared, and stays where it is."""
    assert file.lfs is not None, "large files are known by their sha256"
    blob, part = blobs / file.lfs.sha256, blobs / f"{file.lfs.sha256}.part"
    with WeakFileLock(blobs / f"{blob.name}.lock"):
        if blob.exists():
            report(file.size)
            if _sha256(blob) == blob.name:
                return
            blob.unlink()
        _go_on(huggingface_hub.hf_hub_url(repository, file.path, revision=commit), part, file.size, report)
        if _sha256(part) != blob.name:
            part.unlink()
            raise CheckpointBroken(name=model, file=file.path, reason="digest")
        part.replace(blob)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _go_on(url: str, part: Path, size: int, report: Callable[[int], None]) -> None:
    """Behind what is there already."""
    here = part.stat().st_size if part.exists() else 0
    report(here)
    if here < size:
        with part.open("ab") as stream:
            http_get(
                url,
                stream,
                resume_size=here,
                headers=build_hf_headers(),
                expected_size=size,
                tqdm_class=_reporting_bar(report),
            )


def _reporting_bar(report: Callable[[int], None]) -> type[tqdm]:
    """What the hub's library takes for a progress bar, which shows nothing and tells how far it is."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *items: Any, **shown: Any) -> None:
            super().__init__(*items, **(shown | {"disable": True}))

        def update(self, count: float | None = 1) -> None:
            self.n += int(count or 0)
            report(self.n)

    return Bar
