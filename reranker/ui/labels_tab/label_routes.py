"""The routes of the tab “Labels”, below those of a session.

GET    /sessions/ID/picture-labels               the labels that were judged, and the results of pictures
GET    /sessions/ID/picture-labels/choices       the vocabularies of the program
POST   /sessions/ID/picture-labels/own?name=...  a file of labels;  DELETE forgets it
POST   /sessions/ID/picture-labels/run           {"vocabulary": ..., "text": ..., "groups": [...]}
POST   /sessions/ID/picture-labels/retry         the pictures that have no labels yet
POST   /sessions/ID/picture-labels/corrections   {"picture": ..., "labels": {"cat": "absent"}, "checked": true}
POST   /sessions/ID/picture-labels/exports       {"format": ..., "pictures": [...], ...}
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reranker.server.error_responses import requested_language
from reranker.server.request_bodies import RequestBodies
from reranker.tagger import Taggers
from reranker.ui.labels_tab.label_exports import LabelExports
from reranker.ui.labels_tab.tagging_actions import TaggingActions, TaggingRequest
from reranker.ui.session.export_files import ExportFiles
from reranker.ui.session.session import Session
from reranker.ui.session.uploads import shown_name

MAX_LABELS_MB: Final = 8  # of a file of labels

Handler = Callable[[Request, Session], Awaitable[Response]]
ReadBody = Callable[[Request], Awaitable[dict[str, Any]]]
InSlot = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class LabelRoute:
    """A route below that of a session."""

    path: str
    method: str
    handler: Handler


class PictureLabelRoutes:
    """The handlers. read_body: returns the object of a request. in_slot: runs work that takes long in a thread."""

    def __init__(
        self, taggers: Taggers, files: ExportFiles, bodies: RequestBodies, read_body: ReadBody, in_slot: InSlot
    ) -> None:
        self._actions, self._exports = TaggingActions(taggers), LabelExports(files)
        self._bodies, self._read_body, self._in_slot = bodies, read_body, in_slot

    def routes(self) -> list[LabelRoute]:
        """Return the routes; their paths begin below the session."""
        handlers = (
            ("picture-labels", "GET", self._detail),
            ("picture-labels/choices", "GET", self._choices),
            ("picture-labels/own", "POST", self._put_own),
            ("picture-labels/own", "DELETE", self._forget_own),
            ("picture-labels/run", "POST", self._run),
            ("picture-labels/retry", "POST", self._retry),
            ("picture-labels/corrections", "POST", self._correct),
            ("picture-labels/exports", "POST", self._export),
        )
        return [LabelRoute(path=path, method=method, handler=handler) for path, method, handler in handlers]

    async def _detail(self, _: Request, session: Session) -> Response:
        return JSONResponse(await run_in_threadpool(lambda: session.picture_labels.detail(session.pictures)))

    async def _choices(self, _: Request, __: Session) -> Response:
        return JSONResponse({"choices": await self._in_slot("labels", self._actions.choices)})

    async def _put_own(self, request: Request, session: Session) -> Response:
        name = shown_name(request.query_params.get("name", ""))
        async with self._bodies.read(request.scope, request.receive, MAX_LABELS_MB) as body:
            view = await self._in_slot("labels", self._actions.put_own, session, bytes(body), name)
        return JSONResponse(view, 201)

    async def _forget_own(self, _: Request, session: Session) -> Response:
        await run_in_threadpool(session.picture_labels.put_own, None)
        return Response(status_code=204)

    async def _run(self, request: Request, session: Session) -> Response:
        wanted = TaggingRequest.read(await self._read_body(request))
        run = await self._in_slot("labels", self._actions.start, session, wanted, requested_language(request.scope))
        return JSONResponse({"run": run}, 202)

    async def _retry(self, _: Request, session: Session) -> Response:
        return JSONResponse({"run": await self._in_slot("labels", self._actions.retry, session)}, 202)

    async def _correct(self, request: Request, session: Session) -> Response:
        await run_in_threadpool(self._actions.correct, session, await self._read_body(request))
        return Response(status_code=204)

    async def _export(self, request: Request, session: Session) -> Response:
        body = await self._read_body(request)
        return JSONResponse(await self._in_slot("exports", self._exports.write, session, body, request.scope))
