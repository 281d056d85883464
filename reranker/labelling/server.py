"""The server of the page of `label`: its document, its script and style, and the requests of the script.

    GET  /state            the pictures, the saved labelled queries, and all texts
    GET  /thumbnails/{n}   the thumbnail of the picture with that index; 507 if the disk has no room for it
    POST /save, /remove    -> the saved labelled queries, and a status
    POST /order            -> a line of JSON after each picture, and one at the end

`?lang=zh` sets the language of the response; without it, the browser's preference does.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from reranker.config.settings import MEGABYTE
from reranker.core.errors import RequestError, RequestMalformed
from reranker.i18n.error_messages import Language
from reranker.labelling.handlers import Labelling
from reranker.server.error_responses import error_response, requested_language
from reranker.server.json_bodies import JsonLimits, parse_whole_json
from reranker.server.request_bodies import RequestBodies, is_json
from reranker.server.static_files import StaticFiles
from reranker.server.status import trouble

STATIC: Final = StaticFiles(Path(__file__).with_name("static"))
THUMBNAIL_MAX_AGE_S: Final = 300  # in the browser's cache
MAX_REQUEST_MB: Final = 16
BODIES_AT_ONCE: Final = 4
_INDEX: Final = re.compile(r"[0-9]{1,9}")
PAGE: Final = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>label</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
</head>
<body>
<main></main>
<script src="script.js"></script>
</body>
</html>
"""
# The page loads nothing from other sites, and no site may show it in a frame.
PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
}


def application(labelling: Labelling, middleware: Sequence[Middleware] = ()) -> Starlette:
    """Return the ASGI application of the page."""
    endpoints = _Endpoints(labelling)
    routes = [
        Route("/", _document),
        Route("/script.js", _script),
        Route("/style.css", _style),
        Route("/state", endpoints.state),
        Route("/thumbnails/{index}", endpoints.thumbnail),
        Route("/save", endpoints.save, methods=["POST"]),
        Route("/remove", endpoints.remove, methods=["POST"]),
        Route("/order", endpoints.order, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=middleware)


def _document(_: Request) -> Response:
    return HTMLResponse(PAGE, headers=PAGE_HEADERS)


def _script(_: Request) -> Response:
    return Response(STATIC.script("label_grid.js", "label_page.js"), media_type="text/javascript")


def _style(_: Request) -> Response:
    return Response(STATIC.text("label_grid.css", "label_page.css"), media_type="text/css")


class _Endpoints:
    """The endpoints of the page's script.

    Requests that change the file must be JSON: the form of another site's page cannot send JSON without permission.
    """

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling
        self._bodies = RequestBodies(BODIES_AT_ONCE * MAX_REQUEST_MB * MEGABYTE)
        self._json_limits = JsonLimits.of(labelling.picture_count)

    def state(self, request: Request) -> Response:
        return _json_response(self._labelling.state(requested_language(request.scope)))

    def thumbnail(self, request: Request) -> Response:
        index = request.path_params["index"]
        try:
            thumbnail = self._labelling.thumbnail(int(index)) if _INDEX.fullmatch(index) else None
        except OSError:
            return Response(status_code=507)
        if thumbnail is None:
            return Response(status_code=404)
        return FileResponse(thumbnail, headers={"cache-control": f"private, max-age={THUMBNAIL_MAX_AGE_S}"})

    async def save(self, request: Request) -> Response:
        return await self._respond(request, self._labelling.save)

    async def remove(self, request: Request) -> Response:
        return await self._respond(request, self._labelling.remove)

    async def order(self, request: Request) -> Response:
        try:
            content = await self._json_object(request)
        except RequestError as error:
            return error_response(error, request.scope)
        lines = (json.dumps(event) + "\n" for event in self._order_events(content, requested_language(request.scope)))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    def _order_events(self, content: dict[str, Any], language: Language) -> Iterator[dict[str, Any]]:
        try:
            yield from self._labelling.order(content)
        except Exception as error:
            yield {"status": trouble(error, language).value}

    async def _respond(
        self, request: Request, handler: Callable[[dict[str, Any], Language], dict[str, Any]]
    ) -> Response:
        try:
            content = await self._json_object(request)
        except RequestError as error:
            return error_response(error, request.scope)
        return _json_response(await run_in_threadpool(handler, content, requested_language(request.scope)))

    async def _json_object(self, request: Request) -> dict[str, Any]:
        """Return the JSON object in a request. Raises `RequestError`."""
        if not is_json(request.scope):
            raise RequestMalformed(where="Content-Type")
        async with self._bodies.read(request.scope, request.receive, MAX_REQUEST_MB) as body:
            content = await run_in_threadpool(parse_whole_json, body, self._json_limits)
        if not isinstance(content, dict):
            raise RequestMalformed(where="body")
        return content


def _json_response(value: object) -> Response:
    """Return a response in ASCII: a file name may have bytes that are not valid text, which UTF-8 cannot encode."""
    return Response(json.dumps(value), media_type="application/json")
