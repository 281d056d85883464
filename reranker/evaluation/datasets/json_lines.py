"""The program's own format of labelled pictures: JSON Lines, one set a line, with paths relative to the file's folder.

    {"query": "a red dress", "pictures": ["a.jpg", "sub/b.jpg"], "relevant": ["a.jpg"]}

`relevant` may also give a gain for each picture: {"a.jpg": 2, "sub/b.jpg": 1}. Gains are integers from 0, and 0 for the
pictures that it leaves out. Optional are `id`, by default the number of the line, and `kinds`, how an irrelevant
picture differs from the query: {"b.jpg": "colour"}. Blank lines and other fields are ignored. The page saves hashes of
pictures by name in `sha256`, so that it finds the pictures under other names.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from reranker.core.errors import FaultReason
from reranker.core.text import SURROGATE, is_blank
from reranker.evaluation.datasets.faults import Faults, invalid_fields, is_id, is_text
from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, language_of
from reranker.images.hashing import content_hash
from reranker.storage.text_files import is_file, read_objects

HASHES: Final = "sha256"


def as_line(
    query: str, pictures: Sequence[str], relevant: Sequence[str], hashes: Mapping[str, str] | None = None
) -> str:
    """Return a set as a line of such a file, with its line break; it can be encoded as UTF-8.

    relevant: some of `pictures`. hashes: SHA-256 of some of them, by name.
    """
    record: dict[str, Any] = {"query": query, "pictures": list(pictures), "relevant": list(relevant)}
    if hashes:
        record[HASHES] = dict(hashes)
    line = json.dumps(record, ensure_ascii=False)
    return SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", line) + "\n"


def read_json_lines(file: Path, name: str) -> Dataset:
    """Return the sets of a file in its order. Raises `DatasetInvalid`."""
    faults = Faults(name)
    parser = _SetParser(file, faults)
    sets = [parser.parse(number, record) for number, record in read_objects(file, faults)]
    return faults.dataset(file, [labelled for labelled in sets if labelled])


def _is_name_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _is_relevance(value: object) -> bool:
    return isinstance(value, dict) or _is_name_list(value)


def _is_kinds(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(map(is_text, value.values())))


_MAX_GAIN: Final = 999_999_999
_FIELDS: Final[dict[str, Callable[[object], bool]]] = {
    "query": is_text,
    "pictures": _is_name_list,
    "relevant": _is_relevance,
    "id": lambda value: value is None or is_id(value),
    "kinds": _is_kinds,
}


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line whose fields have the right types, but perhaps wrong values. gains: by picture, not yet checked."""

    id: str
    query: str
    pictures: Sequence[str]
    gains: Mapping[str, Any]
    kinds: Mapping[str, str]


class _SetParser:
    """Makes a set of each line, and remembers the earlier lines to find duplicates."""

    def __init__(self, file: Path, faults: Faults) -> None:
        self._file, self._faults = file, faults
        self._ids: set[str] = set()
        self._id_by_content: dict[tuple[str, str], str] = {}
        self._exists: dict[Path, bool] = {}
        self._pictures: dict[tuple[str, int, str], LabelledPicture] = {}

    def parse(self, number: int, record: dict[str, Any]) -> LabelledSet | None:
        """Return the set of a line, or None if the line has faults."""
        invalid = invalid_fields(record, _FIELDS)
        for field in invalid:
            self._faults.add(self._file, number, "field", field)
        return None if invalid else self._checked_set(number, _line(number, record))

    def _checked_set(self, number: int, line: _Line) -> LabelledSet | None:
        problems = [*self._query_problems(line), *self._picture_problems(line), *_gain_problems(line)]
        for reason, value in problems:
            self._faults.add(self._file, number, reason, value)
        return None if problems else self._labelled_set(line)

    def _query_problems(self, line: _Line) -> Iterator[tuple[FaultReason, str]]:
        if is_blank(line.query):
            yield "empty query", ""
        if line.id in self._ids:
            yield "id twice", line.id
        self._ids.add(line.id)
        content = line.query, _digest(line.pictures)
        if content in self._id_by_content:
            yield "set twice", self._id_by_content[content]
        self._id_by_content.setdefault(content, line.id)

    def _picture_problems(self, line: _Line) -> Iterator[tuple[FaultReason, str]]:
        if len(line.pictures) < 2:
            yield "too few pictures", str(len(line.pictures))
        earlier = set()
        for name in line.pictures:
            path = self._file.parent / name
            if path in earlier:
                yield "picture twice", name
            elif not self._is_file(path):
                yield "picture missing", name
            earlier.add(path)

    def _is_file(self, path: Path) -> bool:
        """Whether the picture exists. The disk is asked once for each picture, however many sets have it."""
        if path not in self._exists:
            self._exists[path] = is_file(path)
        return self._exists[path]

    def _labelled_set(self, line: _Line) -> LabelledSet:
        pictures = (self._picture(name, line.gains.get(name, 0), line.kinds.get(name, "")) for name in line.pictures)
        return LabelledSet(id=line.id, query=line.query, language=language_of(line.query), pictures=tuple(pictures))

    def _picture(self, name: str, gain: int, kind: str) -> LabelledPicture:
        """Return one object for all sets with the same label of the picture, since there may be millions of labels."""
        key = name, gain, kind
        if key not in self._pictures:
            source = self._file.parent / name
            self._pictures[key] = LabelledPicture(name=name, source=source, gain=gain, grade=float(gain), kind=kind)
        return self._pictures[key]


def _digest(names: Sequence[str]) -> str:
    """Return a digest of the names that does not depend on their order; the names themselves would take more memory."""
    return content_hash("\0".join(sorted(names)).encode("utf-8", "surrogatepass"))


def _line(number: int, record: dict[str, Any]) -> _Line:
    relevant, set_id = record["relevant"], record.get("id")
    return _Line(
        id=str(number if set_id is None else set_id),
        query=record["query"],
        pictures=record["pictures"],
        gains=relevant if isinstance(relevant, dict) else dict.fromkeys(relevant, 1),
        kinds=record.get("kinds") or {},
    )


def _gain_problems(line: _Line) -> Iterator[tuple[FaultReason, str]]:
    labelled = dict.fromkeys([*line.gains, *line.kinds])
    unknown = labelled.keys() - set(line.pictures)
    yield from (("not among the pictures", name) for name in labelled if name in unknown)
    invalid = [gain for gain in line.gains.values() if type(gain) is not int or not 0 <= gain <= _MAX_GAIN]
    yield from (("relevance", json.dumps(gain, ensure_ascii=False)) for gain in invalid)
    if not invalid and not unknown:  # else it is unknown which pictures are relevant
        yield from _ranking_problems(line)


def _ranking_problems(line: _Line) -> Iterator[tuple[FaultReason, str]]:
    """Yield a problem if all pictures have the same gain, so that no order is better than another."""
    gains = {line.gains.get(name, 0) for name in line.pictures}
    if gains == {0}:
        yield "no relevant picture", ""
    elif len(gains) == 1 and len(line.pictures) > 1:
        yield "only relevant pictures", ""
