"""The labels of the pictures of a library, in its catalogue. They belong to the bytes of a file, not to its path."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from reranker.storage.sqlite_file import transaction

MAX_VARIABLES: Final = 500  # in one statement
LABEL_MIGRATIONS: Final[dict[str, str]] = {
    "tagging": "CREATE TABLE tagging (digest TEXT NOT NULL, options TEXT NOT NULL, vocabulary TEXT NOT NULL)",
    "tagged": "CREATE TABLE tagged (content_hash BLOB PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID",
    "labels": """
        CREATE TABLE labels (
            label TEXT NOT NULL, content_hash BLOB NOT NULL, confidence REAL NOT NULL,
            PRIMARY KEY (label, content_hash)
        ) WITHOUT ROWID
    """,
    "labels by content": "CREATE INDEX labels_by_content ON labels (content_hash)",
}


@dataclass(frozen=True, kw_only=True)
class TaggingRecord:
    """How the pictures were labelled last. digest: of all that labels depend on. options: as `Tagger` takes them.

    vocabulary: its name, its domain, and its labels in JSON Lines.
    """

    digest: str
    options: Mapping[str, Any]
    vocabulary: tuple[str, str, str]


class PictureLabels:
    """The tables of labels. Thread-safe. connection: of the catalogue; lock: of the connection.

    Methods raise `sqlite3.Error`.
    """

    def __init__(self, connection: sqlite3.Connection, lock: Lock) -> None:
        self._connection, self._lock = connection, lock

    def record(self) -> TaggingRecord | None:
        """Return how the pictures were labelled; None if they were not."""
        rows = self._rows("SELECT digest, options, vocabulary FROM tagging")
        if not rows:
            return None
        ((digest, options, vocabulary),) = rows
        name, domain, labels = json.loads(vocabulary)
        return TaggingRecord(digest=digest, options=json.loads(options), vocabulary=(name, domain, labels))

    def start(self, record: TaggingRecord) -> None:
        """Enter how pictures are labelled from now on. Labels of another digest go."""
        with self._lock, transaction(self._connection):
            self._connection.execute("DELETE FROM tagging")
            values = record.digest, json.dumps(record.options), json.dumps(record.vocabulary)
            self._connection.execute("INSERT INTO tagging VALUES (?, ?, ?)", values)
            others = "SELECT content_hash FROM tagged WHERE digest != ?"
            self._connection.execute(f"DELETE FROM labels WHERE content_hash IN ({others})", (record.digest,))
            self._connection.execute("DELETE FROM tagged WHERE digest != ?", (record.digest,))

    def missing(self) -> dict[str, bytes]:
        """Return the pictures without labels, by their content hashes: the first path of each."""
        rows = self._rows(
            "SELECT content_hash, MIN(path) FROM pictures JOIN contents USING (content_hash) "
            "WHERE error IS NULL AND content_hash NOT IN (SELECT content_hash FROM tagged) "
            "GROUP BY content_hash ORDER BY MIN(path)"
        )
        return {digest.hex(): path for digest, path in rows}

    def put(self, digest: str, labels: Mapping[str, Mapping[str, float]]) -> None:
        """Enter the labels of pictures, with their confidences, by content hash. digest: as in `TaggingRecord`."""
        rows = [
            (label, bytes.fromhex(content_hash), confidence)
            for content_hash, each in labels.items()
            for label, confidence in each.items()
        ]
        hashes = [bytes.fromhex(content_hash) for content_hash in labels]
        with self._lock, transaction(self._connection):
            self._connection.executemany("DELETE FROM labels WHERE content_hash = ?", [(each,) for each in hashes])
            self._connection.executemany("INSERT INTO labels VALUES (?, ?, ?)", rows)
            self._connection.executemany(
                "INSERT OR REPLACE INTO tagged VALUES (?, ?)", [(each, digest) for each in hashes]
            )

    def of(self, content_hashes: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return the labels of pictures with their confidences, most confident first, by content hash."""
        found: dict[str, dict[str, float]] = {content_hash: {} for content_hash in content_hashes}
        hashes = [bytes.fromhex(content_hash) for content_hash in found]
        for start in range(0, len(hashes), MAX_VARIABLES):
            part = hashes[start : start + MAX_VARIABLES]
            rows = self._rows(
                "SELECT content_hash, label, confidence FROM labels "
                f"WHERE content_hash IN ({', '.join('?' * len(part))}) ORDER BY confidence DESC, label",
                *part,
            )
            for content_hash, label, confidence in rows:
                found[content_hash.hex()][label] = confidence
        return found

    def pictures(self) -> list[tuple[bytes, str]]:
        """Return the path and the content hash of each file that was labelled, in the order of the paths."""
        rows = self._rows(
            "SELECT path, content_hash FROM pictures WHERE error IS NULL "
            "AND content_hash IN (SELECT content_hash FROM tagged) ORDER BY path"
        )
        return [(path, digest.hex()) for path, digest in rows]

    def counts(self) -> dict[str, int]:
        """Return how many pictures have each label, most frequent first."""
        rows = self._rows(
            "SELECT label, COUNT(*) AS pictures FROM labels "
            "WHERE content_hash IN (SELECT content_hash FROM pictures WHERE error IS NULL) "
            "GROUP BY label ORDER BY pictures DESC, label"
        )
        return dict(rows)

    def most_confident(self, labels: Iterable[str]) -> dict[str, float]:
        """Return the content hashes of the pictures that have all of the labels, most confident first.

        The confidence of a picture is that of its least confident of these labels.
        """
        wanted = list(dict.fromkeys(labels))
        rows = self._rows(
            "SELECT content_hash, MIN(confidence) AS least FROM labels "
            "WHERE label IN (SELECT value FROM json_each(?)) "
            "GROUP BY content_hash HAVING COUNT(*) = ? ORDER BY least DESC, content_hash",
            json.dumps(wanted),
            len(wanted),
        )
        return {content_hash.hex(): least for content_hash, least in rows}

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()
