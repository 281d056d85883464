"""Read vocabularies: those of the program, and text, CSV and JSON Lines files that people have written.

A text file has a label a line. A CSV file has the columns `en` and `zh`, or one of them, and may have `synonyms`,
separated by semicolons, `group` and `parent`. JSON Lines has an object a line with the same fields; there `synonyms` is
a list, and a group may be an object with `en` and `zh`.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, Final

from reranker.config.paths import LABELS
from reranker.core.errors import VocabularyInvalid, VocabularyMissing
from reranker.core.faults import FaultList
from reranker.core.text import is_blank, is_well_formed
from reranker.storage.text_files import numbered_lines, parse_objects, read_text
from reranker.vocabulary.labels import Domain, Label, Name, Vocabulary, language_of

BUILT_IN: Final = {  # "toybox" has what the toybox knows
    "general": LABELS / "labels.jsonl",
    "aerial": LABELS / "aerial.jsonl",
    "toybox": LABELS / "toybox.jsonl",
}
MAX_NAME_LENGTH: Final = 200  # characters
SEPARATORS: Final = ";；"
_FIELDS: Final = ("en", "zh", "synonyms", "group", "parent")


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A label and where it stands. Its parent is a name that was written, not yet a key."""

    line: int
    label: Label


def load_vocabulary(name: str | Path) -> Vocabulary:
    """Return a vocabulary of `BUILT_IN` by its name, or that of a file.

    Raises `VocabularyMissing`, and `VocabularyInvalid` with all faults of the file.
    """
    if isinstance(name, str) and name in BUILT_IN:
        return _built_in(name)
    file = Path(name)
    try:
        is_there = file.is_file()
    except OSError:  # longer than a name can be, for example
        is_there = False
    if not is_there:
        raise VocabularyMissing(name=str(name))
    return read_vocabulary(file, str(name))


@cache
def _built_in(name: str) -> Vocabulary:
    return read_vocabulary(BUILT_IN[name], name, "aerial" if name == "aerial" else "photo")


def read_vocabulary(file: Path, name: str, domain: Domain = "photo") -> Vocabulary:
    """Return the labels of a file that exists. name, domain: as in `Vocabulary`. Raises `VocabularyInvalid`."""
    faults = FaultList()
    text = read_text(file, faults)
    read = {".csv": _csv_entries, ".jsonl": _object_entries}.get(file.suffix.lower(), _text_entries)
    labels = _checked(list(read(text, file, faults)), file, faults)
    if len(faults):
        raise VocabularyInvalid(name=name, faults=tuple(faults))
    return Vocabulary(name=name, labels=tuple(labels), domain=domain)


def to_json_lines(vocabulary: Vocabulary) -> str:
    """Return the labels as the content of a JSON Lines file."""
    return "".join(json.dumps(_record(label), ensure_ascii=False) + "\n" for label in vocabulary)


def _record(label: Label) -> dict[str, Any]:
    return {
        "en": label.name.en,
        "zh": label.name.zh,
        "synonyms": label.synonyms,
        "group": None if label.group is None else vars(label.group),
        "parent": label.parent,
    }


def from_json_lines(text: str, name: str, domain: Domain = "photo") -> Vocabulary:
    """Return the labels that `to_json_lines` has written. name, domain: as in `Vocabulary`."""
    file, faults = Path(name), FaultList()
    labels = _checked(list(_object_entries(text, file, faults)), file, faults)
    if len(faults):
        raise VocabularyInvalid(name=name, faults=tuple(faults))
    return Vocabulary(name=name, labels=tuple(labels), domain=domain)


def vocabulary_of(names: Iterable[str], name: str = "labels") -> Vocabulary:
    """Return a vocabulary of labels that were given one by one. Raises `VocabularyInvalid`; lines count from 1."""
    file, faults = Path(name), FaultList()
    entries = [_Entry(line=line, label=Label(name=_name_of(each))) for line, each in enumerate(names, start=1)]
    labels = _checked(entries, file, faults)
    if len(faults):
        raise VocabularyInvalid(name=name, faults=tuple(faults))
    return Vocabulary(name=name, labels=tuple(labels))


def _name_of(text: str) -> Name:
    """Return a name by the language that it is written in."""
    trimmed = text.strip()
    return Name(zh=trimmed) if language_of(trimmed) == "zh" else Name(en=trimmed)


def _text_entries(text: str, file: Path, faults: FaultList) -> Iterator[_Entry]:
    for number, line in numbered_lines(text):
        yield _Entry(line=number, label=Label(name=_name_of(line)))


def _csv_entries(text: str, file: Path, faults: FaultList) -> Iterator[_Entry]:
    rows = csv.DictReader(StringIO(text), strict=True)
    columns = [(column or "").strip().lower() for column in rows.fieldnames or ()]
    rows.fieldnames = columns
    if not {"en", "zh"} & set(columns):
        faults.add(file, 1, "columns", ",".join(_FIELDS))
        return
    try:
        for row in rows:
            values: dict[str, Any] = {field: row.get(field) or "" for field in _FIELDS}
            if any(map(str.strip, values.values())):
                values["synonyms"] = _split(values["synonyms"])
                yield _Entry(line=rows.line_num, label=_label(values))
    except csv.Error:
        faults.add(file, rows.reader.line_num, "columns", ",".join(columns))


def _split(text: str) -> list[str]:
    for separator in SEPARATORS[1:]:
        text = text.replace(separator, SEPARATORS[0])
    return [part for part in text.split(SEPARATORS[0]) if part.strip()]


def _object_entries(text: str, file: Path, faults: FaultList) -> Iterator[_Entry]:
    for number, record in parse_objects(text, file, faults):
        wrong = [field for field, is_valid in _VALID.items() if field in record and not is_valid(record[field])]
        if wrong:
            for field in wrong:
                faults.add(file, number, "field", field)
            continue
        yield _Entry(line=number, label=_label(record))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_group(value: object) -> bool:
    return value is None or _is_text(value) or (isinstance(value, dict) and all(map(_is_text, value.values())))


_VALID: Final[Mapping[str, Callable[[object], bool]]] = {
    "en": _is_text,
    "zh": _is_text,
    "synonyms": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "group": _is_group,
    "parent": lambda value: value is None or _is_text(value),
}


def _label(values: Mapping[str, Any]) -> Label:
    group = values.get("group") or None
    if isinstance(group, str):
        group = {language_of(group): group}
    named = None if group is None else Name(en=group.get("en", "").strip(), zh=group.get("zh", "").strip())
    return Label(
        name=Name(en=values.get("en", "").strip(), zh=values.get("zh", "").strip()),
        synonyms=tuple(synonym.strip() for synonym in values.get("synonyms", ())),
        group=named if named is not None and named.all else None,
        parent=(values.get("parent") or "").strip() or None,
    )


def _checked(entries: list[_Entry], file: Path, faults: FaultList) -> list[Label]:
    """Return the labels with the keys of their parents. What is wrong becomes a fault."""
    if not entries and not len(faults):
        faults.add(file, None, "no labels")
    by_name: dict[str, Label] = {}
    for entry in entries:
        for name in _checked_names(entry, file, faults):
            if by_name.setdefault(name.casefold(), entry.label) is not entry.label:
                faults.add(file, entry.line, "label twice", name)
    labels = []
    for entry in entries:
        parent = entry.label.parent
        if parent is None:
            labels.append(entry.label)
        elif (found := by_name.get(parent.casefold())) is None:
            faults.add(file, entry.line, "unknown parent", parent)
        else:
            labels.append(replace(entry.label, parent=found.key))
    _check_circles(labels, {entry.label.key: entry.line for entry in entries}, file, faults)
    return labels


def _checked_names(entry: _Entry, file: Path, faults: FaultList) -> list[str]:
    """Return the names of a label that can be used. Names that are the same within it count once."""
    names = list(dict.fromkeys(entry.label.all_names))
    if not entry.label.name.all or any(is_blank(name) or not is_well_formed(name) for name in names):
        faults.add(file, entry.line, "label empty")
        return []
    for name in names:
        if len(name) > MAX_NAME_LENGTH:
            faults.add(file, entry.line, "label too long", str(len(name)))
    return names


def _check_circles(labels: list[Label], lines: Mapping[str, int], file: Path, faults: FaultList) -> None:
    """Add a fault for each label whose parents lead back to it."""
    parents = {label.key: label.parent for label in labels}
    for key, parent in parents.items():
        seen, current = {key}, parent
        while current is not None and current not in seen:
            seen.add(current)
            current = parents.get(current)
        if current == key:
            faults.add(file, lines[key], "own parent", key)
