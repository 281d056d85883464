"""Find the pictures that a file of captions or labels names.

They are searched in the folder of the file, in the folders that the common datasets use, and in such folders next to
the file's own: COCO has `annotations/` next to `val2017/`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from reranker.images.formats import is_picture
from reranker.storage.text_files import is_folder

_FOLDERS: Final = (
    "images",
    "Images",
    "flickr30k-images",
    "flickr30k_images",
    "Flicker8k_Dataset",
    "val2017",
    "train2017",
    "val2014",
    "train2014",
    "validation",
    "test",
    "train",
)
EXAMPLE_FOLDERS: Final = "images, flickr30k-images, val2017"


class PictureFinder:
    """Finds the pictures of a file by their names; each folder is listed once. base: the folder of the file."""

    def __init__(self, base: Path) -> None:
        nearby = [base, *(base / name for name in _FOLDERS), *(base / ".." / name for name in _FOLDERS)]
        self._folders = [folder for folder in nearby if is_folder(folder)]
        self._files: dict[Path, Mapping[str, Path]] = {}

    def find(self, paths: Sequence[str]) -> Path | None:
        """Return the first picture that one of the paths leads to, with or without its extension, or None."""
        for candidate in (folder / path for folder in self._folders for path in paths):
            if candidate.parent not in self._files:
                self._files[candidate.parent] = _pictures_in(candidate.parent)
            if file := self._files[candidate.parent].get(candidate.name):
                return file
        return None


def _pictures_in(folder: Path) -> Mapping[str, Path]:
    """Return the pictures of a folder by name, and by stem if no picture has that as its name."""
    try:
        files = sorted(file for file in folder.iterdir() if is_picture(file.name))
    except (OSError, ValueError):  # ValueError: a name that no folder can have
        return {}
    return {file.stem: file for file in reversed(files)} | {file.name: file for file in files}
