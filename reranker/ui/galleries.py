"""Folders of the server whose pictures the page offers; they are only ever read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key

MOST_NAME_BYTES: Final = 240  # of 255, as ".jpg" is put behind it


class Galleries:
    """By the names of the folders, numbered where two have the same. hidden: a folder that is left out of all."""

    def __init__(self, folders: Iterable[Path], hidden: Path | None = None) -> None:
        self._folders: dict[str, Path] = {}
        self._hidden = hidden
        for folder in folders:
            resolved = folder.expanduser().resolve()
            name, count = resolved.name, 1
            while name in self._folders:
                count += 1
                name = f"{resolved.name} ({count})"
            self._folders[name] = resolved

    @property
    def names(self) -> list[str]:
        """In the order they were named in."""
        return list(self._folders)

    def folder(self, name: str) -> Path | None:
        """None where there is none of that name."""
        return self._folders.get(name)

    def holding(self, path: Path) -> tuple[str, Path] | None:
        """The gallery that a resolved path lies in, and where in it; None where it lies in none."""
        for name, folder in self._folders.items():
            if folder in path.parents:
                return name, path.relative_to(folder)
        return None

    def pictures(self, name: str, most: int) -> list[Path]:
        """The first pictures of a gallery and the folders in it.

        Left out are hidden ones, links to elsewhere, and names that are no text or too long to have a thumbnail.
        """
        folder = self._folders.get(name)
        if folder is None:
            return []
        found = (path.resolve() for path in _walked(folder) if is_picture(path.name) and _has_plain_name(path))
        inside = (path for path in found if folder in path.parents and self._hidden not in path.parents)
        return [path for path, _ in zip(inside, range(most), strict=False)]


def _has_plain_name(path: Path) -> bool:
    try:
        return len(path.name.encode()) <= MOST_NAME_BYTES
    except UnicodeEncodeError:
        return False


def _walked(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=natural_key)
    except OSError:  # may not be read, or has just gone
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walked(entry)
        elif entry.is_file():
            yield entry
