"""Protect a server: host names, embedding in frames, access to the HTTP API, and the size of a request."""

import secrets
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.config.settings import MEGABYTE, ServerSettings
from reranker.core.errors import RequestTooLarge
from reranker.i18n.error_messages import sentence
from reranker.i18n.page_texts import language_of

LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "::1", "[::1]")


def is_local_only(server: ServerSettings) -> bool:
    """Return whether all clients are on this machine, and so call it by one of `LOOPBACK_HOSTS`.

    A proxy in front of the server, which `root_path` tells of, passes on the names that its own clients use.
    """
    return server.host in LOOPBACK_HOSTS and not server.share and not server.root_path


def loopback_names_only() -> Middleware:
    """Answer 400 to requests whose Host header is not a name of the loopback interface.

    Without it a web page could give its own name the address of this machine and read the answers (DNS rebinding).
    """
    return Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)


def security_middleware(server: ServerSettings) -> list[Middleware]:
    """Return the middleware that every server has: host names, if all clients are local, and the frame header."""
    frames = Middleware(FrameAncestors, ancestors=server.frame_ancestors)
    return [loopback_names_only(), frames] if is_local_only(server) else [frames]


def is_authorized(authorization: str, server: ServerSettings) -> bool:
    """Return whether an Authorization header gives access to the HTTP API.

    Without an API key everybody has access, unless the page has a login: then the API is closed.
    """
    if not server.api_key:
        return not server.auth
    scheme, _, key = authorization.partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(key.encode(), server.api_key.encode())


class FrameAncestors:
    """ASGI middleware: add a Content-Security-Policy header with the sites that may show the page in a frame."""

    def __init__(self, app: ASGIApp, ancestors: str) -> None:
        self._app, self._header = app, (b"content-security-policy", f"frame-ancestors {ancestors}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), self._header]}
            await send(message)

        await self._app(scope, receive, send_with_header)


class BodyLimit:
    """ASGI middleware: stop reading a request at `max_mb` megabytes, and answer 413."""

    def __init__(self, app: ASGIApp, max_mb: int) -> None:
        self._app, self._max_mb = app, max_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._max_mb * MEGABYTE:
                language = language_of(Headers(scope=scope).get("accept-language"))
                detail = sentence(RequestTooLarge(max_mb=self._max_mb), language)
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, receive_counted, send)
