"""The catalogue of a library: which picture files it has, what is known of them, and in which row each vector is.

A vector belongs to the bytes of a file, not to its path: a file that was moved or copied keeps it. A row is entered
only after its vector is on the disk, so whenever the program is killed, each row has the vector of its own picture.
Paths are stored as bytes, since names of files need not be text.
"""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.errors import LibraryBusy, LibraryEncoderDiffers, LibraryMissing, LibraryUnreadable
from reranker.core.text import well_formed
from reranker.images.formats import ImageFormat
from reranker.storage.picture_filter import DATE, PictureFilter, filter_condition
from reranker.storage.picture_labels import LABEL_MIGRATIONS, PictureLabels
from reranker.storage.sqlite_file import NewerSchema, connect, transaction
from reranker.storage.vectors import VectorFile

FILE: Final = "catalogue.sqlite"
_MIGRATIONS: Final[dict[str, str]] = {
    "encoder": """
        CREATE TABLE encoder (
            fingerprint TEXT NOT NULL, model TEXT NOT NULL, backend TEXT NOT NULL, dimensions INTEGER NOT NULL,
            vectors TEXT NOT NULL
        )
    """,
    "folders": "CREATE TABLE folders (path BLOB PRIMARY KEY) WITHOUT ROWID",
    "contents": """
        CREATE TABLE contents (
            content_hash BLOB PRIMARY KEY, row INTEGER NOT NULL UNIQUE,
            format TEXT, width INTEGER NOT NULL, height INTEGER NOT NULL, taken TEXT
        ) WITHOUT ROWID
    """,
    "pictures": """
        CREATE TABLE pictures (
            path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
            content_hash BLOB, error TEXT
        ) WITHOUT ROWID
    """,
    "pictures by content": "CREATE INDEX pictures_by_content ON pictures (content_hash)",
    **LABEL_MIGRATIONS,
}
KEPT_FILTERS: Final = 16  # whose rows are remembered until the catalogue changes


@dataclass(frozen=True, kw_only=True)
class FileStamp:
    """What changes when a file does, and is known without reading it."""

    size: int
    mtime_ns: int
    inode: int


NEVER_READ: Final = FileStamp(size=-1, mtime_ns=0, inode=0)  # no file has it, so it is read by the next run


@dataclass(frozen=True, kw_only=True)
class CataloguedPicture:
    """A file to enter. content_hash: SHA-256 in hexadecimal; None if it could not be read.

    error: the name of the class of its `PictureError`, if it has no vector.
    """

    path: str
    stamp: FileStamp
    content_hash: str | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Content:
    """The bytes of one or more files. vector: (dimensions,), of unit length. size_px: upright width and height.

    taken: when, as in `CaptureData`.
    """

    vector: NDArray[np.float32]
    format: ImageFormat | None
    size_px: tuple[int, int]
    taken: str | None


@dataclass(frozen=True, kw_only=True)
class FoundPicture:
    """A file of a library that has a vector. byte_count: of the file. size_px: upright width and height.

    date: when it was taken, or else when the file was changed, in local time: "2024-05-01T10:22:33". taken: as in
    `CaptureData`.
    """

    path: Path
    content_hash: str
    byte_count: int
    format: ImageFormat | None
    size_px: tuple[int, int]
    date: str
    taken: str | None


@dataclass(frozen=True, kw_only=True)
class EncoderRecord:
    """The dual encoder that has made the vectors of a library. backend: as in `EncoderInfo`."""

    fingerprint: str
    model: str
    backend: str
    dimensions: int

    @property
    def shown(self) -> str:
        """Its name for people, without the path to a folder, and with the backend if the vectors depend on it."""
        path = Path(self.model)
        name = well_formed(path.name if path.is_absolute() else self.model)
        return f"{name} ({self.backend})" if self.backend == "onnx-int8" else name


@dataclass(frozen=True, kw_only=True)
class CatalogueCounts:
    """pictures: files with a vector. distinct: of different bytes. failed: files that could not be read."""

    pictures: int
    distinct: int
    failed: int


class Catalogue:
    """The catalogue and the vectors in a folder. Thread-safe; one process writes at a time, and others may read.

    encoder: that of the vectors; None accepts any. Without an encoder, or with `must_exist`, no catalogue is made.
    Raises `LibraryMissing`, `LibraryUnreadable` if the folder cannot be used, and `LibraryEncoderDiffers` if another
    encoder has made the vectors.
    """

    def __init__(self, folder: Path, encoder: EncoderRecord | None = None, *, must_exist: bool = False) -> None:
        self._folder, self._lock = folder, Lock()
        if (encoder is None or must_exist) and not self.exists(folder):
            raise LibraryMissing(name=folder.name)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = connect(folder / FILE, _MIGRATIONS)
            self._connection.execute("PRAGMA synchronous = FULL")  # indexes have the rows that were entered
            self._inode = (folder / FILE).stat().st_ino
        except (OSError, sqlite3.Error, NewerSchema) as error:
            raise LibraryUnreadable(name=folder.name, reason=type(error).__name__) from error
        try:
            self.encoder, self.vectors = self._check_encoder(encoder)
        except BaseException:
            self._connection.close()
            raise
        self.labels = PictureLabels(self._connection, self._lock)
        self._kept: tuple[tuple[int, int], dict[PictureFilter, NDArray[np.bool_] | None]] = (0, 0), {}

    def _check_encoder(self, encoder: EncoderRecord | None) -> tuple[EncoderRecord, VectorFile]:
        with self._lock, transaction(self._connection):
            row = self._connection.execute(
                "SELECT fingerprint, model, backend, dimensions, vectors FROM encoder"
            ).fetchone()
            if row is None:
                if encoder is None:
                    raise LibraryMissing(name=self._folder.name)
                return encoder, self._enter_encoder(encoder)
        made_by = EncoderRecord(fingerprint=row[0], model=row[1], backend=row[2], dimensions=row[3])
        if encoder is not None and encoder.fingerprint != made_by.fingerprint:
            raise LibraryEncoderDiffers(name=self._folder.name, made_by=made_by.shown, given=encoder.shown)
        return made_by, VectorFile(self._folder / row[4], made_by.dimensions)

    def _enter_encoder(self, encoder: EncoderRecord) -> VectorFile:
        """Enter the encoder, in a transaction, with a new file for its vectors: others may have opened the old one."""
        file = f"vectors-{secrets.token_hex(4)}.f16"
        self._connection.execute("DELETE FROM encoder")
        values = encoder.fingerprint, encoder.model, encoder.backend, encoder.dimensions, file
        self._connection.execute("INSERT INTO encoder VALUES (?, ?, ?, ?, ?)", values)
        return VectorFile(self._folder / file, encoder.dimensions)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether a folder has a catalogue."""
        return (folder / FILE).is_file()

    @property
    def is_current(self) -> bool:
        """Whether the folder still has the catalogue, and the vectors, that were opened."""
        try:
            if (self._folder / FILE).stat().st_ino != self._inode:
                return False
        except OSError:
            return False
        with self._lock:
            return self._has_own_vectors()

    def _has_own_vectors(self) -> bool:
        row = self._connection.execute("SELECT vectors FROM encoder").fetchone()
        return row is not None and row[0] == self.vectors.name

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def start_again(self, encoder: EncoderRecord) -> None:
        """Forget all pictures and vectors, and take another encoder. Raises `sqlite3.Error`."""
        old = self.vectors
        with self._lock, transaction(self._connection):
            self._connection.execute("DELETE FROM contents")
            self._connection.execute("DELETE FROM pictures")
            self.encoder, self.vectors = encoder, self._enter_encoder(encoder)
        old.delete()

    def folders(self) -> list[str]:
        """Return the folders that were indexed, in order."""
        return sorted(os.fsdecode(path) for (path,) in self._rows("SELECT path FROM folders"))

    def add_folders(self, folders: Iterable[str]) -> None:
        """Remember folders that are indexed. Raises `sqlite3.Error`."""
        with self._lock, transaction(self._connection):
            rows = [(os.fsencode(folder),) for folder in folders]
            self._connection.executemany("INSERT OR IGNORE INTO folders VALUES (?)", rows)

    def counts(self) -> CatalogueCounts:
        """Count the pictures."""
        ((pictures, distinct, failed),) = self._rows(
            "SELECT SUM(error IS NULL), COUNT(DISTINCT CASE WHEN error IS NULL THEN content_hash END), "
            "SUM(error IS NOT NULL) FROM pictures"
        )
        return CatalogueCounts(pictures=pictures or 0, distinct=distinct, failed=failed or 0)

    def stamps(self) -> dict[str, FileStamp]:
        """Return the stamp of every file."""
        rows = self._rows("SELECT path, size, mtime_ns, inode FROM pictures")
        return {os.fsdecode(path): FileStamp(size=size, mtime_ns=time, inode=inode) for path, size, time, inode in rows}

    def has_vector(self, content_hash: str) -> bool:
        """Return whether a content has a vector."""
        return bool(self._rows("SELECT 1 FROM contents WHERE content_hash = ?", bytes.fromhex(content_hash)))

    def vector(self, content_hash: str) -> NDArray[np.float32] | None:
        """Return the vector of a content, (dimensions,); None if it has none. Raises `OSError`."""
        found = self._rows("SELECT row FROM contents WHERE content_hash = ?", bytes.fromhex(content_hash))
        return None if not found else self.vectors.read(found[0][0] + 1)[-1].astype(np.float32)

    def put(self, pictures: Sequence[CataloguedPicture], contents: Mapping[str, Content]) -> None:
        """Enter files, in place of what was known of their paths, and new contents by their hashes.

        Raises `OSError` and `sqlite3.Error`; then nothing has changed.
        """
        rows = [
            (
                os.fsencode(each.path),
                each.stamp.size,
                each.stamp.mtime_ns,
                each.stamp.inode,
                None if each.content_hash is None else bytes.fromhex(each.content_hash),
                each.error,
            )
            for each in pictures
        ]
        with self._lock, transaction(self._connection):
            self._put_contents(contents)
            self._connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _put_contents(self, contents: Mapping[str, Content]) -> None:
        known = "SELECT 1 FROM contents WHERE content_hash = ?"
        new = [
            (bytes.fromhex(content_hash), content)
            for content_hash, content in contents.items()
            if not self._connection.execute(known, (bytes.fromhex(content_hash),)).fetchone()
        ]
        if not new:
            return
        first = self._row_count()
        self.vectors.append(np.stack([content.vector for _, content in new]), first)
        entries = [
            (digest, first + index, content.format, *content.size_px, content.taken)
            for index, (digest, content) in enumerate(new)
        ]
        self._connection.executemany("INSERT INTO contents VALUES (?, ?, ?, ?, ?, ?)", entries)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files. Their vectors stay, for files that come back or were moved. Raises `sqlite3.Error`."""
        with self._lock, transaction(self._connection):
            self._connection.executemany(
                "DELETE FROM pictures WHERE path = ?", [(os.fsencode(path),) for path in paths]
            )

    def searchable(self, filter_: PictureFilter | None = None) -> tuple[NDArray[np.float16], NDArray[np.bool_] | None]:
        """Return all vectors, (rows, dimensions), and whether a file that passes the filter has each; None: all do.

        Raises `OSError`, and `LibraryBusy` if another process has started the library again.
        """
        wanted = filter_ or PictureFilter()
        with self._reading():
            if not self._has_own_vectors():
                raise LibraryBusy(name=self._folder.name)
            count = self._row_count()  # first, as it decides which state this transaction sees
            version = self._version()
            if self._kept[0] != version or len(self._kept[1]) >= KEPT_FILTERS:
                self._kept = version, {}
            kept = self._kept[1]
            if wanted not in kept:
                kept[wanted] = self._mask(wanted, count)
            return self.vectors.read(count), kept[wanted]

    def _mask(self, filter_: PictureFilter, count: int) -> NDArray[np.bool_] | None:
        condition, values = filter_condition(filter_)
        found = self._connection.execute(
            f"SELECT row FROM pictures JOIN contents USING (content_hash) WHERE {condition}", values
        )
        mask = np.zeros(count, bool)
        mask[np.fromiter((row for (row,) in found), np.int64)] = True
        return None if mask.all() else mask

    def files(self, rows: Iterable[int], filter_: PictureFilter | None = None) -> dict[int, list[FoundPicture]]:
        """Return the files that have the vector of each row and pass a filter, in the order of their paths."""
        condition, values = filter_condition(filter_ or PictureFilter())
        found = self._rows(
            f"SELECT row, path, content_hash, size, format, width, height, {DATE}, taken "
            "FROM contents JOIN pictures USING (content_hash) "
            f"WHERE row IN (SELECT value FROM json_each(?)) AND {condition} ORDER BY path",
            json.dumps(list(rows)),
            *values,
        )
        files: dict[int, list[FoundPicture]] = {}
        for row, *facts in found:
            files.setdefault(row, []).append(_picture(facts))
        return files

    def files_of(
        self, content_hashes: Iterable[str], filter_: PictureFilter | None = None
    ) -> dict[str, list[FoundPicture]]:
        """Return the files of contents that pass a filter, by content hash, in the order of their paths."""
        wanted = {bytes.fromhex(each) for each in content_hashes}
        rows = self._rows("SELECT content_hash, row FROM contents")
        by_row = {row: digest.hex() for digest, row in rows if digest in wanted}
        return {by_row[row]: files for row, files in self.files(by_row, filter_).items()}

    def failures(self) -> dict[str, str]:
        """Return the errors of the files that have no vector, by path."""
        rows = self._rows("SELECT path, error FROM pictures WHERE error IS NOT NULL")
        return {os.fsdecode(path): error for path, error in rows}

    def _version(self) -> tuple[int, int]:
        """Numbers that change whenever this process, or another one, has changed the catalogue."""
        (other,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(other), self._connection.total_changes

    def _row_count(self) -> int:
        (count,) = self._connection.execute("SELECT COALESCE(MAX(row) + 1, 0) FROM contents").fetchone()
        return int(count)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the catalogue for several statements."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()


def _picture(facts: Sequence[Any]) -> FoundPicture:
    path, content_hash, byte_count, format_, width, height, date, taken = facts
    return FoundPicture(
        path=Path(os.fsdecode(path)),
        content_hash=content_hash.hex(),
        byte_count=byte_count,
        format=format_,
        size_px=(width, height),
        date=date,
        taken=taken,
    )


def catalogue_size(folder: Path) -> int:
    """Return the bytes of a library on the disk."""
    total = 0
    for file in folder.iterdir():
        with suppress(OSError):
            total += file.stat().st_size
    return total
