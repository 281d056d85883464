"""Temporary folders of programs: each is removed when its program ends, or by the next program if it was killed."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock

PREFIX: Final = "reranker-"
LOCK_NAME: Final = ".reranker-lock"  # the program that the folder belongs to holds it as long as it runs


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder, and remove it at the end. parent: where; the system's folder for temporary files if None.

    Removes the folders of programs that ended without removing theirs. Raises `OSError`.
    """
    parent = parent or Path(tempfile.gettempdir())
    remove_abandoned(parent)
    folder, lock = _create(parent)
    try:
        files = folder / "files"  # without the lock, so that nobody who lists or serves them comes across it
        files.mkdir()
        yield files
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Remove the folders whose programs do not run any more. Those of other users and without a lock are kept."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # its program runs, or another program removes it, too
            if _is_own_folder(folder) and (folder / LOCK_NAME).is_file():
                with FileLock(folder / LOCK_NAME, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


def _create(parent: Path) -> tuple[Path, FileLock]:
    """Return a new folder and its lock, which is held. Raises `OSError`."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = FileLock(folder / LOCK_NAME, thread_local=False)
        with suppress(FileNotFoundError):
            lock.acquire()
        if (folder / LOCK_NAME).exists():  # else another program has taken it for abandoned before it was locked
            return folder, lock
        lock.release()


def _is_own_folder(path: Path) -> bool:
    """Return whether the path is a folder, not a link to one, that this user has made. Raises `OSError`."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and (os.name == "nt" or status.st_uid == os.getuid())
