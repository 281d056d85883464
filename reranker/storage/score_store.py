"""A cache of scores in an SQLite file, shared by all processes of a user.

The key of a score is the content hash of the picture, the hash of the query and the fingerprint of the scorer. Neither
pictures nor query texts are stored. If the file cannot be read or written, the pictures are scored again.
"""

import hashlib
import logging
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from reranker.core.types import Query, Score

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
BUSY_TIMEOUT_S: Final = 5.0
PAGE_BYTES: Final = 4096
EVICTED_SHARE: Final = 0.2  # of the scores, the oldest first, each time the store is full

_Result = TypeVar("_Result")


class SqliteScoreStore:
    """A `ScoreStore` in a file that several threads and processes may use at once.

    max_bytes: approximate limit on the size of the file; the oldest scores are evicted when it is reached.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path, self._max_bytes, self._lock = path, max_bytes, Lock()
        self._connection = self._open()
        if self._connection is not None:
            weakref.finalize(self, self._connection.close)

    def get(self, content_hash: str, query: Query, fingerprint: str) -> Score | None:
        """The stored score of a picture for a query; None if there is none. Thread-safe.

        content_hash: in hexadecimal. fingerprint: see `Scorer.fingerprint`.
        """

        def select(connection: sqlite3.Connection) -> Score | None:
            row = connection.execute(
                "SELECT log_odds, generated_text, visual_tokens FROM scores"
                " WHERE content_hash = ? AND query_hash = ? AND fingerprint = ?",
                (bytes.fromhex(content_hash), _query_hash(query), fingerprint),
            ).fetchone()
            if row is None:
                return None
            log_odds, generated_text, visual_tokens = row
            return Score(
                log_odds=log_odds,
                generated_text=generated_text,
                visual_tokens=visual_tokens,
                latency_ms=0.0,
                cached=True,
            )

        return self._run(select)

    def put(self, query: Query, fingerprint: str, scores: Mapping[str, Score]) -> None:
        """Store scores by content hash, all in one transaction. Thread-safe."""
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
            for content_hash, score in scores.items()
        ]

        def insert(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                if _used_bytes(connection) > self._max_bytes:
                    _evict_oldest(connection)

        self._run(insert)

    def _run(self, action: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """The result of an action on the database; None if it fails or there is no database."""
        if self._connection is None:
            return None
        try:
            with self._lock:
                return action(self._connection)
        except sqlite3.Error as error:
            _log.warning("The score store failed: %s", error)
            return None

    def _open(self) -> sqlite3.Connection | None:
        """Connect and migrate, after renaming a damaged file. Returns None if the store cannot be used."""
        try:
            return _connect(self._path)
        except sqlite3.DatabaseError as error:
            damaged = "malformed" in str(error) or "not a database" in str(error)
            _log.warning("The score store cannot be used: %s", error)
        except (OSError, _NewerSchema) as error:
            _log.warning("The score store cannot be used: %s", type(error).__name__)
            return None
        if not damaged:
            return None
        try:
            self._path.replace(self._path.with_suffix(".damaged"))
            return _connect(self._path)
        except (OSError, sqlite3.Error):
            return None


class _NewerSchema(Exception):
    """A newer version of this program wrote the file."""


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")  # readers and a writer do not block each other
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last scores, but not the file
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
        applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
        if not applied <= set(_MIGRATIONS):
            raise _NewerSchema
        for name, statement in _MIGRATIONS.items():
            if name not in applied:
                connection.execute(statement)
                connection.execute("INSERT INTO migrations VALUES (?)", (name,))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that waits for other writers first, and is rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


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
    return hashlib.sha256(query.text.encode()).digest()
