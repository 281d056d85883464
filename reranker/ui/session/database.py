"""The sessions of the page in an SQLite file, so that they survive a restart of the program."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from filelock import FileLock

from reranker.storage.sqlite_file import BUSY_TIMEOUT_S, NewerSchema, connect, is_damage, put_aside, transaction

_log = logging.getLogger(__name__)

_MIGRATIONS: Final[dict[str, str]] = {
    "sessions": "CREATE TABLE sessions (id TEXT PRIMARY KEY, owner TEXT NOT NULL, used_at REAL NOT NULL)",
    "pictures": """
        CREATE TABLE pictures (
            session TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, content TEXT NOT NULL,
            PRIMARY KEY (session, id)
        ) WITHOUT ROWID
    """,
    "rankings": """
        CREATE TABLE rankings (
            session TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, summary TEXT NOT NULL, results TEXT,
            PRIMARY KEY (session, id)
        )
    """,
    "labelled_queries": """
        CREATE TABLE labelled_queries (
            session TEXT NOT NULL, query TEXT NOT NULL, position INTEGER NOT NULL, content TEXT NOT NULL,
            PRIMARY KEY (session, query)
        )
    """,
    "labelled_pictures": """
        CREATE TABLE labelled_pictures (
            session TEXT NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (session, id)
        ) WITHOUT ROWID
    """,
    "tagging": """
        CREATE TABLE tagging (
            session TEXT NOT NULL, part TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (session, part)
        )
    """,
    "picture_labels": """
        CREATE TABLE picture_labels (
            session TEXT NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (session, id)
        ) WITHOUT ROWID
    """,
    "label_corrections": """
        CREATE TABLE label_corrections (
            session TEXT NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (session, id)
        ) WITHOUT ROWID
    """,
}
_TABLES: Final = (
    "pictures",
    "rankings",
    "labelled_queries",
    "labelled_pictures",
    "tagging",
    "picture_labels",
    "label_corrections",
)

_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """A session as it was stored. used_at_s: when it was last used, in seconds since 1970.

    pictures, summaries of rankings, labelled queries: positions and JSON texts, in their order.
    labelled_pictures: JSON texts. tagging: JSON texts by the names of the parts. picture_labels, label_corrections:
    ids of pictures and JSON texts.
    """

    owner: str
    used_at_s: float
    pictures: Sequence[tuple[int, str]]
    summaries: Sequence[tuple[int, str]]
    labelled_queries: Sequence[tuple[int, str]] = ()
    labelled_pictures: Sequence[str] = ()
    tagging: Mapping[str, str] = field(default_factory=dict)
    picture_labels: Sequence[tuple[str, str]] = ()
    label_corrections: Sequence[tuple[str, str]] = ()


class SessionDatabase:
    """Thread-safe. If the file cannot be used, sessions live only as long as the program; the log says so.

    path: of the file; its folder is made if it is missing, readable by this user alone.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._failures: set[str] = set()
        self._connection, self._is_lasting = _open(path)

    @property
    def is_complete(self) -> bool:
        """Whether all that was stored can be found again."""
        return not self._failures

    def add(self, session: str, owner: str, now_s: float) -> None:
        """Store a new session. owner: the name of the login, or empty. now_s: seconds since 1970."""
        self._change("INSERT OR IGNORE INTO sessions VALUES (?, ?, ?)", [(session, owner, now_s)])

    def touch(self, sessions: Iterable[str], now_s: float) -> None:
        """Note that sessions are in use."""
        self._change("UPDATE sessions SET used_at = ? WHERE id = ?", [(now_s, session) for session in sessions])

    def unused_since(self, time_s: float) -> list[str]:
        """Return the sessions that were last used before a time, in seconds since 1970."""
        return [id_ for (id_,) in self._rows("SELECT id FROM sessions WHERE used_at < ?", time_s)]

    def all(self) -> set[str] | None:
        """Return all sessions; None if that is not known, as the file cannot be used."""
        rows = self._run(lambda connection: connection.execute("SELECT id FROM sessions").fetchall(), None)
        return {id_ for (id_,) in rows} if self._is_lasting and rows is not None else None

    def load(self, session: str) -> StoredSession | None:
        """Return a session, or None if there is none."""
        found = self._rows("SELECT owner, used_at FROM sessions WHERE id = ?", session)
        if not found:
            return None
        owner, used_at_s = found[0]
        pictures = "SELECT position, content FROM pictures WHERE session = ? ORDER BY position"
        summaries = "SELECT position, summary FROM rankings WHERE session = ? ORDER BY position"
        queries = "SELECT position, content FROM labelled_queries WHERE session = ? ORDER BY position"
        labelled = "SELECT content FROM labelled_pictures WHERE session = ?"
        return StoredSession(
            owner=owner,
            used_at_s=used_at_s,
            pictures=[(position, content) for position, content in self._rows(pictures, session)],
            summaries=[(position, content) for position, content in self._rows(summaries, session)],
            labelled_queries=[(position, content) for position, content in self._rows(queries, session)],
            labelled_pictures=[content for (content,) in self._rows(labelled, session)],
            tagging=dict(self._rows("SELECT part, content FROM tagging WHERE session = ?", session)),
            picture_labels=self._of_pictures("picture_labels", session),
            label_corrections=self._of_pictures("label_corrections", session),
        )

    def _of_pictures(self, table: str, session: str) -> list[tuple[str, str]]:
        rows = self._rows(f"SELECT id, content FROM {table} WHERE session = ?", session)
        return [(id_, content) for id_, content in rows]

    def delete(self, session: str) -> None:
        """Delete a session with all that is in it."""
        for table in _TABLES:
            self._change(f"DELETE FROM {table} WHERE session = ?", [(session,)])
        self._change("DELETE FROM sessions WHERE id = ?", [(session,)])

    def put_pictures(self, session: str, pictures: Iterable[tuple[str, int, str]]) -> None:
        """Store pictures, each as its id, its position and its JSON."""
        rows = [(session, *picture) for picture in pictures]
        self._change("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", rows)

    def delete_pictures(self, session: str, ids: Iterable[str]) -> None:
        """Delete pictures."""
        self._change("DELETE FROM pictures WHERE session = ? AND id = ?", [(session, id_) for id_ in ids])

    def put_ranking(self, session: str, id_: str, position: int, summary: str, results: str | None) -> None:
        """Store a ranking as two JSON texts. results: None if there are none yet."""
        row = (session, id_, position, summary, results)
        self._change("INSERT OR REPLACE INTO rankings VALUES (?, ?, ?, ?, ?)", [row])

    def results(self, session: str, id_: str) -> str | None:
        """Return the results of a ranking as they were stored, or None."""
        rows = self._rows("SELECT results FROM rankings WHERE session = ? AND id = ?", session, id_)
        return rows[0][0] if rows else None

    def delete_ranking(self, session: str, id_: str) -> None:
        """Delete a ranking."""
        self._change("DELETE FROM rankings WHERE session = ? AND id = ?", [(session, id_)])

    def put_labelled_queries(self, session: str, queries: Iterable[tuple[str, int, str]]) -> None:
        """Store labelled queries, each as its text, its position and its JSON."""
        rows = [(session, *query) for query in queries]
        self._change("INSERT OR REPLACE INTO labelled_queries VALUES (?, ?, ?, ?)", rows)

    def delete_labelled_query(self, session: str, query: str) -> None:
        """Delete a labelled query."""
        self._change("DELETE FROM labelled_queries WHERE session = ? AND query = ?", [(session, query)])

    def put_labelled_pictures(self, session: str, pictures: Iterable[tuple[str, str]]) -> None:
        """Store what labelled queries know of pictures, each as its id and its JSON."""
        rows = [(session, *picture) for picture in pictures]
        self._change("INSERT OR REPLACE INTO labelled_pictures VALUES (?, ?, ?)", rows)

    def delete_labelled_pictures(self, session: str, ids: Iterable[str]) -> None:
        """Delete what labelled queries knew of pictures."""
        self._change("DELETE FROM labelled_pictures WHERE session = ? AND id = ?", [(session, id_) for id_ in ids])

    def put_tagging(self, session: str, part: str, content: str | None) -> None:
        """Store a part of what is known of the labels of pictures, as JSON; None deletes it."""
        if content is None:
            self._change("DELETE FROM tagging WHERE session = ? AND part = ?", [(session, part)])
        else:
            self._change("INSERT OR REPLACE INTO tagging VALUES (?, ?, ?)", [(session, part, content)])

    def put_picture_labels(self, session: str, pictures: Iterable[tuple[str, str]]) -> None:
        """Store the labels of pictures, each as its id and its JSON."""
        rows = [(session, *picture) for picture in pictures]
        self._change("INSERT OR REPLACE INTO picture_labels VALUES (?, ?, ?)", rows)

    def delete_picture_labels(self, session: str) -> None:
        """Delete the labels of all pictures, but no corrections."""
        self._change("DELETE FROM picture_labels WHERE session = ?", [(session,)])

    def put_label_correction(self, session: str, id_: str, content: str | None) -> None:
        """Store what somebody has corrected of the labels of a picture, as JSON; None deletes it."""
        if content is None:
            self._change("DELETE FROM label_corrections WHERE session = ? AND id = ?", [(session, id_)])
        else:
            self._change("INSERT OR REPLACE INTO label_corrections VALUES (?, ?, ?)", [(session, id_, content)])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _change(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        def change(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.executemany(statement, rows)

        self._run(change, None)

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._run(lambda connection: connection.execute(statement, values).fetchall(), [])

    def _run(self, action: Callable[[sqlite3.Connection], _Result], otherwise: _Result) -> _Result:
        """Return the result of an action, or another one if the database fails, such as on a full disk."""
        with self._lock:
            try:
                return action(self._connection)
            except sqlite3.Error as error:
                if str(error) not in self._failures:  # otherwise a full disk would be filled with this message
                    _log.warning("The sessions of the page could not be stored or read: %s", error)
                self._failures.add(str(error))
                return otherwise


def _open(path: Path) -> tuple[sqlite3.Connection, bool]:
    """Open the file. A damaged one is put aside; without any file the sessions are kept in memory.

    Returns also whether there is a file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(path.with_suffix(".opening"), BUSY_TIMEOUT_S):
            try:
                return connect(path, _MIGRATIONS), True
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                _log.warning("The file of the page's sessions was damaged; a new one was started")
                put_aside(path)
                return connect(path, _MIGRATIONS), True
    except (OSError, sqlite3.Error, NewerSchema) as error:
        _log.warning("Sessions of the page end with the program: %s", type(error).__name__)
        return connect(Path(":memory:"), _MIGRATIONS), False
