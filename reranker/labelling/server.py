"""The page of `label` as a program: its one document, its script and style, and what the script asks for.

    GET  /board            the pictures, the saved sets, all words
    GET  /thumbnails/{n}   of the picture at that place
    POST /save, /remove    -> the saved sets, and what to say
    POST /order            -> a line of JSON after each picture, and one at the end

`?lang=zh` says the language of the answer, else the browser does.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import LANGUAGES, language_of
from reranker.labelling.handlers import Labelling
from reranker.server.static_files import code, styles
from reranker.server.status import trouble

THUMBNAIL_KEPT_S: Final = 300  # by the browser
MOST_QUESTION_BYTES: Final = 16_000_000
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
# It loads nothing from elsewhere, and stands in nobody's frame.
PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
}


def application(labelling: Labelling, middleware: Sequence[Middleware] = ()) -> Starlette:
    """To be served by uvicorn."""
    asked = _Asked(labelling)
    routes = [
        Route("/", _document),
        Route("/script.js", _script),
        Route("/style.css", _style),
        Route("/board", asked.board),
        Route("/thumbnails/{place:int}", asked.thumbnail),
        Route("/save", asked.save, methods=["POST"]),
        Route("/remove", asked.remove, methods=["POST"]),
        Route("/order", asked.order, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=middleware)


def _document(_: Request) -> Response:
    return HTMLResponse(PAGE, headers=PAGE_HEADERS)


def _script(_: Request) -> Response:
    return Response(code("marking", "labelling"), media_type="text/javascript")


def _style(_: Request) -> Response:
    texts = (path.read_text(encoding="utf-8") for path in styles("marking", "labelling"))
    return Response("\n".join(texts), media_type="text/css")


class _Asked:
    """Whoever may change the file sends JSON, as no form of a foreign page can without asking first."""

    def __init__(self, labelling: Labelling) -> None:
        self._labelling = labelling

    def board(self, request: Request) -> Response:
        return _json(self._labelling.board(_language(request)))

    def thumbnail(self, request: Request) -> Response:
        thumbnail = self._labelling.thumbnail(request.path_params["place"])
        if thumbnail is None:
            return Response(status_code=404)
        return FileResponse(thumbnail, headers={"cache-control": f"private, max-age={THUMBNAIL_KEPT_S}"})

    async def save(self, request: Request) -> Response:
        return await self._answer(request, self._labelling.save)

    async def remove(self, request: Request) -> Response:
        return await self._answer(request, self._labelling.remove)

    async def order(self, request: Request) -> Response:
        asked = await _question(request)
        if asked is None:
            return Response(status_code=415)
        lines = (json.dumps(line) + "\n" for line in self._ordered(asked, _language(request)))
        return StreamingResponse(lines, media_type="application/x-ndjson")

    def _ordered(self, asked: dict[str, Any], language: Language) -> Iterator[dict[str, Any]]:
        try:
            yield from self._labelling.order(asked)
        except Exception as error:
            yield {"said": trouble(error, language).value}

    async def _answer(self, request: Request, answer: Callable[[dict[str, Any], Language], dict[str, Any]]) -> Response:
        asked = await _question(request)
        if asked is None:
            return Response(status_code=415)
        return _json(await run_in_threadpool(answer, asked, _language(request)))


async def _question(request: Request) -> dict[str, Any] | None:
    """None for what is no JSON object, or does not call itself JSON."""
    if request.headers.get("content-type") != "application/json":
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_QUESTION_BYTES:
            return None
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return asked if isinstance(asked, dict) else None


def _json(value: object) -> Response:
    """In ASCII: a name may hold bytes that are no text, which JSON can spell and UTF-8 cannot."""
    return Response(json.dumps(value), media_type="application/json")


def _language(request: Request) -> Language:
    asked = request.query_params.get("lang")
    return next((one for one in LANGUAGES if one == asked), language_of(request.headers.get("accept-language")))
