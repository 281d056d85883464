"""Open SQLite files, bring their tables up to date, and put damaged ones aside."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

BUSY_TIMEOUT_S: Final = 5.0
PAGE_BYTES: Final = 4096
_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class NewerSchema(Exception):
    """A newer version of this program wrote the file."""


def connect(path: Path, migrations: Mapping[str, str]) -> sqlite3.Connection:
    """Open a database in a file that several threads and processes may use at once, and apply missing migrations.

    migrations: SQL statements by name. Each is applied once, in this order. One that was released is never changed.
    Raises `OSError`, `sqlite3.Error`, `NewerSchema`.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")  # readers and a writer do not block each other
        connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last scores, but not the file
        _migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, migrations: Mapping[str, str]) -> None:
    with transaction(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
        applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
        if not applied <= set(migrations):
            raise NewerSchema
        for name, statement in migrations.items():
            if name not in applied:
                connection.execute(statement)
                connection.execute("INSERT INTO migrations VALUES (?)", (name,))


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that waits for other writers first, and is rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite ends it itself after some errors
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def is_damage(error: Exception) -> bool:
    """Return whether an error says that the content of the file is not what SQLite has written.

    The lower byte of an extended error code is the code itself.
    """
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def put_aside(path: Path) -> None:
    """Rename the file together with its log and index, which SQLite would otherwise apply to the new file.

    The log goes first, so that it never lies beside another file. Other processes go on with the files that they have
    open. Raises `OSError`.
    """
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(path.with_suffix(f".damaged{suffix}"))
