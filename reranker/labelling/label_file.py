"""Read and write the label file: JSON Lines as `evaluation.datasets.json_lines` reads them, a line a labelled set.

It is read anew for every change, and lines that nobody changed stay as they are, so that what another program wrote
there is not lost.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

from reranker.evaluation.datasets.json_lines import as_line
from reranker.evaluation.datasets.reading import Faults, is_text, read_objects
from reranker.labelling.labelled_query import LabelledQuery
from reranker.storage.atomic_write import write_atomically

PLAIN: Final = {"query", "pictures", "relevant"}


@dataclass(frozen=True, kw_only=True)
class LabelledLine:
    """number: of the line, from 1. is_plain: there is no more in it than a set that was marked has."""

    number: int
    marked: LabelledQuery
    is_plain: bool


class LabelFile:
    """One file, which need not exist yet; for several threads. All methods raise `DatasetInvalid` and `OSError`."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = absolute(path), Lock()
        self._places: dict[str, Path] = {}  # of the names in the file, which has each a hundred times

    @property
    def name(self) -> str:
        """Without folders."""
        return self._path.name

    def read(self) -> list[LabelledLine]:
        """What it holds by now."""
        if not self._path.exists():
            return []
        faults = Faults(self.name)
        found = [self._line(number, record, faults) for number, record in read_objects(self._path, faults)]
        if len(faults):
            faults.dataset(self._path, ())
        return [line for line in found if line is not None]

    def add(self, marked: LabelledQuery) -> None:
        """As a new line at its end."""
        line = self._written(marked).encode()
        with self._lock:
            self.read()
            with self._path.open("ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    line = line if file.read() == b"\n" else b"\n" + line
                file.write(line)

    def change(self, number: int, query: str, marked: LabelledQuery | None) -> bool:
        """Put another set, or none, into the place of the one with this query on this line; False where it is not there
        any more. The file is replaced as a whole."""
        with self._lock:
            if not any((line.number, line.marked.query) == (number, query) for line in self.read()):
                return False
            lines = self._path.read_bytes().decode("utf-8-sig").split("\n")
            lines[number - 1 : number] = [] if marked is None else [self._written(marked).removesuffix("\n")]
            write_atomically("\n".join(lines).encode(), self._path)
            return True

    def _written(self, marked: LabelledQuery) -> str:
        return as_line(marked.query, [*map(self._text, marked.pictures)], [*map(self._text, marked.relevant)])

    def _text(self, picture: Path) -> str:
        """Where a picture is, from the file's folder, or as it is on another drive."""
        try:
            return Path(os.path.relpath(picture, self._path.parent)).as_posix()
        except ValueError:
            return picture.as_posix()

    def _line(self, number: int, record: dict[str, Any], faults: Faults) -> LabelledLine | None:
        misfits = [field for field, fits in _FIELDS.items() if not fits(record.get(field))]
        for field in misfits:
            faults.add(self._path, number, "field", field)
        if misfits:
            return None
        relevant, is_plain = _right_ones(record["relevant"]), set(record) == PLAIN
        marked = LabelledQuery(
            query=record["query"], pictures=self._paths(record["pictures"]), relevant=self._paths(relevant)
        )
        return LabelledLine(number=number, marked=marked, is_plain=is_plain and isinstance(record["relevant"], list))

    def _paths(self, names: Sequence[str]) -> tuple[Path, ...]:
        for name in names:
            if name not in self._places:
                self._places[name] = absolute(self._path.parent / name)
        return tuple(self._places[name] for name in names)


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "query": is_text,
    "pictures": _is_names,
    "relevant": lambda value: isinstance(value, dict) or _is_names(value),
}


def _right_ones(relevant: Any) -> list[str]:
    """Of a list of names, or of how relevant each is."""
    return [name for name in relevant if not isinstance(relevant, dict) or relevant[name]]


def absolute(path: Path) -> Path:
    """Links are not followed: a picture is known by where it was found."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - pathlib leaves `..` where it is
