"""The labelled queries of a session as a file: `labels.jsonl`, which the commands `label` and `evaluate` read."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from reranker.api import Reranker
from reranker.config.settings import MEGABYTE
from reranker.core.errors import RequestTooLarge
from reranker.core.text import well_formed
from reranker.evaluation.datasets.faults import Faults
from reranker.evaluation.datasets.json_lines import HASHES, as_line
from reranker.labelling.label_file import labelled_names
from reranker.server.json_bodies import JsonLimits, split_long_strings
from reranker.storage.text_files import decode_text, parse_objects
from reranker.ui.session.admission import new_id
from reranker.ui.session.labelled_queries import Labelled, LabelledPicture, LabelledQueries, PictureIndex

LABELS_FILE: Final = "labels.jsonl"
EVALUATION_FILE: Final = "evaluation.csv"
MAX_LABELS_MB: Final = 8
MAX_LABELS_VALUES: Final = 1_500_000
MAX_PICTURE_NAME_LENGTH: Final = 1_000  # it may be a path
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class SavedLabels:
    """The text of a file, and its number of queries.

    renamed: the new names of pictures that have the name of another one; evaluation needs the files by these names.
    """

    text: str
    count: int
    renamed: Sequence[str]

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self.text.encode()


@dataclass(frozen=True, kw_only=True)
class OpenedLabels:
    """What was found in a file.

    count: of the queries that were added. left_out: of those in which none or all of the pictures are relevant.
    total: of pictures. missing: the names of those that are not in the session.
    """

    count: int
    left_out: int
    total: int
    missing: Sequence[str]


def save_labels(labelled: LabelledQueries) -> SavedLabels:
    """Return the labelled queries as a file, the oldest first. Its pictures are beside it, or where they were opened.

    The hash of a picture is in the first line that has the picture.
    """
    pictures = labelled.pictures
    names = _distinct_names(pictures.values())
    hashes = {id_: picture.sha256 for id_, picture in pictures.items() if picture.sha256}
    queries = labelled.latest_first[::-1]
    lines = []
    for each in queries:
        new = {names[id_]: sha256 for id_ in each.pictures if (sha256 := hashes.pop(id_, None))}
        pictures_of, relevant = ([names[id_] for id_ in chosen] for chosen in (each.pictures, each.relevant))
        lines.append(as_line(each.query, pictures_of, relevant, new))
    renamed = [names[id_] for id_, picture in pictures.items() if names[id_] != picture.name]
    return SavedLabels(text="".join(lines), count=len(queries), renamed=renamed)


def open_labels(
    labelled: LabelledQueries, index: PictureIndex, reranker: Reranker, data: bytes, name: str
) -> OpenedLabels:
    """Add the queries of a file. Those with the same text are replaced.

    Pictures are found by their hashes, or else by their names. Raises `DatasetInvalid`, `RequestError`.
    """
    importer = _Importer(labelled, index)
    queries: dict[str, Labelled] = {}
    for line in _read_lines(data, name):
        query = reranker.query(" ".join(line.labelled.query.splitlines())).text
        queries[query] = _united(queries.get(query), importer.with_ids(query, line))
    usable = [each for each in queries.values() if not each.problem]
    pictures = importer.pictures
    labelled.put(usable, pictures.values())
    missing = [picture.name for id_, picture in pictures.items() if id_ not in index.pictures]
    return OpenedLabels(count=len(usable), left_out=len(queries) - len(usable), total=len(pictures), missing=missing)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line of a file, with names of pictures, and hashes by name."""

    labelled: Labelled
    hashes: Mapping[str, str]


def _read_lines(data: bytes, name: str) -> list[_Line]:
    """Raises `DatasetInvalid`, `RequestTooLarge`, `RequestTextTooLarge`."""
    if len(data) > MAX_LABELS_MB * MEGABYTE:
        raise RequestTooLarge(max_mb=MAX_LABELS_MB)
    limits = JsonLimits(max_plain_bytes=MAX_LABELS_MB * MEGABYTE, max_values=MAX_LABELS_VALUES)
    split_long_strings(bytearray(data), limits)
    file, faults = Path(name), Faults(name)
    records = parse_objects(decode_text(data, file, faults), file, faults)
    lines = [_read_line(file, number, record, faults) for number, record in records]
    read = [line for line in lines if line is not None]
    if len(faults) or not read:
        faults.dataset(file, ())
    return read


def _read_line(file: Path, number: int, record: dict[str, Any], faults: Faults) -> _Line | None:
    labelled = labelled_names(file, number, record, faults)
    if labelled is None:
        return None
    if any(len(name) > MAX_PICTURE_NAME_LENGTH for name in labelled.pictures):
        faults.add(file, number, "field", "pictures")
        return None
    found = record.get(HASHES)
    hashes = found.items() if isinstance(found, dict) else ()
    return _Line(
        labelled=labelled,
        hashes={key: value for key, value in hashes if isinstance(value, str) and _SHA256.fullmatch(value)},
    )


class _Importer:
    """Gives an id to each picture of a file. pictures: those of all lines so far, by id."""

    def __init__(self, labelled: LabelledQueries, index: PictureIndex) -> None:
        self._index = index
        self._known = {(each.name, each.sha256): each.id for each in labelled.pictures.values()}
        self._hashes: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self.pictures: dict[str, LabelledPicture] = {}

    def with_ids(self, query: str, line: _Line) -> Labelled:
        """Return a line with ids in place of the names of pictures."""
        self._hashes |= line.hashes
        ids = {name: self._id(name) for name in line.labelled.pictures}
        relevant = (ids[name] for name in line.labelled.relevant if name in ids)
        return Labelled(
            query=query, pictures=tuple(dict.fromkeys(ids.values())), relevant=tuple(dict.fromkeys(relevant))
        )

    def _id(self, name: str) -> str:
        if name not in self._ids:
            picture = self._identified(well_formed(name), self._hashes.get(name))
            self.pictures.setdefault(picture.id, picture)
            self._ids[name] = picture.id
        return self._ids[name]

    def _identified(self, name: str, sha256: str | None) -> LabelledPicture:
        id_ = self._known.get((name, sha256)) or new_id()
        found = self._index.find(LabelledPicture(id=id_, name=name, sha256=sha256, by_name=True))
        if found is None:
            return LabelledPicture(id=id_, name=name, sha256=sha256, by_name=True)
        return LabelledPicture(id=found.id, name=name, sha256=found.sha256 or sha256, by_name=True)


def _united(first: Labelled | None, second: Labelled) -> Labelled:
    """Return two lines with the same query as one."""
    if first is None:
        return second
    pictures = dict.fromkeys([*first.pictures, *second.pictures])
    relevant = dict.fromkeys([*first.relevant, *second.relevant])
    return Labelled(query=second.query, pictures=tuple(pictures), relevant=tuple(relevant))


def _distinct_names(pictures: Collection[LabelledPicture]) -> dict[str, str]:
    """Return a name for each picture by id. Pictures with the name of an earlier one get a number."""
    names: dict[str, str] = {}
    kept: set[str] = set()
    reserved = {picture.name for picture in pictures}
    for picture in pictures:
        name = picture.name
        if name in kept:
            name = next(each for each in _numbered(name) if each not in reserved)
        names[picture.id] = name
        kept.add(name)
        reserved.add(name)
    return names


def _numbered(name: str) -> Iterator[str]:
    """Yield `a (2).png`, `a (3).png` and so on."""
    head, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    return (f"{head} ({number}){dot}{suffix}" for number in count(2))
