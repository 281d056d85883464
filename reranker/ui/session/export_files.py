"""The files that people download: written into the folder of a session, and found again by an address."""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from reranker.core.errors import PathUnknown
from reranker.ui.session.session import Session
from reranker.ui.upload_quota import UploadQuota

_TOKEN: Final = re.compile(r"[0-9a-f]{32}")


class ExportFiles:
    """One file of each name in each session. quota: of all sessions. names: that files may have."""

    def __init__(self, quota: UploadQuota, names: frozenset[str]) -> None:
        self._quota, self._names = quota, names

    def find(self, session: Session, token: str, name: str) -> Path:
        """Return a file that was written. Raises `PathUnknown`."""
        file = session.folder / "exports" / token / name
        if not _TOKEN.fullmatch(token) or name not in self._names or not file.is_file():
            raise PathUnknown
        return file

    @contextmanager
    def new(self, session: Session, name: str, byte_count: int = 0) -> Iterator[tuple[IO[bytes], str]]:
        """Open a file that appears under its name once it is complete, in place of an earlier one of that name.

        Yields it and its address, which cannot be guessed. byte_count: what it may take. Raises `UploadsFull`.
        """
        folder, token = session.folder / "exports", secrets.token_hex(16)
        for earlier in folder.glob(f"*/{name}"):
            shutil.rmtree(earlier.parent, ignore_errors=True)
        target = folder / token / name
        target.parent.mkdir(parents=True)
        part = target.with_suffix(".part")
        try:
            with self._quota.reserve(byte_count) as reservation, part.open("xb") as file:
                yield file, f"sessions/{session.id}/exports/{token}/{name}"
                reservation.count(file.tell())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
