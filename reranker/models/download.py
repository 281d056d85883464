"""Download the files of a model from the hub into the cache of its library: only safetensors weights, and no code.

If the download of a large file was interrupted, the library starts it again from the beginning. Therefore this module
downloads large files itself and resumes them, to the paths that they have in the library's cache, which are named by
SHA-256. The library then downloads the small files and links all files to their names.
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
from reranker.models.hub import DOWNLOADED_FILES, repository_of

MAIN = "main"
Report = Callable[[int, int], None]  # bytes that are on the disk, bytes in all


def download(model: str, revision: str = "", report: Report = lambda done, total: None) -> Path:
    """Download the missing files of a model, resume partial files, and check the SHA-256 of all large files.

    Returns the folder. Raises `DownloadFailed`, and `CheckpointBroken` if the SHA-256 of a file differs from that on
    the hub; the file is then removed.
    """
    repository = repository_of(model)
    if repository is None:
        raise DownloadFailed(name=model, reason="not on the hub")
    constants.HF_HUB_DISABLE_TELEMETRY = True  # the requests would list installed packages
    with _as_download_failed(model):
        commit = str(huggingface_hub.HfApi().repo_info(repository, revision=revision or MAIN).sha)
        large = [file for file in _list_files(repository, commit) if file.lfs is not None]
        blobs = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repository, repo_type="model"), "blobs")
        _check_disk_space(model, blobs, large)
        done, total = 0, sum(file.size for file in large)
        for file in large:
            _download_large(model, repository, commit, file, blobs, partial(_report_after, report, done, total))
            done += file.size
        snapshot = huggingface_hub.snapshot_download(
            repository, revision=revision or MAIN, allow_patterns=DOWNLOADED_FILES
        )
        return Path(snapshot)


def _report_after(report: Report, done: int, total: int, done_of_file: int) -> None:
    report(done + done_of_file, total)


@contextmanager
def _as_download_failed(model: str) -> Iterator[None]:
    """Raise errors of the network and of the disk as `DownloadFailed`."""
    try:
        yield
    except (HTTPError, OSError) as error:
        raise DownloadFailed(name=model, reason=_failure_reason(error)) from error


def _failure_reason(error: Exception) -> DownloadFailureReason:
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


def _list_files(repository: str, commit: str) -> list[RepoFile]:
    tree = huggingface_hub.HfApi().list_repo_tree(repository, recursive=True, revision=commit)
    files = [entry for entry in tree if isinstance(entry, RepoFile)]
    return list(filter_repo_objects(files, allow_patterns=DOWNLOADED_FILES, key=lambda file: file.path))


def _check_disk_space(model: str, blobs: Path, files: list[RepoFile]) -> None:
    """Raise `DownloadFailed` if the files do not fit on the disk, before a download of perhaps hours."""
    blobs.mkdir(parents=True, exist_ok=True)
    if sum(file.size - _present_bytes(blobs, file) for file in files) > shutil.disk_usage(blobs).free:
        raise DownloadFailed(name=model, reason="no space")


def _present_bytes(blobs: Path, file: RepoFile) -> int:
    """Return the number of bytes of a file that are on the disk already."""
    assert file.lfs is not None, "large files have a SHA-256"
    paths = (blobs / file.lfs.sha256, blobs / f"{file.lfs.sha256}.part")
    return min(file.size, max(path.stat().st_size if path.exists() else 0 for path in paths))


def _download_large(
    model: str, repository: str, commit: str, file: RepoFile, blobs: Path, report: Callable[[int], None]
) -> None:
    """Download one large file and check its SHA-256. If the file exists already, only check it."""
    assert file.lfs is not None, "large files have a SHA-256"
    blob, part = blobs / file.lfs.sha256, blobs / f"{file.lfs.sha256}.part"
    with WeakFileLock(blobs / f"{blob.name}.lock"):
        if blob.exists():
            report(file.size)
            if _sha256(blob) == blob.name:
                return
            blob.unlink()
        _resume(huggingface_hub.hf_hub_url(repository, file.path, revision=commit), part, file.size, report)
        if _sha256(part) != blob.name:
            part.unlink()
            raise CheckpointBroken(name=model, file=file.path, reason="digest")
        part.replace(blob)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _resume(url: str, part: Path, size: int, report: Callable[[int], None]) -> None:
    """Append the missing bytes to a partial file."""
    present = part.stat().st_size if part.exists() else 0
    report(present)
    if present < size:
        with part.open("ab") as stream:
            http_get(
                url,
                stream,
                resume_size=present,
                headers=build_hf_headers(),
                expected_size=size,
                tqdm_class=_reporting_bar(report),
            )


def _reporting_bar(report: Callable[[int], None]) -> type[tqdm]:
    """Return a progress bar for the library of the hub that shows nothing and calls `report` instead."""

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **(kwargs | {"disable": True}))

        def update(self, count: float | None = 1) -> None:
            self.n += int(count or 0)
            report(self.n)

    return Bar
