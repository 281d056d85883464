"""Make the files that people download from the tab “Evaluate”."""

import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reranker.api import Reranker
from reranker.config.settings import MEGABYTE
from reranker.core.text import well_formed
from reranker.ui.upload_quota import UploadQuota, shared_quota
from reranker.ui.uploads import Uploads


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Write files into a folder from which the page serves them.

    A tab has one file of each name: the same content is written once, and another one takes its place. Paths cannot be
    guessed, and reveal neither query nor folder. All methods raise `UploadsFull` and `OSError`.

    folder: inside the upload folder. quota: of the upload folder.
    """

    folder: Path
    quota: UploadQuota
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), init=False, repr=False)

    @classmethod
    def of(cls, uploads: Uploads, reranker: Reranker) -> "Downloads":
        """Write into a subfolder of the upload folder, within the limits of a reranker."""
        quota = shared_quota(uploads.folder, reranker.settings.limits.max_uploads_mb * MEGABYTE)
        return cls(folder=uploads.folder / "downloads", quota=quota)

    def write_text(self, name: str, text: str, session: str) -> Path:
        """Write a text into a file of this name and return its path."""
        data = well_formed(text).encode()
        target = self._target(session, name, data)
        if not target.exists():
            with self._new_file(target, len(data)) as file:
                file.write(data)
        return target

    def _target(self, session: str, name: str, content: bytes) -> Path:
        """Return the path of a tab's file with this name and content. One that exists counts as new again."""
        tab = self._digest(session)
        target = self.folder / tab / self._digest(f"{tab} {name} {hashlib.sha256(content).hexdigest()}") / name
        if target.exists():
            target.touch()
        return target

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(text.encode(errors="surrogatepass"), key=self._secret, digest_size=16).hexdigest()

    @contextmanager
    def _new_file(self, target: Path, size_bytes: int) -> Iterator[IO[bytes]]:
        """Open a file that appears under its name once it is complete, in place of an earlier one of the same tab.

        size_bytes: the most that it may take.
        """
        if self.folder.is_symlink():
            self.folder.unlink()
        for earlier in target.parent.parent.glob(f"*/{target.name}"):
            shutil.rmtree(earlier.parent, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{secrets.token_hex(8)}.part")
        try:
            with self.quota.reserve(size_bytes) as reservation, part.open("xb") as file:
                yield file
                reservation.count(file.tell())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
