"""Receive an uploaded file: it is written and hashed while it arrives, within the quota and the limit of its size."""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from reranker.config.settings import MEGABYTE
from reranker.core.errors import (
    PictureFileTooLarge,
    PictureUnreadable,
    RequestMalformed,
    RequestTimedOut,
    UploadsFull,
)
from reranker.core.text import well_formed
from reranker.server.request_bodies import content_length, timed
from reranker.ui.session.session import INCOMING
from reranker.ui.upload_quota import Reservation, UploadQuota

MAX_NAME_LENGTH: Final = 255
_JOINERS: Final = "\u200c\u200d"  # of letters and of emoji


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that has arrived. name: as people see it. sha256: of its bytes, in hexadecimal."""

    name: str
    file: Path
    sha256: str


class UploadReceiver:
    """quota: of the folder that the files are in. max_mb: of one file, in megabytes."""

    def __init__(self, quota: UploadQuota, max_mb: int) -> None:
        self._quota, self._max_bytes = quota, max_mb * MEGABYTE

    @asynccontextmanager
    async def receive(self, request: Request, folder: Path) -> AsyncIterator[Upload]:
        """Write the body of a request into a file in a subfolder; it is deleted at the end unless it was moved.

        Raises `PictureUnreadable` if the file is empty, `PictureFileTooLarge`, `UploadsFull`, `RequestMalformed`,
        `RequestTimedOut`.
        """
        name, length = shown_name(request.query_params.get("name", "")), content_length(request.scope)
        if "content-length" not in request.headers:
            raise RequestMalformed(where="Content-Length")
        if not length:
            raise PictureUnreadable(name=name, reason="empty")
        if length > self._max_bytes:
            raise PictureFileTooLarge(name=name, size_bytes=length, max_bytes=self._max_bytes)
        reservation = await self._reserve(request, length)
        file = folder / INCOMING / f"{secrets.token_hex(8)}.part"
        try:
            yield Upload(name=name, file=file, sha256=await self._write(request, file, reservation))
        finally:
            reservation.close()
            file.unlink(missing_ok=True)

    async def _reserve(self, request: Request, length: int) -> Reservation:
        """Reserve room for a file. Raises `UploadsFull` after it was received: browsers read no answer before that."""
        try:
            return await run_in_threadpool(Reservation, self._quota, length)  # it may have to measure the folder
        except UploadsFull:
            receive = timed(request.receive)
            while (await receive()).get("more_body", False):
                pass
            raise

    async def _write(self, request: Request, file: Path, reservation: Reservation) -> str:
        """Return the hash of what has arrived. Raises `RequestTimedOut` if the client disconnects, and others."""
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest, receive, more = hashlib.sha256(), timed(request.receive), True
        with file.open("xb") as target:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestTimedOut
                part, more = message.get("body", b""), message.get("more_body", False)
                reservation.count(len(part))
                digest.update(part)
                target.write(part)
        return digest.hexdigest()


def shown_name(name: str) -> str:
    """Return the last part of a path on one line, shortened."""
    last = re.split(r"[\\/]", well_formed(name).rstrip("\\/"))[-1]
    visible = "".join(each if each.isprintable() or each in _JOINERS else "\ufffd" for each in last)
    return visible[-MAX_NAME_LENGTH:] or "picture"
