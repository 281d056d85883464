"""What is on the page as a file to take away, made when it is asked for."""

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
KEPT_S: Final = 600  # long after a browser has fetched it
BYTE_ORDER_MARK: Final = "\ufeff"  # without it spreadsheets show Chinese as something else


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Writes files into a folder of this program's, from where the page hands them out."""

    folder: Path
    limits: Limits

    def write(
        self, ranking: Ranking, format_: Format, judged_by: Mapping[str, Any], best: int, language: Language
    ) -> Path:
        """The file; of a ZIP only the `best` pictures. Its name says nothing of the query or of a folder.

        judged_by: as `Reranker.judged_by` has it.
        """
        target = self.place(f"ranking.{format_}")
        if format_ == "zip":
            with target.open("wb") as file:
                write_archive(replace(ranking, scored=ranking.scored[:best]), file, self.limits)
        else:
            text = self._texts(ranking, judged_by, language)[format_]()
            target.write_bytes(text.encode(errors="backslashreplace"))
        return target

    def place(self, name: str) -> Path:
        """For a file of this name, which nobody finds who is not told."""
        self._forget_old()
        target = self.folder / secrets.token_hex(8) / name
        target.parent.mkdir(parents=True)
        return target

    def _forget_old(self) -> None:
        """So that who presses the button all day does not fill the disk."""
        for made in self.folder.glob("*"):
            with suppress(FileNotFoundError):  # another visitor's press was first
                if time.time() - made.stat().st_mtime > KEPT_S:
                    shutil.rmtree(made, ignore_errors=True)

    def _texts(
        self, ranking: Ranking, judged_by: Mapping[str, Any], language: Language
    ) -> dict[str, Callable[[], str]]:
        return {
            "csv": lambda: BYTE_ORDER_MARK + as_csv(ranking, language=language),
            "json": lambda: as_json(ranking, judged_by=judged_by, language=language),
            "html": lambda: as_html(ranking, model=judged_by["model"], limits=self.limits, language=language),
        }
