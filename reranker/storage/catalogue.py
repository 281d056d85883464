"""The catalogue of a library: which picture files it has, and in which row the vector of each is.

A vector belongs to the bytes of a file, not to its path: a file that was moved or copied keeps it. A row is entered
only after its vector is on the disk, so whenever the program is killed, each row has the vector of its own picture.
Paths are stored as bytes, since names of files need not be text.
"""

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.errors import LibraryEncoderDiffers, LibraryUnreadable
from reranker.storage.sqlite_file import NewerSchema, connect, transaction
from reranker.storage.vectors import VectorFile

FILE: Final = "catalogue.sqlite"
_MIGRATIONS: Final[dict[str, str]] = {
    "encoder": "CREATE TABLE encoder (fingerprint TEXT NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL)",
    "vectors": "CREATE TABLE vectors (content_hash BLOB PRIMARY KEY, row INTEGER NOT NULL UNIQUE) WITHOUT ROWID",
    "pictures": """
        CREATE TABLE pictures (
            path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
            content_hash BLOB, error TEXT
        ) WITHOUT ROWID
    """,
    "pictures by content": "CREATE INDEX pictures_by_content ON pictures (content_hash)",
}


@dataclass(frozen=True, kw_only=True)
class FileStamp:
    """What changes when a file does, and is known without reading it."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, kw_only=True)
class CataloguedPicture:
    """A file of a library. content_hash: SHA-256 in hexadecimal; None if it could not be read.

    error: the name of the class of its `PictureError`, if it has no vector.
    """

    path: str
    stamp: FileStamp
    content_hash: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """The dual encoder that has made the vectors of a library."""

    fingerprint: str
    model: str
    dimensions: int


class Catalogue:
    """The catalogue and the vectors in a folder. Thread-safe; one process writes at a time, and others may read.

    Raises `LibraryUnreadable` if the folder cannot be used, and `LibraryEncoderDiffers` if another encoder has made it.
    """

    def __init__(self, folder: Path, encoder: EncoderRecord) -> None:
        self._folder, self._lock = folder, Lock()
        self.vectors = VectorFile(folder / "vectors.f16", encoder.dimensions)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = connect(folder / FILE, _MIGRATIONS)
        except (OSError, sqlite3.Error, NewerSchema) as error:
            raise LibraryUnreadable(name=folder.name, reason=type(error).__name__) from error
        self._check_encoder(encoder)

    def _check_encoder(self, encoder: EncoderRecord) -> None:
        with self._lock, transaction(self._connection):
            row = self._connection.execute("SELECT fingerprint, model FROM encoder").fetchone()
            if row is None:
                values = encoder.fingerprint, encoder.model, encoder.dimensions
                self._connection.execute("INSERT INTO encoder VALUES (?, ?, ?)", values)
                return
        if row[0] != encoder.fingerprint:
            self._connection.close()
            raise LibraryEncoderDiffers(name=self._folder.name, made_by=row[1], given=encoder.model)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether a folder has a catalogue."""
        return (folder / FILE).is_file()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def stamps(self) -> dict[str, FileStamp]:
        """Return the stamp of every file."""
        rows = self._rows("SELECT path, size, mtime_ns, inode FROM pictures")
        return {os.fsdecode(path): FileStamp(size=size, mtime_ns=time, inode=inode) for path, size, time, inode in rows}

    def known_contents(self, content_hashes: Iterable[str]) -> set[str]:
        """Return those of the content hashes that have a vector."""
        return {
            each
            for each in content_hashes
            if self._rows("SELECT 1 FROM vectors WHERE content_hash = ?", bytes.fromhex(each))
        }

    def put(self, pictures: Sequence[CataloguedPicture], vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Enter files, in place of what was known of their paths, and the vectors of new contents by their hashes.

        Raises `OSError` and `sqlite3.Error`; then nothing has changed.
        """
        rows = [
            (
                os.fsencode(each.path),
                each.stamp.size,
                each.stamp.mtime_ns,
                each.stamp.inode,
                _bytes(each.content_hash),
                each.error,
            )
            for each in pictures
        ]
        with self._lock, transaction(self._connection):
            new = {
                content_hash: vector
                for content_hash, vector in vectors.items()
                if not self._connection.execute(
                    "SELECT 1 FROM vectors WHERE content_hash = ?", (bytes.fromhex(content_hash),)
                ).fetchone()
            }
            if new:
                first = self._row_count()
                self.vectors.append(np.stack(list(new.values())), first)
                entries = [(bytes.fromhex(each), first + index) for index, each in enumerate(new)]
                self._connection.executemany("INSERT INTO vectors VALUES (?, ?)", entries)
            self._connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files. Their vectors stay, for files that come back or were moved. Raises `sqlite3.Error`."""
        with self._lock, transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM pictures WHERE path = ?", [(os.fsencode(path),) for path in paths]
            )

    def searchable(self) -> tuple[NDArray[np.float16], dict[int, list[str]]]:
        """Return all vectors, (rows, dimensions), and the paths of the files of each row that has any."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                count = self._row_count()
                found = self._connection.execute(
                    "SELECT row, path FROM pictures JOIN vectors USING (content_hash) ORDER BY path"
                ).fetchall()
            finally:
                self._connection.execute("COMMIT")
        paths: dict[int, list[str]] = {}
        for row, path in found:
            paths.setdefault(row, []).append(os.fsdecode(path))
        return self.vectors.read(count), paths

    def failures(self) -> dict[str, str]:
        """Return the errors of the files that have no vector, by path."""
        rows = self._rows("SELECT path, error FROM pictures WHERE error IS NOT NULL")
        return {os.fsdecode(path): error for path, error in rows}

    def _row_count(self) -> int:
        (count,) = self._connection.execute("SELECT COALESCE(MAX(row) + 1, 0) FROM vectors").fetchone()
        return int(count)

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _bytes(content_hash: str | None) -> bytes | None:
    return None if content_hash is None else bytes.fromhex(content_hash)
