"""Make the files that people download from the page."""

import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from reranker.core.types import Ranking
from reranker.export.archive import write_archive
from reranker.export.contact_sheet import as_html
from reranker.export.rows import as_csv, as_json
from reranker.i18n.error_messages import Language
from reranker.images.limits import Limits

Format = Literal["csv", "json", "zip", "html"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "json", "html", "zip")
MAX_AGE_S: Final = 600  # browsers fetch a file at once
BYTE_ORDER_MARK: Final = "\ufeff"  # without it, spreadsheet programs misread Chinese


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Write files into a folder from which the page serves them."""

    folder: Path
    limits: Limits

    def write(
        self, ranking: Ranking, format_: Format, judged_by: Mapping[str, Any], zip_count: int, language: Language
    ) -> Path:
        """Write a ranking into a new file and return its path. The file's name reveals neither query nor folder.

        judged_by: see `Reranker.judged_by`. zip_count: the number of top pictures in a ZIP file.
        """
        target = self.new_path(f"ranking.{format_}")
        if format_ == "zip":
            with target.open("wb") as file:
                write_archive(replace(ranking, scored=ranking.scored[:zip_count]), file, self.limits)
        else:
            text = self._texts(ranking, judged_by, language)[format_]()
            target.write_bytes(text.encode(errors="backslashreplace"))
        return target

    def new_path(self, name: str) -> Path:
        """Return the path of a new file with this name, in a folder whose name nobody can guess."""
        self._delete_old()
        target = self.folder / secrets.token_hex(8) / name
        target.parent.mkdir(parents=True)
        return target

    def _delete_old(self) -> None:
        """Delete old files, so that many downloads do not fill the disk."""
        for folder in self.folder.glob("*"):
            with suppress(FileNotFoundError):  # another request has deleted it
                if time.time() - folder.stat().st_mtime > MAX_AGE_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def _texts(
        self, ranking: Ranking, judged_by: Mapping[str, Any], language: Language
    ) -> dict[str, Callable[[], str]]:
        return {
            "csv": lambda: BYTE_ORDER_MARK + as_csv(ranking, language=language),
            "json": lambda: as_json(ranking, judged_by=judged_by, language=language),
            "html": lambda: as_html(ranking, model=judged_by["model"], limits=self.limits, language=language),
        }
