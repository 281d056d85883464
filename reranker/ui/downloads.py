"""Make the files that people download from the page."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, Literal

from reranker.api import Reranker
from reranker.config.settings import MEGABYTE
from reranker.core.text import well_formed
from reranker.core.types import Ranking, Scored
from reranker.export.archive import write_archive
from reranker.export.contact_sheet import as_html
from reranker.export.rows import as_csv, as_json
from reranker.i18n.error_messages import Language
from reranker.images.limits import Limits
from reranker.ui.upload_quota import UploadQuota, shared_quota
from reranker.ui.uploads import Uploads

Format = Literal["csv", "json", "zip", "html"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "json", "html", "zip")
_MEMBER_BYTES: Final = 1_000  # of a ZIP file for each picture, besides its own bytes; names have at most 255


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Write files into a folder from which the page serves them.

    A tab has one file of each name: the same content is written once, and another one takes its place. Paths cannot be
    guessed, and reveal neither query nor folder. All methods raise `UploadsFull` and `OSError`.

    folder: inside the upload folder. quota: of the upload folder.
    """

    folder: Path
    limits: Limits
    quota: UploadQuota
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), init=False, repr=False)

    @classmethod
    def of(cls, uploads: Uploads, reranker: Reranker) -> "Downloads":
        """Write into a subfolder of the upload folder, within the limits of a reranker."""
        quota = shared_quota(uploads.folder, reranker.settings.limits.max_uploads_mb * MEGABYTE)
        return cls(folder=uploads.folder / "downloads", limits=reranker.limits, quota=quota)

    def write(
        self,
        ranking: Ranking,
        format_: Format,
        judged_by: Mapping[str, Any],
        zip_count: int,
        language: Language,
        session: str,
    ) -> Path:
        """Write a ranking into a file and return its path.

        judged_by: see `Reranker.judged_by`. zip_count: the number of top pictures in a ZIP file. session: of the tab.
        """
        safe = replace(ranking, scored=tuple(map(_without_link, ranking.scored)))
        if format_ == "zip":
            present = tuple(scored for scored in safe.scored[:zip_count] if scored.candidate.source)
            return self._write_archive(replace(safe, scored=present), session)
        texts: dict[str, Callable[[], str]] = {
            "csv": lambda: as_csv(safe, language=language),
            "json": lambda: as_json(safe, judged_by=judged_by, language=language),
            "html": lambda: as_html(safe, model=judged_by["model"], limits=self.limits, language=language),
        }
        return self.write_text(f"ranking.{format_}", texts[format_](), session)

    def write_text(self, name: str, text: str, session: str) -> Path:
        """Write a text into a file of this name and return its path."""
        data = well_formed(text).encode()
        target = self._target(session, name, data)
        if not target.exists():
            with self._new_file(target, len(data)) as file:
                file.write(data)
        return target

    def _write_archive(self, ranking: Ranking, session: str) -> Path:
        pictures = [
            (scored.candidate.name, scored.candidate.source, scored.score.log_odds) for scored in ranking.scored
        ]
        content = repr((ranking.query, ranking.temperature, pictures))
        target = self._target(session, "ranking.zip", content.encode(errors="surrogatepass"))
        if not target.exists():
            size_bytes = sum(_MEMBER_BYTES + _size_bytes(scored) for scored in ranking.scored)
            with self._new_file(target, size_bytes) as file:
                write_archive(ranking, file, self.limits)
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


def _without_link(scored: Scored) -> Scored:
    """Return a result without its picture if a link has taken the place of the file since it was admitted."""
    source = scored.candidate.source
    if isinstance(source, bytes) or os.path.realpath(source) == os.fspath(source):
        return scored
    return replace(scored, candidate=replace(scored.candidate, source=b""))


def _size_bytes(scored: Scored) -> int:
    source = scored.candidate.source
    if isinstance(source, bytes):
        return len(source)
    try:
        return source.stat().st_size
    except OSError:  # deleted; it is left out
        return 0
