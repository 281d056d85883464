"""Decide which files the endpoints for programs may open: uploads, and nothing else.

Clients name files in any form: `GradioGate` keeps those that are not allowed from Gradio, and `Uploads.resolve` from
our own functions.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from gradio.utils import get_upload_folder

from reranker.core.errors import PictureError, PictureForbidden, PictureMissing, PictureUnreadable
from reranker.core.types import Candidate, Failed, Scored
from reranker.pipelines.tag import Tagged
from reranker.server.base64_text import decode_base64, is_data_uri
from reranker.ui.path_text import parts_inside

_MAX_NAME_LENGTH: Final = 80
_Event = TypeVar("_Event", bound=Scored | Failed | Tagged)


@dataclass(frozen=True, kw_only=True)
class CheckedPictures:
    """The pictures of a request: the allowed ones with their positions in the request, and the refused ones."""

    candidates: tuple[Candidate, ...]
    positions: tuple[int, ...]
    refused: tuple[Failed, ...]

    @property
    def paths(self) -> list[Path]:
        """The paths of the candidates that are files."""
        return [candidate.source for candidate in self.candidates if isinstance(candidate.source, Path)]

    def restored(self, event: _Event) -> _Event:
        """Return an event of an allowed picture with its position in the request."""
        return replace(event, position=self.positions[event.position])

    @property
    def total(self) -> int:
        return len(self.candidates) + len(self.refused)


class Uploads:
    """The folder that Gradio stores the uploads of programs in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._roots = (str(self.folder), os.path.abspath(folder))  # noqa: PTH100 - Gradio does not follow links

    @classmethod
    def from_gradio(cls) -> "Uploads":
        """Use Gradio's upload folder."""
        return cls(Path(get_upload_folder()))

    def resolve(self, item: object) -> Path:
        """Return the picture of a gallery item, a file object or a path.

        Raises `PictureForbidden` if it is outside the folders, and `PictureMissing` if it was deleted.
        """
        text, is_missing = _path_text(item), False
        try:
            path = self._original(text)
            if path is not None and path.is_file():
                return path
            is_missing = path is not None and not path.exists()
        except (OSError, ValueError, RuntimeError):  # too long, a zero byte, a loop of links
            pass
        raise (PictureMissing if is_missing else PictureForbidden)(name=_display_name(text))

    def _original(self, text: str) -> Path | None:
        """Return the path with all links followed.

        Returns None if it is outside the folders, as URLs and data URIs are. Paths that lead elsewhere by their text
        alone are never looked up.
        """
        parts = parts_inside(text, self._roots[0]) or parts_inside(text, self._roots[1])
        if parts is None:
            return None
        resolved = self.folder.joinpath(*parts).resolve()
        return resolved if self.folder in resolved.parents else None

    def leads_inside(self, text: str) -> bool:
        """Return whether a path lies in the upload folder by its text alone; nothing is looked up."""
        return any(parts_inside(text, root) is not None for root in self._roots)

    def is_allowed(self, item: object) -> bool:
        """Return whether `resolve` finds a picture."""
        try:
            self.resolve(item)
        except PictureError:
            return False
        return True

    def check(self, items: Iterable[object], *, allow_data_uris: bool = False) -> CheckedPictures:
        """Check all items of a request. An item that is not allowed does not affect the others."""
        candidates: dict[int, Candidate] = {}
        refused: list[Failed] = []
        for position, item in enumerate(items):
            try:
                candidates[position] = self._candidate(item, position, allow_data_uris)
            except PictureError as error:
                candidate = Candidate(name=error.name, source=b"")
                refused.append(Failed(position=position, candidate=candidate, error=error))
        return CheckedPictures(
            candidates=tuple(candidates.values()), positions=tuple(candidates), refused=tuple(refused)
        )

    def _candidate(self, item: object, position: int, allow_data_uris: bool) -> Candidate:
        """Raises `PictureError`."""
        text = _path_text(item)
        if not (allow_data_uris and is_data_uri(text)):
            return Candidate.of(self.resolve(item))
        candidate = Candidate.of(decode_base64(text) or b"", position)
        if not candidate.source:
            raise PictureUnreadable(name=candidate.name, reason="empty")
        return candidate


def _path_text(item: object) -> str:
    """Return the path in {"image": {"path": ...}}, as galleries send it, in {"path": ...}, or the path itself.

    Returns an empty text for anything else.
    """
    while isinstance(item, dict):
        item = next((item[key] for key in ("image", "video", "path") if key in item), None)
    return item if isinstance(item, str) else ""


def _display_name(text: str) -> str:
    """Return the last part of a path that is not opened, shortened if it is long."""
    name = re.split(r"[\\/]", text.rstrip("\\/"))[-1] or "?"
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:_MAX_NAME_LENGTH]}…"
