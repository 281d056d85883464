"""Protect a server: host names, requests from other sites, embedding in frames, and access to the HTTP API."""

import secrets
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.config.settings import ServerSettings
from reranker.core.errors import HostForeign, OriginForeign
from reranker.server.error_responses import ErrorSentences, error_response

LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "::1", "[::1]")


def is_local_only(server: ServerSettings) -> bool:
    """Return whether all clients are on this machine, and so call it by a name of the loopback interface.

    A proxy in front of the server, which `root_path` tells of, passes on the names that its own clients use.
    """
    return is_loopback(server.host) and not server.share and not server.root_path


def is_loopback(host: str) -> bool:
    """Return whether a host is a name or an address of the loopback interface."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host in LOOPBACK_HOSTS


def same_origin_only(local_host: str | None) -> list[Middleware]:
    """Return the middleware that refuses requests of pages of other sites, and words all errors as sentences.

    local_host: the address of a server for this machine alone, else None. With it, the answer is 400 to requests whose
    Host header is not a name of the loopback interface: a web page could give its own name the address of this machine
    and read the answers (DNS rebinding).
    """
    inner = [Middleware(ErrorSentences), Middleware(OwnPagesOnly)]
    if local_host is None:
        return inner
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_HOSTS, local_host])
    return [Middleware(ErrorSentences, errors={HTTPStatus.BAD_REQUEST: HostForeign()}), hosts, *inner]


def security_middleware(server: ServerSettings) -> list[Middleware]:
    """Return the middleware of the page and the HTTP API: `same_origin_only`, and the frame header."""
    frames = Middleware(FrameAncestors, ancestors=server.frame_ancestors)
    return [*same_origin_only(server.host if is_local_only(server) else None), frames]


def is_authorized(authorization: str, server: ServerSettings) -> bool:
    """Return whether an Authorization header gives access to the HTTP API.

    Without an API key everybody has access, unless the page has a login: then the API is closed.
    """
    if not server.api_key:
        return not server.auth
    scheme, _, key = authorization.partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(key.encode(), server.api_key.encode())


def is_foreign(headers: Headers, *, opens_page: bool) -> bool:
    """Return whether the page of another site has sent a request. Programs send neither of the headers.

    Browsers send Sec-Fetch-Site to addresses with TLS and to loopback ones, and Origin with all requests but simple
    ones. opens_page: the request is one that opens the page; another site may link to it, or show it in a frame.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        is_navigation = headers.get("sec-fetch-mode") == "navigate" and opens_page
        return site not in ("same-origin", "none") and not is_navigation
    origin = headers.get("origin")
    forwarded = headers.get("x-forwarded-host", "").partition(",")[0].strip()
    own_hosts = {_without_default_port(host) for host in (headers.get("host", ""), forwarded)}
    return origin is not None and _host_and_port(origin) not in own_hosts - {""}


def _host_and_port(origin: str) -> str:
    try:
        return _without_default_port(urlsplit(origin).netloc)
    except ValueError:  # such as an unclosed bracket
        return ""


def _without_default_port(host: str) -> str:
    return host.lower().removesuffix(":80").removesuffix(":443")


def route_path(scope: Scope) -> str:
    """Return the path of a request, without that of the page behind a proxy."""
    root_path, path = scope.get("root_path", "").rstrip("/"), str(scope["path"])
    return path.removeprefix(root_path) if path.startswith(f"{root_path}/") else path


class OwnPagesOnly:
    """ASGI middleware: answer 403 to requests that pages of other sites send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        opens_page = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and route_path(scope) == "/"
        if scope["type"] == "http" and is_foreign(Headers(scope=scope), opens_page=opens_page):
            await error_response(OriginForeign(), scope)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


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
