"""Vectors of sentences that were encoded before, in an SQLite file that all programs of a user share.

A sentence is stored as its SHA-256. If the file cannot be read or written, the sentence is encoded again.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reranker.storage.sqlite_file import NewerSchema, connect, transaction

_log = logging.getLogger(__name__)
_MIGRATIONS: Final[dict[str, str]] = {
    "vectors": """
        CREATE TABLE vectors (
            number INTEGER PRIMARY KEY AUTOINCREMENT, fingerprint TEXT NOT NULL, text_hash BLOB NOT NULL,
            vector BLOB NOT NULL, UNIQUE (fingerprint, text_hash)
        )
    """
}
MAX_VECTORS: Final = 20_000  # the oldest are deleted then


class VectorCache:
    """A cache in a file. Thread-safe; no method raises anything."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = connect(path, _MIGRATIONS)
        except (OSError, sqlite3.Error, NewerSchema) as error:
            _log.warning("The vectors of sentences cannot be stored: %s", type(error).__name__)

    def get(self, fingerprint: str, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors, (dimensions,), of those of the texts that have one by the encoder of a fingerprint."""
        statement = "SELECT vector FROM vectors WHERE fingerprint = ? AND text_hash = ?"
        found = {text: self._read(statement, fingerprint, _digest(text)) for text in texts}
        return {text: vectors[0] for text, vectors in found.items() if vectors}

    def latest(self, fingerprint: str, count: int) -> list[NDArray[np.float32]]:
        """Return the vectors that were stored last."""
        statement = "SELECT vector FROM vectors WHERE fingerprint = ? ORDER BY number DESC LIMIT ?"
        return self._read(statement, fingerprint, count)

    def put(self, fingerprint: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Store the vectors of texts."""
        rows = [(fingerprint, _digest(text), vector.tobytes()) for text, vector in vectors.items()]
        with self._lock:
            if self._connection is None:
                return
            try:
                with transaction(self._connection):
                    self._connection.executemany(
                        "INSERT OR IGNORE INTO vectors (fingerprint, text_hash, vector) VALUES (?, ?, ?)", rows
                    )
                    self._connection.execute(
                        "DELETE FROM vectors WHERE number <= (SELECT MAX(number) FROM vectors) - ?", (MAX_VECTORS,)
                    )
            except sqlite3.Error as error:
                self._give_up(error)

    def _read(self, statement: str, *values: object) -> list[NDArray[np.float32]]:
        with self._lock:
            if self._connection is None:
                return []
            try:
                rows = self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                self._give_up(error)
                return []
        return [np.frombuffer(vector, np.float32) for (vector,) in rows]

    def _give_up(self, error: sqlite3.Error) -> None:
        _log.warning("The vectors of sentences cannot be used: %s", error)
        self._connection = None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
