"""A cache of scores in an SQLite file, shared by all processes of a user.

The key of a score is the content hash of the picture or the hash of its pixels, the hash of the query, and the
fingerprint of the scorer. Neither pictures nor query texts are stored. If the file cannot be read or written, the
pictures are scored again. If it is damaged, it is put aside, and a new one is started.
"""

import hashlib
import logging
import math
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, Literal, TypeVar

from filelock import FileLock

from reranker.core.types import Query, Score
from reranker.storage.sqlite_file import (
    BUSY_TIMEOUT_S,
    PAGE_BYTES,
    NewerSchema,
    connect,
    is_damage,
    put_aside,
    transaction,
)

_log = logging.getLogger(__name__)

# By name. Each is applied once, in this order. A migration that was released is never changed.
_MIGRATIONS: Final[dict[str, str]] = {
    "scores": """
        CREATE TABLE scores (
            content_hash BLOB NOT NULL, query_hash BLOB NOT NULL, fingerprint TEXT NOT NULL,
            order_key REAL NOT NULL, log_odds REAL NOT NULL, words TEXT, visual_tokens INTEGER NOT NULL,
            stored_at REAL NOT NULL,
            PRIMARY KEY (content_hash, query_hash, fingerprint)
        ) WITHOUT ROWID
    """,
    "oldest first": "CREATE INDEX scores_by_age ON scores (stored_at)",
    "order by log-odds alone": "ALTER TABLE scores DROP COLUMN order_key",
    "generated text": "ALTER TABLE scores RENAME COLUMN words TO generated_text",
}
MAX_VARIABLES: Final = 500  # in one statement
EVICTED_SHARE: Final = 0.2  # of the scores, the oldest first, each time the store is full

_Result = TypeVar("_Result")


class SqliteScoreStore:
    """A `ScoreStore` in a file that several threads and processes may use at once.

    max_bytes: approximate limit on the size of the file; the oldest scores are evicted when it is reached.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes, self._lock = path, max_bytes, Lock()
        self._database: _Database | None = None
        self._has_recovered = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Of two programs that start at once, SQLite tells one that the file is locked, without waiting.
            with FileLock(path.with_suffix(".opening"), BUSY_TIMEOUT_S):
                self._database = _Database(path)
        except (OSError, sqlite3.Error, NewerSchema) as error:
            self._recover(error)

    def get(self, content_hash: str, query: Query, fingerprint: str) -> Score | None:
        """The stored score of a picture for a query; None if there is none. Thread-safe.

        content_hash: in hexadecimal. fingerprint: see `Scorer.fingerprint`.
        """

        return self.get_each(content_hash, [query], fingerprint).get(query)

    def get_each(self, content_hash: str, queries: Sequence[Query], fingerprint: str) -> dict[Query, Score]:
        """The stored scores of a picture for queries; those without one are left out. Thread-safe."""
        by_hash = {_query_hash(query): query for query in queries}

        def select(connection: sqlite3.Connection) -> dict[Query, Score]:
            found: dict[Query, Score] = {}
            every = list(by_hash)
            for start in range(0, len(every), MAX_VARIABLES):
                hashes = every[start : start + MAX_VARIABLES]
                rows = connection.execute(
                    "SELECT query_hash, log_odds, generated_text, visual_tokens FROM scores"
                    f" WHERE content_hash = ? AND fingerprint = ? AND query_hash IN ({', '.join('?' * len(hashes))})",
                    (bytes.fromhex(content_hash), fingerprint, *hashes),
                )
                scores = ((by_hash[query_hash], _score(*values)) for query_hash, *values in rows)
                found |= {query: score for query, score in scores if score is not None}
            return found

        return self._run(select) or {}

    def put(self, query: Query, fingerprint: str, scores: Mapping[str, Score]) -> None:
        """Store scores by content hash, all in one transaction. Thread-safe."""
        self._insert("REPLACE", fingerprint, [(key, query, score) for key, score in scores.items()])

    def put_new(self, query: Query, fingerprint: str, scores: Mapping[str, Score]) -> None:
        """Store those of the scores whose content hashes have none, all in one transaction. Thread-safe."""
        self._insert("IGNORE", fingerprint, [(key, query, score) for key, score in scores.items()])

    def put_new_each(self, content_hash: str, fingerprint: str, scores: Mapping[Query, Score]) -> None:
        """Store scores of one picture, for those queries that have none, all in one transaction. Thread-safe."""
        self._insert("IGNORE", fingerprint, [(content_hash, query, score) for query, score in scores.items()])

    def _insert(
        self,
        on_conflict: Literal["REPLACE", "IGNORE"],
        fingerprint: str,
        scores: Iterable[tuple[str, Query, Score]],
    ) -> None:
        rows = [
            (
                bytes.fromhex(content_hash),
                _query_hash(query),
                fingerprint,
                score.log_odds,
                score.generated_text,
                score.visual_tokens,
                time.time(),
            )
            for content_hash, query, score in scores
        ]

        def insert(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(f"INSERT OR {on_conflict} INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                if _used_bytes(connection) > self._max_bytes:
                    _evict_oldest(connection)

        self._run(insert)

    def _run(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """The result of an action on the database; None if it fails or there is no database.

        An action that finds the file damaged is repeated on a new file.
        """
        with self._lock:
            if self._database is None:
                return None
            try:
                return action(self._database.connection)
            except sqlite3.Error as error:
                if not is_damage(error):
                    _log.warning("The score store failed: %s", error)
                    return None
                self._recover(error)
            try:
                return None if self._database is None else action(self._database.connection)
            except sqlite3.Error:
                self._database = None  # the new file fails, too; the pictures are scored without the store
                return None

    def _recover(self, error: Exception) -> None:
        """Start a new file if the old one is damaged, at most once; otherwise go on without the store."""
        opened, self._database = self._database, None
        if not is_damage(error) or self._has_recovered:
            reason = error if isinstance(error, sqlite3.Error) else type(error).__name__
            _log.warning("The score store cannot be used: %s", reason)
            return
        self._has_recovered = True
        if opened is not None:
            opened.connection.close()  # Windows does not rename open files
        try:
            with FileLock(self._path.with_suffix(".lock"), BUSY_TIMEOUT_S):
                self._database = self._sound_database(opened)
            _log.warning("The score store was damaged (%s); a new one was started", error)
        except (OSError, sqlite3.Error, NewerSchema) as failure:
            _log.warning("The score store is damaged and cannot be replaced: %s", type(failure).__name__)

    def _sound_database(self, damaged: "_Database | None") -> "_Database":
        """Open a new file, or the one that another process has started meanwhile. Raises what `_Database` raises.

        damaged: what was open; None if the file could not even be opened.
        """
        if damaged is None or not damaged.is_at(self._path):
            try:
                return _Database(self._path)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
        put_aside(self._path)
        return _Database(self._path)


class _Database:
    """An open connection, which is closed with the object. Raises `OSError`, `sqlite3.Error`, `NewerSchema`."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path, _MIGRATIONS)
        weakref.finalize(self, self.connection.close)
        self._file = path.stat()

    def is_at(self, path: Path) -> bool:
        """Return whether the file that was opened is still the one at this path."""
        try:
            return os.path.samestat(self._file, path.stat())
        except FileNotFoundError:
            return False


def _score(log_odds: object, generated_text: object, visual_tokens: object) -> Score | None:
    """The score in a row; None if damage that SQLite does not notice has made it something else."""
    if not isinstance(log_odds, float) or not math.isfinite(log_odds) or not isinstance(visual_tokens, int):
        return None
    if not isinstance(generated_text, str | None):
        return None
    return Score(
        log_odds=log_odds, generated_text=generated_text, visual_tokens=visual_tokens, latency_ms=0.0, cached=True
    )


def _used_bytes(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages - free) * PAGE_BYTES


def _evict_oldest(connection: sqlite3.Connection) -> None:
    (count,) = connection.execute("SELECT count(*) FROM scores").fetchone()
    connection.execute(
        "DELETE FROM scores WHERE (content_hash, query_hash, fingerprint) IN"
        " (SELECT content_hash, query_hash, fingerprint FROM scores ORDER BY stored_at LIMIT ?)",
        (int(count * EVICTED_SHARE) + 1,),
    )


def _query_hash(query: Query) -> bytes:
    """Return the hash of the text, or of the example and the text, which begin as no text does: with no UTF-8."""
    text = query.text.encode()
    if query.example is None:
        return hashlib.sha256(text).digest()
    return hashlib.sha256(b"\xff" + bytes.fromhex(query.example.content_hash) + text).digest()
