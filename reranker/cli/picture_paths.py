"""Which pictures a path on the command line stands for."""

import os
from collections.abc import Iterator
from pathlib import Path

from reranker.cli.console import Refused, printable, say
from reranker.core.types import Candidate
from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key


def candidates_of(path: str, recursive: bool) -> list[Candidate]:
    """What a path stands for, named as it was typed; pictures of a folder in natural order. Raises `Refused`."""
    if not _is_folder(path):
        return [Candidate(name=path, source=Path(path))]
    found = sorted(_pictures_in(path, recursive), key=natural_key)
    if not found:
        where = "in it or in its folders" if recursive else "in it; add --recursive to look into its folders too"
        raise Refused(f"The folder “{printable(path)}” has no pictures {where}.")
    return [Candidate(name=str(file), source=file) for file in found]


def is_there(path: str) -> bool:
    """Whether it is a picture by its name, or anything at all on the disk; a sentence is neither."""
    try:
        return is_picture(Path(path).name) or Path(path).exists()
    except OSError:  # longer than a name can be
        return False


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # whatever hinders us, reading the picture will say it
        return False


def _pictures_in(folder: str, recursive: bool) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        closed = f"The folder “{printable(str(error.filename))}” cannot be opened"
        if error.filename == folder:
            raise Refused(f"{closed}; check its permissions.")
        say(f"{closed} and was left out.")

    for here, folders, files in os.walk(folder, onerror=complain):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        yield from (Path(here, name) for name in files if is_picture(name))
