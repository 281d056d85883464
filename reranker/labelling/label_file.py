"""Labelled queries, and the file that `label` writes them to: JSON Lines, which `evaluation.datasets.json_lines` reads.

The file is read again before every change, and lines that did not change stay as they are, so that nothing that another
program has written is lost. A hidden file beside it is the lock that keeps others of these programs waiting meanwhile.
"""

import os
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import Any, Final, Generic, Literal, TypeVar

from filelock import FileLock, Timeout

from reranker.core.errors import LabelFileBusy
from reranker.evaluation.datasets.faults import Faults, invalid_fields, is_text
from reranker.evaluation.datasets.json_lines import HASHES, as_line
from reranker.storage.atomic_write import append_line, write_atomically
from reranker.storage.text_files import read_objects

PLAIN_FIELDS: Final = {"query", "pictures", "relevant"}
LOCK_TIMEOUT_S: Final = 5.0  # a change takes milliseconds

LabelProblem = Literal["nothing_marked", "everything_marked"]
PictureKey = TypeVar("PictureKey")


@dataclass(frozen=True, kw_only=True)
class LabelledQuery(Generic[PictureKey]):
    """A query with all pictures that were shown for it, and the relevant ones among them, in the same order.

    Pictures are paths, or ids in a session of the page.
    """

    query: str
    pictures: tuple[PictureKey, ...]
    relevant: tuple[PictureKey, ...]

    def limited_to(self, pictures: Container[PictureKey]) -> "LabelledQuery[PictureKey]":
        """Return the labelled query with only these pictures."""
        return replace(
            self,
            pictures=tuple(picture for picture in self.pictures if picture in pictures),
            relevant=tuple(picture for picture in self.relevant if picture in pictures),
        )

    @property
    def problem(self) -> LabelProblem | None:
        """The key of the phrase that says why it cannot be evaluated, or None if it can."""
        if not self.relevant:
            return "nothing_marked"
        return "everything_marked" if len(self.relevant) == len(self.pictures) else None


@dataclass(frozen=True, kw_only=True)
class LabelledLine:
    """A line of the file. number: from 1. is_plain: whether the line has only what a `LabelledQuery` has,
    and hashes, which can be computed again.
    """

    number: int
    labelled: LabelledQuery[Path]
    is_plain: bool


class LabelFile:
    """A file of labelled queries, which need not exist yet; safe for several threads and programs.

    All methods raise `DatasetInvalid` if the file is something else, and `OSError`; those that change the file raise
    `LabelFileBusy` if another program holds its lock for longer than `lock_timeout_s`.
    """

    def __init__(self, path: Path, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._path, self._thread_lock = absolute(path), RLock()
        target = self._path.resolve()  # one lock, whichever link leads to the file
        self._file_lock = FileLock(target.with_name(f".{target.name}.lock"), lock_timeout_s)
        self._paths_by_name: dict[str, Path] = {}  # a name is in the file once for each query

    @property
    def name(self) -> str:
        """The name of the file without its folder."""
        return self._path.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads and programs from changing the file; can be nested."""
        with self._thread_lock:
            try:
                self._file_lock.acquire()
            except Timeout:
                raise LabelFileBusy(name=self.name) from None
            try:
                yield
            finally:
                self._file_lock.release()

    def read(self) -> list[LabelledLine]:
        """Return the lines that are in the file now."""
        if not self._path.exists():
            return []
        faults = Faults(self.name)
        lines = [self._parse(number, record, faults) for number, record in read_objects(self._path, faults)]
        if len(faults):
            faults.dataset(self._path, ())
        return [line for line in lines if line is not None]

    def add(self, labelled: LabelledQuery[Path]) -> None:
        """Append a labelled query as a new line."""
        with self.locked():
            self.read()
            append_line(self._serialize(labelled).encode(), self._path)

    def change(self, number: int, query: str, labelled: LabelledQuery[Path] | None) -> bool:
        """Replace the labelled query with this query on this line, or remove it if `labelled` is None.

        The whole file is replaced in one step. Returns False if the labelled query is not on this line any more.
        """
        with self.locked():
            if not any((line.number, line.labelled.query) == (number, query) for line in self.read()):
                return False
            lines = self._path.read_bytes().decode("utf-8-sig").split("\n")
            lines[number - 1 : number] = [] if labelled is None else [self._serialize(labelled).removesuffix("\n")]
            write_atomically("\n".join(lines).encode(), self._path, durable=True)
            return True

    def _serialize(self, labelled: LabelledQuery[Path]) -> str:
        pictures, relevant = map(self._relative, labelled.pictures), map(self._relative, labelled.relevant)
        return as_line(labelled.query, list(pictures), list(relevant))

    def _relative(self, picture: Path) -> str:
        """Return the path of a picture relative to the file's folder, or its full path if it is on another drive."""
        try:
            return Path(os.path.relpath(picture, self._path.parent)).as_posix()
        except ValueError:
            return picture.as_posix()

    def _parse(self, number: int, record: dict[str, Any], faults: Faults) -> LabelledLine | None:
        """Return a line, or None, with the invalid fields added to `faults`."""
        labelled = labelled_names(self._path, number, record, faults)
        if labelled is None:
            return None
        return LabelledLine(
            number=number,
            labelled=LabelledQuery(
                query=labelled.query,
                pictures=self._absolute_paths(labelled.pictures),
                relevant=self._absolute_paths(labelled.relevant),
            ),
            is_plain=set(record) - {HASHES} == PLAIN_FIELDS and isinstance(record["relevant"], list),
        )

    def _absolute_paths(self, names: Sequence[str]) -> tuple[Path, ...]:
        for name in names:
            if name not in self._paths_by_name:
                self._paths_by_name[name] = absolute(self._path.parent / name)
        return tuple(self._paths_by_name[name] for name in names)


def labelled_names(file: Path, number: int, record: dict[str, Any], faults: Faults) -> LabelledQuery[str] | None:
    """Return a line of a file with the names of pictures, or None, with the invalid fields added to `faults`.

    number: of the line, from 1.
    """
    invalid = invalid_fields(record, _FIELDS)
    for field in invalid:
        faults.add(file, number, "field", field)
    if invalid:
        return None
    names, relevant = tuple(record["pictures"]), tuple(_relevant_names(record["relevant"]))
    return LabelledQuery(query=record["query"], pictures=names, relevant=relevant)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "query": is_text,
    "pictures": _are_names,
    "relevant": lambda value: isinstance(value, dict) or _are_names(value),
}


def _relevant_names(relevant: Any) -> list[str]:
    """Return the relevant names of a list of names, or of a mapping from names to grades."""
    return [name for name in relevant if not isinstance(relevant, dict) or relevant[name]]


def absolute(path: Path) -> Path:
    """Return an absolute path without following links, since a picture is identified by where it was found."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - pathlib does not remove `..`
