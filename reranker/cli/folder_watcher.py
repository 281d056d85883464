"""Pictures that another program writes into a folder, as they are complete."""

import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key


def arrivals(folder: Path, wait: Callable[[], object]) -> Iterator[list[Path]]:
    """Look by look, the pictures that are as they were at the look before: each once, and again after it changed.

    wait: called between two looks. It never ends by itself; a folder that cannot be read now is looked into again.
    """
    before: dict[Path, tuple[int, int]] = {}
    taken: dict[Path, tuple[int, int]] = {}
    while True:
        found = _pictures_in(folder)
        arrived = {path: state for path, state in found.items() if before.get(path) == state != taken.get(path)}
        taken |= arrived
        if arrived:
            yield sorted(arrived, key=natural_key)
        before = found
        wait()


def _pictures_in(folder: Path) -> dict[Path, tuple[int, int]]:
    """Of each its size in bytes, and when it was changed, in nanoseconds."""
    found = {}
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):  # gone since
                status = path.stat()
                if is_picture(path.name) and stat.S_ISREG(status.st_mode):
                    found[path] = status.st_size, status.st_mtime_ns
    return found
