"""Decide which requests reach Gradio: those that the page and the documented clients send, and nothing else.

Gradio has many more routes than this program uses, and trusts what it receives in several of them. It checks a file
only if the client has given it a "meta" field; without the field, our functions receive any string; with it, Gradio
fetches any URL. So requests are checked here first, and `Uploads.resolve` checks each file again before it is opened.
"""

import json
import re
from collections.abc import Container, Sequence
from http import HTTPStatus
from typing import Any, Final

from gradio.route_utils import FnIndexInferError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.config.settings import MEGABYTE, Settings
from reranker.core.errors import LoginRejected, LoginRequired, PathUnknown, RequestMalformed, TextNotUnicode
from reranker.server.error_responses import ErrorSentences, error_response
from reranker.server.failed_attempts import FailedAttempts, address_of
from reranker.server.json_bodies import JsonLimits, parse_whole_json
from reranker.server.request_bodies import RequestBodies, content_length, timed
from reranker.server.security import route_path
from reranker.ui.upload_parts import UploadParts
from reranker.ui.upload_quota import Reservation, shared_quota
from reranker.ui.uploads import Uploads

MAX_BODY_MB: Final = 16  # of a request other than an upload, most of it pictures as data URIs
BODIES_AT_ONCE: Final = 8  # of the largest size; smaller ones can be more
MAX_LOGIN_BYTES: Final = 10_000
LOGINS_AT_ONCE: Final = 100
LOGIN: Final = "/login"
LOGIN_FIELDS: Final = ("username", "password")
UPLOAD: Final = "/gradio_api/upload"

RUNS_A_FUNCTION: Final = frozenset({"/gradio_api/queue/join", "/gradio_api/run/predict"})
FILE: Final = "/gradio_api/file="
# By method, the whole paths that are open to everybody: the login, and what Gradio's page loads before it.
PUBLIC_PATHS: Final[dict[str, re.Pattern[str]]] = {
    "GET": re.compile(
        r"/|/(assets|static)/.+|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/gradio_api/startup-events"
    ),
    "HEAD": re.compile(r"/"),
    "POST": re.compile(LOGIN),
}
# By method, the whole paths that need a login if there is one.
PRIVATE_PATHS: Final[dict[str, re.Pattern[str]]] = {
    "GET": re.compile(
        r"/config|/login_check|/gradio_api/(info|queue/data|upload_progress|heartbeat/[^/]+|"
        r"call/(?!v2/)[^/]+/[^/]+|file=.*)"
    ),
    "HEAD": re.compile(rf"{FILE}.*"),
    "POST": re.compile(rf"{UPLOAD}|/gradio_api/(queue/join|run/predict|call/[^/]+|cancel|reset)"),
}
MCP_PATHS: Final = re.compile(r"/gradio_api/mcp/?")
_API_DESCRIPTION: Final = re.compile(rb"(window\.gradio_api_info = ).*?(;</script>)", re.DOTALL)


class GradioGate:
    """ASGI middleware in front of Gradio. own_routes: those that are not Gradio's; they pass unchecked."""

    def __init__(self, app: ASGIApp, *, settings: Settings, uploads: Uploads, own_routes: Sequence[BaseRoute]) -> None:
        self._app, self._uploads, self._own_routes, self._server = app, uploads, own_routes, settings.server
        self._login = ErrorSentences(app, {HTTPStatus.BAD_REQUEST: LoginRejected()})
        self._bodies = RequestBodies(BODIES_AT_ONCE * MAX_BODY_MB * MEGABYTE)
        self._login_bodies = RequestBodies(LOGINS_AT_ONCE * MAX_LOGIN_BYTES)
        self._quota = shared_quota(uploads.folder, settings.limits.max_uploads_mb * MEGABYTE)
        self._offers_mcp = settings.server.mcp
        self._json_limits = JsonLimits.of(settings.limits.max_pictures)
        self._failed_logins = FailedAttempts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_own(scope):
            await self._app(scope, receive, send)
            return
        sending = _Sending(send)
        try:
            await self._forward(scope, receive, sending)
        except ClientDisconnect:
            pass
        except Exception as error:
            # Gradio raises the first for the name of a function that does not exist.
            response = error_response(PathUnknown() if isinstance(error, FnIndexInferError) else error, scope)
            if sending.is_started:  # Gradio's streams look up what a client names after that
                await send({"type": "http.response.body", "body": b""})
            else:
                await response(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] != Match.NONE for route in self._own_routes)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `RequestError`, and what Gradio raises."""
        method, path = scope["method"], route_path(scope)
        has_login = _has_login(scope)
        if not self._is_open(method, path):
            raise PathUnknown
        if not (has_login or _matches(PUBLIC_PATHS, method, path)):
            raise LoginRequired
        if path.startswith(FILE) and not self._is_upload(path):
            raise PathUnknown
        if MCP_PATHS.fullmatch(path):
            send = _in_english(send)
        if path == "/" and not has_login:
            await self._app(scope, receive, _Undescribed(send))
        elif method != "POST":
            await self._app(scope, receive, send)
        elif path == LOGIN:
            await self._log_in(scope, receive, send)
        elif path == UPLOAD:
            await self._upload(scope, receive, send)
        else:
            await self._forward_checked(scope, receive, send)

    def _is_open(self, method: str, path: str) -> bool:
        """Return whether the program uses this route of Gradio."""
        if self._offers_mcp and MCP_PATHS.fullmatch(path):
            return True
        return _matches(PUBLIC_PATHS, method, path) or _matches(PRIVATE_PATHS, method, path)

    def _is_upload(self, path: str) -> bool:
        """Return whether a file lies in the upload folder. Gradio would fetch a URL, and Windows look for a host."""
        return self._uploads.leads_inside(path.removeprefix(FILE))

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `UploadsFull` and `RequestError`."""
        if not (length := content_length(scope)):
            raise RequestMalformed(where="Content-Length")
        parts = UploadParts(scope, timed(receive))
        reservation = await run_in_threadpool(Reservation, self._quota, length)  # it may have to measure the folder

        async def receive_counted() -> Message:
            message = await parts.receive()
            reservation.count(len(message.get("body", b"")))
            return message

        try:
            await self._app(scope, receive_counted, send)
        finally:
            reservation.close()

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the attempt before it is made, so that many at once are counted, too. Raises `RequestError`."""
        if not 0 < content_length(scope) <= MAX_LOGIN_BYTES:
            raise RequestMalformed(where="Content-Length")
        address = address_of(scope, self._server)
        async with self._login_bodies.read(scope, receive, 1) as body:
            await _require_login_form(scope, bytes(body), receive)
            self._failed_logins.check(address)
            self._failed_logins.add(address)

            async def send_counted(message: Message) -> None:
                if message.get("status") == HTTPStatus.OK:
                    self._failed_logins.take_back(address)
                await send(message)

            await self._login(scope, _received(bytes(body), receive), send_counted)

    async def _forward_checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises `RequestError`."""
        async with self._bodies.read(scope, receive, MAX_BODY_MB) as body:
            functions = scope["app"].get_blocks().fns if route_path(scope) in RUNS_A_FUNCTION else None
            checked = await run_in_threadpool(self._checked_body, body, functions)
            await self._app(scope, _received(checked, receive), send)

    def _checked_body(self, body: bytearray, functions: Container[int] | None) -> bytes:
        """Return the JSON of a request without the "meta" field of file objects that are not allowed.

        functions: those of which the request must name one. Raises `RequestMalformed`, `RequestTextTooLarge` and
            `TextNotUnicode`.
        """
        content = parse_whole_json(body, self._json_limits)
        if functions is not None and not _names_one(content, functions):
            raise RequestMalformed(where="fn_index")
        self._remove_meta(content)
        try:  # always, so that Gradio reads the same value of a repeated key
            return json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # half a surrogate pair
            raise TextNotUnicode(where="data") from None

    def _remove_meta(self, content: Any) -> None:
        """Remove the "meta" field of each file object that is not allowed."""
        unvisited = [content]
        while unvisited:
            value = unvisited.pop()
            if isinstance(value, dict):
                if "meta" in value and "path" in value and not self._uploads.is_allowed(value["path"]):
                    del value["meta"]
                unvisited += value.values()
            elif isinstance(value, list):
                unvisited += value


def _matches(paths: dict[str, re.Pattern[str]], method: str, path: str) -> bool:
    return method in paths and paths[method].fullmatch(path) is not None


def _names_one(content: Any, functions: Container[int]) -> bool:
    index = content.get("fn_index") if isinstance(content, dict) else None
    return type(index) is int and index in functions


def _has_login(scope: Scope) -> bool:
    """Return whether a visitor has logged in, or need not."""
    return scope["app"].auth is None or _login_of(scope) is not None


def owner_of(scope: Scope) -> str:
    """Return the name that a visitor has logged in by; empty if there is no login. Raises `LoginRequired`."""
    if scope["app"].auth is None:
        return ""
    if (name := _login_of(scope)) is None:
        raise LoginRequired
    return name


def _login_of(scope: Scope) -> str | None:
    app, cookies = scope["app"], Request(scope).cookies
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    tokens = (cookies.get(name) for name in names)
    return next((app.tokens[token] for token in tokens if token in app.tokens), None)


def _received(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns a body that was read already, and then what follows."""
    unsent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return unsent.pop() if unsent else await receive()

    return receive_again


def _in_english(send: Send) -> Send:
    """Return a `send` that keeps the errors of MCP as they are: JSON-RPC, for programs."""

    async def send_in_english(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"content-language", b"en")]}
        await send(message)

    return send_in_english


async def _require_login_form(scope: Scope, body: bytes, receive: Receive) -> None:
    """Raises `RequestMalformed`, so that all that Gradio can refuse are a name and a password."""
    try:
        async with Request(scope, _received(body, receive)).form() as form:
            missing = next((name for name in LOGIN_FIELDS if not isinstance(form.get(name), str)), None)
    except HTTPException:  # not a form
        raise RequestMalformed(where="body") from None
    if missing is not None:
        raise RequestMalformed(where=missing)


class _Sending:
    """A `send` that knows whether the response has started."""

    def __init__(self, send: Send) -> None:
        self._send, self.is_started = send, False

    async def __call__(self, message: Message) -> None:
        self.is_started = True
        await self._send(message)


class _Undescribed:
    """A `send` for the page with the login, which Gradio would describe the API in."""

    def __init__(self, send: Send) -> None:
        self._send, self._body = send, bytearray()
        self._start: Message = {}

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = _API_DESCRIPTION.sub(rb"\1{}\2", bytes(self._body))
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
