"""The program's own format of labels: JSON Lines, one picture a line, with paths relative to the file's folder.

    {"path": "a.jpg", "labels": ["cat", "猫咪"], "absent": ["dog"]}

`labels` are those that the picture has, `absent` those that it does not have; nothing is known of others. Without
`absent` it has none of the other labels that the file names anywhere. Blank lines and other fields are ignored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reranker.core.faults import FaultList
from reranker.core.text import is_blank
from reranker.evaluation.datasets.faults import invalid_fields, is_text
from reranker.evaluation.label_datasets.annotations import Annotations
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.storage.text_files import is_file, read_objects
from reranker.vocabulary.labels import Vocabulary


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(is_text(name) and not is_blank(name) for name in value)


_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "path": lambda value: isinstance(value, str) and value != "",
    "labels": _is_names,
    "absent": lambda value: value is None or _is_names(value),
}


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line without faults. absent: None if it has none of the labels that it does not list."""

    path: str
    labels: Sequence[str]
    absent: Sequence[str] | None


def read_json_lines(file: Path, name: str, vocabulary: Vocabulary) -> LabelDataset:
    """Return the pictures of a file in its order. Raises `DatasetInvalid`."""
    annotations = Annotations(vocabulary)
    lines = _read_lines(file, annotations)
    every = annotations.keys(label for line in lines for label in (*line.labels, *(line.absent or ())))
    for line in lines:
        present = annotations.keys(line.labels)
        absent = every if line.absent is None else annotations.keys(line.absent)
        annotations.add(line.path, file.parent / line.path, present, absent - present)
    return annotations.dataset(name, file)


def _read_lines(file: Path, annotations: Annotations) -> list[_Line]:
    lines, seen = [], set[Path]()
    for number, record in read_objects(file, annotations.faults):
        invalid = invalid_fields(record, _FIELDS)
        for field in invalid:
            annotations.faults.add(file, number, "field", field)
        if not invalid:
            line = _line(record)
            _check(file, number, line, seen, annotations)
            seen.add(file.parent / line.path)
            lines.append(line)
    return lines


def _line(record: dict[str, Any]) -> _Line:
    return _Line(path=record["path"], labels=record["labels"], absent=record.get("absent"))


def _check(file: Path, number: int, line: _Line, seen: set[Path], annotations: Annotations) -> None:
    faults: FaultList = annotations.faults
    path = file.parent / line.path
    if path in seen:
        faults.add(file, number, "picture twice", line.path)
    elif not is_file(path):
        faults.add(file, number, "picture missing", line.path)
    for key in sorted(annotations.keys(line.labels) & annotations.keys(line.absent or ())):
        faults.add(file, number, "label both", key)
