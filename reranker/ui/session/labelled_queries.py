"""The labelled queries of a session: sentences, each with the pictures that match it. The page calls them a test set.

Pictures are remembered by name and hash, so that labels count again when a picture that was removed comes back.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath
from threading import RLock
from typing import Any, Final

from reranker.core.errors import TooManyPictures, TooManyQueries
from reranker.evaluation.results import Evaluation
from reranker.labelling.label_file import LabelledQuery
from reranker.ui.session.database import SessionDatabase, StoredSession
from reranker.ui.session.records import Picture

MAX_LABELLED_QUERIES: Final = 200
MAX_LABELLED_PICTURES: Final = 10_000  # of all queries together; each is remembered once

Labelled = LabelledQuery[str]  # its pictures are ids
Read = Callable[[Callable[[str], Any], str], Any]


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A complete evaluation. queries: what it was made of, with the ids of pictures that were in the session."""

    evaluation: Evaluation
    queries: Sequence[Labelled]


@dataclass(frozen=True, kw_only=True)
class LabelledPicture:
    """What labelled queries remember of a picture.

    id: that it has in the session, or a new one if it was not there. name: in a file of labelled queries; it may be a
    path. by_name: whether a picture of this name and other bytes counts as the same.
    """

    id: str
    name: str
    sha256: str | None
    by_name: bool

    @classmethod
    def of(cls, picture: Picture) -> "LabelledPicture":
        """Return what is to be remembered of a picture of the session."""
        return cls(id=picture.id, name=picture.name, sha256=picture.sha256, by_name=picture.sha256 is None)


class PictureIndex:
    """Finds the pictures of a session that labels are about: by id, or else by hash, or else by name."""

    def __init__(self, pictures: Mapping[str, Picture]) -> None:
        self.pictures = pictures
        last_first = list(pictures.values())[::-1]
        self._by_hash = {picture.sha256: picture for picture in last_first if picture.sha256}
        self._by_name = {picture.name: picture for picture in last_first}

    def find(self, labelled: LabelledPicture) -> Picture | None:
        """Return a picture, or None if it is not there; the first if there are several."""
        if (picture := self.pictures.get(labelled.id)) is not None:
            return picture
        if labelled.sha256 is not None and labelled.sha256 in self._by_hash:
            return self._by_hash[labelled.sha256]
        return self._by_name.get(PurePosixPath(labelled.name).name) if labelled.by_name else None


class LabelledQueries:
    """The labelled queries of one session, each query once, the latest first. Every change is stored. Thread-safe.

    lock: of the session. begin_change: is called with it before a change, and raises an error if there must be none.
    """

    def __init__(self, session: str, database: SessionDatabase, lock: RLock, begin_change: Callable[[], None]) -> None:
        self._session, self._database, self._lock, self._begin_change = session, database, lock, begin_change
        self._queries: dict[str, Labelled] = {}
        self._pictures: dict[str, LabelledPicture] = {}
        self._position = count()

    def restore(self, stored: StoredSession, read: Read) -> None:
        """Take over what was stored. read: applies a function to a text; None if that raises an error of Python."""
        pictures = [read(_read_picture, content) for content in stored.labelled_pictures]
        self._pictures = {picture.id: picture for picture in pictures if picture is not None}
        queries = [read(self._read_query, content) for _, content in stored.labelled_queries]
        self._queries = {labelled.query: labelled for labelled in queries if labelled is not None}
        self._position = count(1 + max((position for position, _ in stored.labelled_queries), default=0))

    @property
    def latest_first(self) -> list[Labelled]:
        """All labelled queries. Their pictures may have left the session."""
        with self._lock:
            return list(reversed(self._queries.values()))

    @property
    def pictures(self) -> dict[str, LabelledPicture]:
        """The pictures of all labelled queries by id."""
        with self._lock:
            return dict(self._pictures)

    def present(self, index: PictureIndex) -> list[Labelled]:
        """Return all labelled queries with only the pictures that are in the session, by their ids there."""
        found = {id_: index.find(picture) for id_, picture in self.pictures.items()}
        ids = {id_: picture.id for id_, picture in found.items() if picture is not None}
        return [_renamed(labelled, ids) for labelled in self.latest_first]

    def put(self, queries: Sequence[Labelled], pictures: Iterable[LabelledPicture]) -> None:
        """Add labelled queries, or replace those with the same text. What was remembered of a picture stays.

        pictures: at least those of the queries that are new. Raises `TooManyQueries`, `TooManyPictures`,
        `SessionUnknown`.
        """
        with self._lock:
            self._begin_change()
            new = [picture for picture in pictures if picture.id not in self._pictures]
            self._check_counts({labelled.query for labelled in queries}, len(new))
            for labelled in queries:
                self._queries.pop(labelled.query, None)
                self._queries[labelled.query] = labelled
            self._pictures |= {picture.id: picture for picture in new}
            self._database.put_labelled_pictures(self._session, [(each.id, json.dumps(vars(each))) for each in new])
            rows = [(labelled.query, next(self._position), json.dumps(vars(labelled))) for labelled in queries]
            self._database.put_labelled_queries(self._session, rows)
            self._forget_unused_pictures()

    def _check_counts(self, queries: set[str], new_pictures: int) -> None:
        """Raises `TooManyQueries` and `TooManyPictures`."""
        if (query_count := len(self._queries.keys() | queries)) > MAX_LABELLED_QUERIES:
            raise TooManyQueries(count=query_count, max_count=MAX_LABELLED_QUERIES)
        if (picture_count := len(self._pictures) + new_pictures) > MAX_LABELLED_PICTURES:
            raise TooManyPictures(count=picture_count, max_count=MAX_LABELLED_PICTURES)

    def remove(self, query: str) -> None:
        """Remove a labelled query; one that does not exist changes nothing. Raises `SessionUnknown`."""
        with self._lock:
            self._begin_change()
            if self._queries.pop(query, None) is not None:
                self._database.delete_labelled_query(self._session, query)
                self._forget_unused_pictures()

    def _read_query(self, content: str) -> Labelled:
        """Return a stored query without pictures that could not be read."""
        fields = json.loads(content)
        texts = {id_: id_ for id_ in self._pictures}  # one object of each text, however many queries have it
        pictures = (texts[id_] for id_ in fields["pictures"] if id_ in texts)
        relevant = (texts[id_] for id_ in fields["relevant"] if id_ in texts)
        return Labelled(query=fields["query"], pictures=tuple(pictures), relevant=tuple(relevant))

    def _forget_unused_pictures(self) -> None:
        used = {id_ for labelled in self._queries.values() for id_ in labelled.pictures}
        unused = self._pictures.keys() - used
        for id_ in unused:
            del self._pictures[id_]
        self._database.delete_labelled_pictures(self._session, unused)


def _renamed(labelled: Labelled, ids: Mapping[str, str]) -> Labelled:
    """Return a labelled query with other ids of its pictures, each once, without those that have none."""
    relevant = dict.fromkeys(ids[id_] for id_ in labelled.relevant if id_ in ids)
    pictures = dict.fromkeys(ids[id_] for id_ in labelled.pictures if id_ in ids)
    return Labelled(query=labelled.query, pictures=tuple(pictures), relevant=tuple(relevant))


def _read_picture(content: str) -> LabelledPicture:
    return LabelledPicture(**json.loads(content))
