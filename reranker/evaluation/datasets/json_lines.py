"""Our own form of labelled pictures: JSON Lines, a line a set, with paths that count from the file's folder.

    {"query": "a red dress", "pictures": ["a.jpg", "sub/b.jpg"], "relevant": ["a.jpg"]}

`relevant` may say how relevant each is: {"a.jpg": 2, "sub/b.jpg": 1}, whole numbers from 0, and 0 for what is left out.
There may be an `id`, else it is the number of the line; and `kinds`, in what a wrong picture differs: {"b.jpg":
"colour"}. Blank lines are passed over, and so are other fields.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reranker.core.errors import FaultReason
from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.evaluation.datasets.reading import HALF_CHARACTERS, Faults, is_file, is_id, is_text, misfits, read_objects
from reranker.images.hashing import content_hash


def as_line(query: str, pictures: Sequence[str], relevant: Sequence[str]) -> str:
    """One set as a line of such a file, with its end; `relevant` are some of `pictures`. Can be written as UTF-8."""
    record = {"query": query, "pictures": list(pictures), "relevant": list(relevant)}
    line = json.dumps(record, ensure_ascii=False)
    return HALF_CHARACTERS.sub(lambda found: f"\\u{ord(found[0]):04x}", line) + "\n"


def read_json_lines(file: Path, name: str) -> Dataset:
    """The sets of a file, in its order. Raises `DatasetInvalid`."""
    faults = Faults(name)
    reader = _Reader(file, faults)
    sets = [reader.labelled_set(line, record) for line, record in read_objects(file, faults)]
    return faults.dataset(file, [one for one in sets if one])


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _is_relevance(value: object) -> bool:
    return isinstance(value, dict) or _is_names(value)


def _is_kinds(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(map(is_text, value.values())))


_MOST: Final = 999_999_999  # as relevant as anything needs to be
_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "query": is_text,
    "pictures": _is_names,
    "relevant": _is_relevance,
    "id": lambda value: value is None or is_id(value),
    "kinds": _is_kinds,
}


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line whose fields are of their kinds; what they hold may be wrong. relevance: by picture, whatever is there."""

    id: str
    query: str
    pictures: Sequence[str]
    relevance: Mapping[str, Any]
    kinds: Mapping[str, str]


class _Reader:
    """Makes sets of lines, and knows what the lines before had."""

    def __init__(self, file: Path, faults: Faults) -> None:
        self._file, self._faults = file, faults
        self._ids: set[str] = set()
        self._earlier: dict[tuple[str, str], str] = {}
        self._is_there: dict[Path, bool] = {}
        self._pictures: dict[tuple[str, int, str], LabelledPicture] = {}

    def labelled_set(self, number: int, record: dict[str, Any]) -> LabelledSet | None:
        """The set of a line; None where something is wrong with it."""
        wrong = misfits(record, _FIELDS)
        for field in wrong:
            self._faults.add(self._file, number, "field", field)
        return None if wrong else self._checked(number, _line(number, record))

    def _checked(self, number: int, line: _Line) -> LabelledSet | None:
        problems = [*self._query_problems(line), *self._picture_problems(line), *_relevance_problems(line)]
        for reason, value in problems:
            self._faults.add(self._file, number, reason, value)
        return None if problems else self._set_of(line)

    def _query_problems(self, line: _Line) -> Iterator[tuple[FaultReason, str]]:
        if not line.query.strip():
            yield "empty query", ""
        if line.id in self._ids:
            yield "id twice", line.id
        self._ids.add(line.id)
        key = line.query, _digest(line.pictures)
        if key in self._earlier:
            yield "set twice", self._earlier[key]
        self._earlier.setdefault(key, line.id)

    def _picture_problems(self, line: _Line) -> Iterator[tuple[FaultReason, str]]:
        if len(line.pictures) < 2:
            yield "too few pictures", str(len(line.pictures))
        met = set()
        for name in line.pictures:
            path = self._file.parent / name
            if path in met:
                yield "picture twice", name
            elif not self._found(path):
                yield "picture missing", name
            met.add(path)

    def _found(self, path: Path) -> bool:
        """Asked of the disk once for each picture, however many sets it is in."""
        if path not in self._is_there:
            self._is_there[path] = is_file(path)
        return self._is_there[path]

    def _set_of(self, line: _Line) -> LabelledSet:
        pictures = (
            self._picture(name, line.relevance.get(name, 0), line.kinds.get(name, "")) for name in line.pictures
        )
        return LabelledSet(id=line.id, query=line.query, language=language_of(line.query), pictures=tuple(pictures))

    def _picture(self, name: str, gain: int, kind: str) -> LabelledPicture:
        """One object for all sets that have the picture so: there may be millions of places."""
        key = name, gain, kind
        if key not in self._pictures:
            source = self._file.parent / name
            self._pictures[key] = LabelledPicture(name=name, source=source, gain=gain, grade=float(gain), kind=kind)
        return self._pictures[key]


def _digest(names: Sequence[str]) -> str:
    """The same in any order; there may be thousands of names in thousands of sets."""
    return content_hash("\0".join(sorted(names)).encode("utf-8", "surrogatepass"))


def _line(number: int, record: dict[str, Any]) -> _Line:
    relevant, given = record["relevant"], record.get("id")
    return _Line(
        id=str(number if given is None else given),
        query=record["query"],
        pictures=record["pictures"],
        relevance=relevant if isinstance(relevant, dict) else dict.fromkeys(relevant, 1),
        kinds=record.get("kinds") or {},
    )


def _relevance_problems(line: _Line) -> Iterator[tuple[FaultReason, str]]:
    marked = dict.fromkeys([*line.relevance, *line.kinds])
    strangers = marked.keys() - set(line.pictures)
    yield from (("not among the pictures", name) for name in marked if name in strangers)
    gains = line.relevance.values()
    wrong = [gain for gain in gains if type(gain) is not int or not 0 <= gain <= _MOST]
    yield from (("relevance", json.dumps(gain, ensure_ascii=False)) for gain in wrong)
    if not wrong and not strangers:  # else it is not known what is right
        yield from _nothing_to_rank(line)


def _nothing_to_rank(line: _Line) -> Iterator[tuple[FaultReason, str]]:
    gains = {line.relevance.get(name, 0) for name in line.pictures}
    if gains == {0}:
        yield "no right picture", ""
    elif len(gains) == 1 and len(line.pictures) > 1:
        yield "only right pictures", ""
