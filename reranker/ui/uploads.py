"""Which files the web may open: those that were uploaded here, and nothing else.

Gradio checks a file only if the client marks it as one: without the mark our functions receive any string, and with it
Gradio fetches any URL. So there are two checks: `UploadGuard` before Gradio, and `Uploads.admit` before we open a file.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.core.errors import PictureError, PictureForbidden, PictureMissing, PictureUnreadable
from reranker.core.types import Candidate, Failed
from reranker.server.documents import decode_base64, is_data_uri
from reranker.ui.galleries import Galleries

MAX_BODY_BYTES: Final = 16_000_000  # of a request that is no upload; 500 pictures of a gallery take 0.3 MB
_MAX_NAME_LENGTH: Final = 80
# Gradio's addresses that answer what another server says; left is a path from the root, of Windows too.
_ELSEWHERE: Final = re.compile(r"/gradio_api/(proxy=|file/|file=(?!/|[A-Za-z]:[\\/]))")
_HAS_LIMITS: Final = re.compile(r"/upload$|^/v1/")  # of their own, and opens no paths


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What a caller gave: what may be judged, each one's position, and those that may not."""

    candidates: tuple[Candidate, ...]
    positions: tuple[int, ...]
    refused: tuple[Failed, ...]

    @property
    def pictures(self) -> list[Path]:
        """The files among the candidates."""
        return [candidate.source for candidate in self.candidates if isinstance(candidate.source, Path)]

    @property
    def total(self) -> int:
        return len(self.candidates) + len(self.refused)


class Uploads:
    """The folder that visitors upload into, and the galleries of the server.

    `thumbnails/` in it mirrors the rest, a file `<original>.jpg` for each, and `thumbnails/galleries/` the galleries.
    A picture of a gallery is known to browsers by its thumbnail alone.
    """

    def __init__(self, folder: Path, galleries: Galleries | None = None) -> None:
        self.folder = folder.resolve()
        self.galleries = galleries or Galleries(())
        self.thumbnails, self.samples = self.folder / "thumbnails", self.folder / "samples"
        self._of_galleries = self.thumbnails / "galleries"

    @classmethod
    def here(cls, galleries: Iterable[Path] = ()) -> "Uploads":
        """Over the folder that Gradio uploads into, and those that the settings name."""
        folder = Path(get_upload_folder()).resolve()
        return cls(folder, Galleries(galleries, hidden=folder))

    def admit(self, item: object) -> Path:
        """The picture that a gallery item, a file object or a path means; that of its thumbnail is as good.

        Raises `PictureForbidden` for whatever lies elsewhere, and `PictureMissing` for what was deleted since.
        """
        text, is_gone = _path_text(item), False
        try:
            path = self._meant(Path(text))
            if path is not None and path.is_file():
                return path
            is_gone = path is not None and not path.exists()
        except (OSError, ValueError, RuntimeError):  # too long, a zero byte, a loop of links
            pass
        raise (PictureMissing if is_gone else PictureForbidden)(name=_name(text))

    def _meant(self, path: Path) -> Path | None:
        """What a path leads to with all links followed; None outside the folder, as are all addresses and `data:`."""
        resolved = path.resolve()
        if not path.is_absolute() or self.folder not in resolved.parents:
            return None
        if resolved.is_relative_to(self._of_galleries):
            return self._in_gallery(*resolved.relative_to(self._of_galleries).with_suffix("").parts)
        if resolved.is_relative_to(self.thumbnails):
            return self._meant(self.folder / resolved.relative_to(self.thumbnails).with_suffix(""))
        return resolved

    def _in_gallery(self, name: str = "", *parts: str) -> Path | None:
        folder = self.galleries.folder(name)
        if folder is None:
            return None
        resolved = folder.joinpath(*parts).resolve()
        return resolved if folder in resolved.parents else None

    def admits(self, item: object) -> bool:
        """True where `admit` would not raise."""
        try:
            self.admit(item)
        except PictureError:
            return False
        return True

    def thumbnail(self, picture: Path) -> Path:
        """Where the thumbnail of a picture in the folder, or in a gallery, belongs."""
        held = self.galleries.holding(picture)
        if held is not None:
            mirrored = self._of_galleries / held[0] / held[1]
        else:
            mirrored = self.thumbnails / picture.relative_to(self.folder)
        return mirrored.with_name(f"{mirrored.name}.jpg")

    def delete(self, picture: Path) -> None:
        """An upload, or a file made for somebody, and its thumbnail; never the samples, or what lies elsewhere."""
        if picture.is_relative_to(self.folder) and not picture.is_relative_to(self.samples):
            for path in (picture, self.thumbnail(picture)):
                path.unlink(missing_ok=True)

    def admission(self, items: Iterable[object], *, with_data_uris: bool = False) -> Admission:
        """All items, in their order; who may not come in costs only itself. Data URIs are for programs alone."""
        admitted: dict[int, Candidate] = {}
        refused: list[Failed] = []
        for position, item in enumerate(items):
            try:
                admitted[position] = self._candidate(item, position, with_data_uris)
            except PictureError as error:
                candidate = Candidate(name=error.name, source=b"")
                refused.append(Failed(position=position, candidate=candidate, error=error))
        return Admission(candidates=tuple(admitted.values()), positions=tuple(admitted), refused=tuple(refused))

    def _candidate(self, item: object, position: int, with_data_uris: bool) -> Candidate:
        text = _path_text(item)
        if not (with_data_uris and is_data_uri(text)):
            return Candidate.of(self.admit(item))
        sent = Candidate.of(decode_base64(text) or b"", position)
        if not sent.source:
            raise PictureUnreadable(name=sent.name, reason="empty")
        return sent


def _path_text(item: object) -> str:
    """Of {"image": {"path": ...}} as galleries send it, {"path": ...} or the path itself; empty for anything else."""
    while isinstance(item, dict):
        item = next((item[key] for key in ("image", "video", "path") if key in item), None)
    return item if isinstance(item, str) else ""


def _name(text: str) -> str:
    """What is shown of a path that is not opened: the last of it, and not all of a long one."""
    name = re.split(r"[\\/]", text.rstrip("\\/"))[-1] or "?"
    return name if len(name) <= _MAX_NAME_LENGTH else f"{name[:_MAX_NAME_LENGTH]}…"


class UploadGuard:
    """ASGI middleware in front of Gradio: no request makes the server fetch or copy a file that it may not open.

    A file object in a request's JSON that is not an upload loses its "meta" field, so that Gradio does not process it
    and `Uploads.admit` refuses it; the paths under which Gradio fetches from other servers answer 403.
    """

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self._app, self._uploads = app, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _ELSEWHERE.search(scope["path"]):
            await _refuse(send, 403)
        elif scope["type"] == "http" and scope["method"] == "POST" and not _HAS_LIMITS.search(scope["path"]):
            await self._checked(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413)
            return
        unsent: list[Message] = [{"type": "http.request", "body": self._unmarked(body), "more_body": False}]

        async def replay() -> Message:
            return unsent.pop() if unsent else await receive()

        await self._app(scope, replay, send)

    def _unmarked(self, body: bytes) -> bytes:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return body  # not JSON: the endpoint reports it if it expects JSON
        self._unmark(content)
        return json.dumps(content).encode()  # always, so that a repeated key is read the same way by all

    def _unmark(self, content: Any) -> None:
        unseen = [content]
        while unseen:
            value = unseen.pop()
            if isinstance(value, dict):
                if "meta" in value and "path" in value and not self._uploads.admits(value["path"]):
                    del value["meta"]
                unseen += value.values()
            elif isinstance(value, list):
                unseen += value


async def _read(receive: Receive) -> bytes | None:
    """Read the body of a request. Returns None if it is larger than `MAX_BODY_BYTES`."""
    body = bytearray()
    more = True
    while more and len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = bool(message.get("more_body", False))
    return bytes(body) if len(body) <= MAX_BODY_BYTES else None


async def _refuse(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
