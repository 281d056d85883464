"""The galleries of the server: folders whose pictures the page offers. They are only read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from reranker.core.text import distinct_names
from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key

MAX_NAME_BYTES: Final = 240  # file systems allow 255, and the names of thumbnails are longer by ".jpg"


class Galleries:
    """Galleries by the names of their folders; equal names are numbered. hidden: folders that no gallery shows."""

    def __init__(self, folders: Iterable[Path], hidden: Iterable[Path] = ()) -> None:
        resolved = [folder.expanduser().resolve() for folder in folders]
        self._folders = dict(zip(distinct_names(folder.name for folder in resolved), resolved, strict=True))
        self._hidden = {folder.resolve() for folder in hidden}

    @property
    def names(self) -> list[str]:
        """The names of the galleries, in the order of the folders."""
        return list(self._folders)

    def picture(self, name: str = "", *parts: str) -> Path | None:
        """Return the resolved path of a picture by the parts of its path in a gallery, if `pictures` would list it.

        Returns None otherwise. Whether the file exists is not asked.
        """
        folder = self._folders.get(name)
        if folder is None:
            return None
        path = folder.joinpath(*parts).resolve()
        return path if self._shows(folder, path) else None

    def pictures(self, name: str, max_count: int) -> list[Path]:
        """Return the first pictures in a gallery and its subfolders.

        Hidden files and folders are left out, and so are links to other places or to hidden ones, and names that are
        not valid text or too long for the name of a thumbnail.
        """
        folder = self._folders.get(name)
        if folder is None:
            return []
        resolved = (path.resolve() for path in _walk(folder) if is_picture(path.name))
        shown: dict[Path, None] = {}  # a link to another picture of the gallery is no second one
        for path in resolved:
            if len(shown) == max_count:
                break
            if self._shows(folder, path):
                shown[path] = None
        return list(shown)

    def _shows(self, folder: Path, path: Path) -> bool:
        """Return whether the gallery in a folder shows the picture at a resolved path, by the path alone."""
        if folder not in path.parents or not self._hidden.isdisjoint(path.parents):
            return False
        parts = path.relative_to(folder).parts
        return is_picture(path.name) and not any(part.startswith(".") for part in parts) and _are_usable(parts)


def _are_usable(parts: tuple[str, ...]) -> bool:
    """Return whether the names of folders and of a file are text, and the last is short enough for a thumbnail."""
    try:
        *_, name = (part.encode() for part in parts)
    except UnicodeEncodeError:
        return False
    return len(name) <= MAX_NAME_BYTES


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
