"""The galleries of the server: folders whose pictures the page offers. They are only read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key

MAX_NAME_BYTES: Final = 240  # file systems allow 255, and the names of thumbnails are longer by ".jpg"


class Galleries:
    """Galleries by the names of their folders; equal names are numbered. hidden: a folder that no gallery shows."""

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
        """The names of the galleries, in the order of the folders."""
        return list(self._folders)

    def folder(self, name: str) -> Path | None:
        """Return the folder of a gallery, or None if no gallery has this name."""
        return self._folders.get(name)

    def locate(self, path: Path) -> tuple[str, Path] | None:
        """Return the name of the gallery that contains a resolved path, and the path relative to its folder.

        Returns None if no gallery contains it.
        """
        for name, folder in self._folders.items():
            if folder in path.parents:
                return name, path.relative_to(folder)
        return None

    def pictures(self, name: str, max_count: int) -> list[Path]:
        """Return the first pictures in a gallery and its subfolders.

        Hidden files and folders are left out, and so are links to other places, and names that are not valid text or
        too long for the name of a thumbnail.
        """
        folder = self._folders.get(name)
        if folder is None:
            return []
        pictures = (path.resolve() for path in _walk(folder) if is_picture(path.name) and _is_usable_name(path.name))
        inside = (path for path in pictures if folder in path.parents and self._hidden not in path.parents)
        return [path for path, _ in zip(inside, range(max_count), strict=False)]


def _is_usable_name(name: str) -> bool:
    try:
        return len(name.encode()) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False


def _walk(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir(), key=natural_key)
    except OSError:  # no permission, or deleted meanwhile
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        elif entry.is_file():
            yield entry
