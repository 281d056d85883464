"""Serve the scripts and style sheets that draw the page, and its texts in both languages."""

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from reranker.i18n.client_texts import CLIENT_TEXTS

CLIENT: Final = Path(__file__).parent / "static" / "page"
_REVALIDATED: Final = {"Cache-Control": "no-cache"}  # so that a new version of the program is seen at once


class _RevalidatedFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_REVALIDATED)
        return response


def client_routes() -> list[BaseRoute]:
    """Return the routes of the page's own files."""
    return [Route("/page/texts.json", _texts), Mount("/page", _RevalidatedFiles(directory=CLIENT))]


async def _texts(_: Request) -> Response:
    return JSONResponse(CLIENT_TEXTS, headers=_REVALIDATED)
