"""Read the bodies of requests, within limits: of each in bytes and in time, and of all that are held at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from reranker.config.settings import MEGABYTE, LimitSettings
from reranker.core.errors import RequestMalformed, RequestTimedOut, RequestTooLarge, ServerBusy

MAX_BODIES: Final = 2  # of the largest size; smaller ones can be more
IDLE_S: Final = 20.0
PERIOD_S: Final = 10.0
MIN_BYTES_PER_S: Final = 16_000  # in each period; slow mobile networks send more


class RequestBodies:
    """The bodies that are read or in use. It is used in one event loop.

    max_total_bytes: of all of them. Those that are half received count with what has arrived, so a client that only
    promises a large body takes nothing from others.
    """

    def __init__(self, max_total_bytes: int, *, idle_s: float = IDLE_S, period_s: float = PERIOD_S) -> None:
        self._max_total_bytes, self._idle_s, self._period_s = max_total_bytes, idle_s, period_s
        self._held_bytes = 0

    @classmethod
    def of(cls, limits: LimitSettings) -> Self:
        """Return what the settings allow."""
        return cls(MAX_BODIES * limits.max_request_mb * MEGABYTE)

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive, max_mb: int) -> AsyncIterator[bytearray]:
        """Read the body of a request, and count it until the context ends.

        max_mb: most of this one, in megabytes. Raises `RequestTooLarge`, before anything is read if the client says how
        long the body is; `RequestTimedOut` if little or nothing arrives for a while, or the client disconnects;
        `ServerBusy` if all bodies together are too large; and `RequestMalformed`.
        """
        if content_length(scope) > max_mb * MEGABYTE:
            raise RequestTooLarge(max_mb=max_mb)
        body = bytearray()
        try:
            await self._receive(body, receive, max_mb)
            yield body
        finally:
            self._held_bytes -= len(body)

    async def _receive(self, body: bytearray, receive: Receive, max_mb: int) -> None:
        more, receive_timed = True, timed(receive, self._idle_s, self._period_s)
        while more:
            message = await receive_timed()
            if message["type"] == "http.disconnect":
                raise RequestTimedOut
            part, more = message.get("body", b""), bool(message.get("more_body", False))
            if len(body) + len(part) > max_mb * MEGABYTE:
                raise RequestTooLarge(max_mb=max_mb)
            if self._held_bytes + len(part) > self._max_total_bytes:
                raise ServerBusy
            body += part
            self._held_bytes += len(part)


def timed(receive: Receive, idle_s: float = IDLE_S, period_s: float = PERIOD_S) -> Receive:
    """Return a `receive` that raises `RequestTimedOut` until the body is complete, if nothing arrives for a while, or
    less than `MIN_BYTES_PER_S` in a period, however much has arrived before.
    """
    clock = asyncio.get_running_loop().time
    period_start, period_bytes, more = clock(), 0, True

    async def receive_in_time() -> Message:
        nonlocal period_start, period_bytes, more
        if not more:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), idle_s)
        except TimeoutError:
            raise RequestTimedOut from None
        period_bytes += len(message.get("body", b""))
        more, elapsed_s = bool(message.get("more_body", False)), clock() - period_start
        if more and elapsed_s > period_s:
            if period_bytes < elapsed_s * MIN_BYTES_PER_S:
                raise RequestTimedOut
            period_start, period_bytes = clock(), 0
        return message

    return receive_in_time


def is_json(scope: Scope) -> bool:
    """Return whether a request says that its body is JSON; its charset is UTF-8 whatever it says.

    The form of another site's page cannot say so without permission.
    """
    media_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json"


def content_length(scope: Scope) -> int:
    """Return the length that the client has announced, or 0. Raises `RequestMalformed`."""
    text = Headers(scope=scope).get("content-length", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise RequestMalformed(where="Content-Length")
    return int(text)
