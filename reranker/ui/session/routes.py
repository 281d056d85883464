"""The routes by which the scripts of the page work on a session. Every error is answered with a sentence.

    POST /sessions                        -> {"id": ...}
    GET  /sessions/ID/events              -> all that the page shows, then every change (server-sent events)
    POST /sessions/ID/pictures?name=...   a file    POST /sessions/ID/rank   {"queries": [...]}    and so on

The browser holds ids only. Whoever knows the id of a session may use it, after the login if there is one.
"""

from asyncio import create_task
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Scope

from reranker.config.settings import MEGABYTE
from reranker.core.cancellation import Cancellation
from reranker.core.errors import LibraryUpdateForbidden, PathUnknown, RequestMalformed, ServerStopping
from reranker.evaluation.output_files import as_csv
from reranker.images.thumbnails import make_thumbnail, smaller_thumbnail
from reranker.server.error_responses import error_response
from reranker.server.json_bodies import JsonLimits, parse_whole_json
from reranker.server.request_bodies import RequestBodies
from reranker.ui.labels_tab.label_exports import FILES as LABEL_FILES
from reranker.ui.labels_tab.label_routes import Handler, PictureLabelRoutes
from reranker.ui.library_tab.searches import LibrarySearches, SearchRequest
from reranker.ui.library_tab.updates import may_update
from reranker.ui.services import PageServices
from reranker.ui.session.events import event_stream
from reranker.ui.session.export_files import ExportFiles
from reranker.ui.session.exports import FILES, Exports
from reranker.ui.session.labels_file import EVALUATION_FILE, LABELS_FILE, save_labels
from reranker.ui.session.model_state import may_download
from reranker.ui.session.ranking_actions import MAX_QUERIES, MAX_SAVED_MB, MIN_PICTURES, RankingActions
from reranker.ui.session.records import Picture, failed_row, scored_row
from reranker.ui.session.request_fields import number_field, text_field, texts_field
from reranker.ui.session.session import Session
from reranker.ui.session.uploads import UploadReceiver, shown_name
from reranker.ui.upload_quota import shared_quota

MAX_BODY_MB: Final = 8
BODIES_AT_ONCE: Final = 8
MAX_PARTS_PICTURES: Final = 100  # of one request
SMALL_PX: Final = 192  # of a thumbnail among many
MAX_FULL_PX: Final = 4096  # longer side of the picture that is shown alone
FULL_QUALITY: Final = 90
# At the same time; others wait.
SLOTS: Final = {"uploads": 8, "pictures": 8, "questions": 8, "exports": 4, "saved": 1, "searches": 4, "labels": 4}
_ONCE: Final = {"Cache-Control": "no-store"}
_FOR_EVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}

OwnerOf = Callable[[Scope], str]
_Result = TypeVar("_Result")
_Handler = Callable[["SessionRoutes", Request, Session], Awaitable[Response]]


class SessionRoutes:
    """The handlers of the routes. owner_of: returns the name of the login, or empty; raises `LoginRequired`."""

    def __init__(self, services: PageServices, owner_of: OwnerOf) -> None:
        reranker, sessions = services.reranker, services.sessions
        self._reranker, self._sessions, self._admission = reranker, sessions, services.admission
        self._model, self._examples, self._owner_of = services.model, services.examples, owner_of
        limits = reranker.settings.limits
        quota = shared_quota(sessions.folder, limits.max_uploads_mb * MEGABYTE)
        self._rankings = RankingActions(reranker, sessions, quota)
        self._files = ExportFiles(quota, FILES | LABEL_FILES)
        self._exports = Exports(reranker, self._files)
        self._searches = LibrarySearches(services.libraries, reranker, self._rankings)
        self._updates = services.updates
        self._uploads = UploadReceiver(quota, limits.max_picture_mb)
        self._bodies = RequestBodies(BODIES_AT_ONCE * MAX_SAVED_MB * MEGABYTE)
        self._json_limits = JsonLimits(max_plain_bytes=MAX_BODY_MB * MEGABYTE, max_values=400 * limits.max_pictures)
        self._slots: dict[str, anyio.CapacityLimiter] = {}
        self._picture_labels = PictureLabelRoutes(
            services.taggers, self._files, self._bodies, self._body, self._in_slot
        )

    def routes(self) -> list[Route]:
        """Return the routes."""
        session = "/sessions/{id}"
        picture = session + "/pictures/{picture}"
        cls = type(self)
        return [
            Route("/sessions", self._create, methods=["POST"]),
            self._route(session, cls._exists, "GET"),
            self._route(session, cls._forget, "DELETE"),
            self._route(f"{session}/events", cls._events, "GET"),
            self._route(f"{session}/pictures", cls._upload, "POST"),
            self._route(f"{session}/samples", cls._add_samples, "POST"),
            self._route(f"{session}/galleries", cls._add_gallery, "POST"),
            self._route(f"{session}/remove", cls._remove, "POST"),
            self._route(f"{session}/restore", cls._restore, "POST"),
            self._route(f"{session}/marks", cls._mark, "POST"),
            self._route(f"{session}/rank", cls._rank, "POST"),
            self._route(f"{session}/retry", cls._retry, "POST"),
            self._route(f"{session}/stop", cls._stop, "POST"),
            self._route(f"{session}/rankings/{{ranking}}", cls._ranking, "GET"),
            self._route(f"{session}/rankings/{{ranking}}", cls._delete_ranking, "DELETE"),
            self._route(f"{session}/saved", cls._open_saved, "POST"),
            self._route(f"{session}/explain", cls._explain, "POST"),
            self._route(f"{session}/rating", cls._rate, "POST"),
            self._route(f"{session}/parts", cls._parts, "POST"),
            self._route(f"{session}/exports", cls._export, "POST"),
            self._route(f"{session}/exports/{{token}}/{{name}}", cls._exported, "GET"),
            self._route(f"{session}/{LABELS_FILE}", cls._labels, "GET"),
            self._route(f"{session}/{EVALUATION_FILE}", cls._metrics, "GET"),
            self._route(f"{session}/download", cls._download, "POST"),
            self._route(f"{session}/libraries", cls._libraries, "GET"),
            self._route(f"{session}/libraries/search", cls._search, "POST"),
            self._route(f"{session}/libraries/update", cls._update_library, "POST"),
            self._route(f"{session}/libraries/label", cls._label_library, "POST"),
            self._route(f"{session}/libraries/stop", cls._stop_update, "POST"),
            self._route(f"{picture}/thumbnail", cls._thumbnail, "GET"),
            self._route(f"{picture}/full", cls._full, "GET"),
            self._route(f"{picture}/details", cls._details, "GET"),
            *(
                self._route(f"{session}/{each.path}", _unbound(each.handler), each.method)
                for each in self._picture_labels.routes()
            ),
        ]

    def _route(self, path: str, handler: _Handler, method: str) -> Route:
        """Return a route that finds the session, and answers every error with a sentence."""

        async def answer(request: Request) -> Response:
            try:
                owner = self._owner_of(request.scope)
                session = await run_in_threadpool(self._sessions.find, request.path_params["id"], owner)
                return await handler(self, request, session)
            except anyio.get_cancelled_exc_class():
                return error_response(ServerStopping(), request.scope, in_all_languages=True)
            except Exception as error:
                return error_response(error, request.scope, in_all_languages=True)

        return Route(path, answer, methods=[method])

    async def _create(self, request: Request) -> Response:
        try:
            session = await run_in_threadpool(self._sessions.create, self._owner_of(request.scope))
        except Exception as error:
            return error_response(error, request.scope, in_all_languages=True)
        return JSONResponse({"id": session.id}, 201)

    async def _exists(self, _: Request, session: Session) -> Response:
        return JSONResponse({"id": session.id})

    async def _forget(self, _: Request, session: Session) -> Response:
        await run_in_threadpool(self._sessions.forget, session)
        return Response(status_code=204)

    async def _events(self, request: Request, session: Session) -> Response:
        is_allowed = may_download(request, self._reranker.settings.server)
        stream = event_stream(session, lambda: self._about(session), self._model, may_download=is_allowed)
        return StreamingResponse(stream, media_type="text/event-stream", headers=_ONCE)

    def _about(self, session: Session) -> dict[str, Any]:
        """Return what the browser needs to know of the program."""
        limits = self._reranker.settings.limits
        return {
            "session": {"id": session.id, "hours": self._sessions.hours, "ends_at": self._sessions.ends_at()},
            "limits": {
                "min_pictures": MIN_PICTURES,
                "max_pictures": limits.max_pictures,
                "max_picture_mb": limits.max_picture_mb,
                "max_queries": MAX_QUERIES,
                "max_query_length": limits.max_query_length,
            },
            "examples": self._examples,
            "samples": len(self._admission.samples),
            "galleries": self._admission.galleries.names,
        }

    async def _in_slot(self, kind: str, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run work that decodes pictures or asks the model, in a thread. A part of `SLOTS` runs at the same time.

        Other requests need threads, too.
        """
        limiter = self._slots.setdefault(kind, anyio.CapacityLimiter(SLOTS[kind]))
        return await anyio.to_thread.run_sync(work, *arguments, limiter=limiter, abandon_on_cancel=True)

    async def _upload(self, request: Request, session: Session) -> Response:
        place = session.new_place()  # now, as files that are sent together may arrive in another order
        async with self._uploads.receive(request, session.folder) as upload:
            admitted = await self._in_slot("uploads", self._admission.add_upload, session, upload, place)
        content = {"picture": admitted.picture.view, "same_as": admitted.same_as}
        return JSONResponse(content, 201 if admitted.same_as is None else 200)

    async def _add_samples(self, _: Request, session: Session) -> Response:
        added = await run_in_threadpool(self._admission.add_samples, session)
        return JSONResponse({"added": added, "left_out": 0})

    async def _add_gallery(self, request: Request, session: Session) -> Response:
        name = text_field(await self._body(request), "name")
        added, left_out = await run_in_threadpool(self._admission.add_gallery, session, name)
        return JSONResponse({"added": added, "left_out": left_out})

    async def _remove(self, request: Request, session: Session) -> Response:
        ids = texts_field(await self._body(request), "pictures")
        await run_in_threadpool(session.remove, ids)
        return Response(status_code=204)

    async def _restore(self, _: Request, session: Session) -> Response:
        return JSONResponse({"restored": await run_in_threadpool(session.restore_removed)})

    async def _mark(self, request: Request, session: Session) -> Response:
        body = await self._body(request)
        ids = texts_field(body, "pictures")
        pick, rating = number_field(body, "pick", range(-1, 2)), number_field(body, "rating", range(6))
        await run_in_threadpool(session.mark, ids, pick, rating)
        return Response(status_code=204)

    async def _rank(self, request: Request, session: Session) -> Response:
        body = await self._body(request)
        queries, exclude = texts_field(body, "queries"), text_field(body, "exclude", "")
        example = text_field(body, "example", "")
        ids = None if body.get("pictures") is None else texts_field(body, "pictures")
        rankings = await run_in_threadpool(self._rankings.rank, session, queries, exclude, ids, example)
        self._admission.examination.examine_again(session)
        return JSONResponse({"rankings": rankings}, 202)

    async def _retry(self, request: Request, session: Session) -> Response:
        ranking = text_field(await self._body(request), "ranking")
        await run_in_threadpool(self._rankings.retry, session, ranking)
        self._admission.examination.examine_again(session)
        return JSONResponse({"rankings": [ranking]}, 202)

    async def _stop(self, _: Request, session: Session) -> Response:
        await run_in_threadpool(session.stop_job)
        return Response(status_code=204)

    async def _ranking(self, request: Request, session: Session) -> Response:
        return JSONResponse(await run_in_threadpool(_ranking_detail, session, request.path_params["ranking"]))

    async def _delete_ranking(self, request: Request, session: Session) -> Response:
        await run_in_threadpool(session.delete_ranking, request.path_params["ranking"])
        return Response(status_code=204)

    async def _open_saved(self, request: Request, session: Session) -> Response:
        name = shown_name(request.query_params.get("name", ""))
        async with self._bodies.read(request.scope, request.receive, MAX_SAVED_MB) as body:
            ids = await self._in_slot("saved", self._rankings.open_saved, session, body, name)
        return JSONResponse({"rankings": ids})

    async def _explain(self, request: Request, session: Session) -> Response:
        return await self._ask(request, session, self._rankings.explain)

    async def _rate(self, request: Request, session: Session) -> Response:
        return await self._ask(request, session, self._rankings.rating)

    async def _parts(self, request: Request, session: Session) -> Response:
        body = await self._body(request)
        pictures = texts_field(body, "pictures")[:MAX_PARTS_PICTURES]
        return await self._answer(request, self._rankings.parts, session, text_field(body, "ranking"), pictures)

    async def _ask(
        self,
        request: Request,
        session: Session,
        question: Callable[[Session, str, str, Cancellation], dict[str, Any]],
    ) -> Response:
        """Ask the model about one picture of a ranking."""
        body = await self._body(request)
        return await self._answer(request, question, session, text_field(body, "ranking"), text_field(body, "picture"))

    async def _answer(self, request: Request, question: Callable[..., dict[str, Any]], *arguments: Any) -> Response:
        """Answer a question to the model. A browser that disconnects ends it before the next batch."""
        cancellation = Cancellation()
        disconnect = create_task(_cancel_on_disconnect(request, cancellation))
        try:
            return JSONResponse(await self._in_slot("questions", question, *arguments, cancellation))
        finally:
            cancellation.cancel()
            disconnect.cancel()

    async def _export(self, request: Request, session: Session) -> Response:
        body = await self._body(request)
        return JSONResponse(await self._in_slot("exports", self._exports.write, session, body, request.scope))

    async def _exported(self, request: Request, session: Session) -> Response:
        token, name = request.path_params["token"], request.path_params["name"]
        file = await run_in_threadpool(self._files.find, session, token, name)
        return FileResponse(file, filename=file.name, headers=_ONCE)

    async def _labels(self, _: Request, session: Session) -> Response:
        saved = await self._in_slot("exports", save_labels, session.labelled)
        return _attachment(saved.data, LABELS_FILE, "application/jsonl")

    async def _metrics(self, _: Request, session: Session) -> Response:
        if (evaluated := session.evaluation.result) is None:
            raise PathUnknown
        text = await self._in_slot("exports", as_csv, evaluated.evaluation)
        return _attachment(text.encode(), EVALUATION_FILE, "text/csv")

    async def _download(self, request: Request, session: Session) -> Response:
        if not may_download(request, self._reranker.settings.server):
            raise PathUnknown
        await run_in_threadpool(self._start_download, session)
        return Response(status_code=204)

    def _start_download(self, session: Session) -> None:
        self._model.start_download()
        session.publish({"model": self._model.view(may_download=True)})

    async def _libraries(self, request: Request, _: Session) -> Response:
        views = await self._in_slot("searches", self._searches.views)
        is_allowed = may_update(request, self._reranker.settings.server)
        return JSONResponse({"libraries": views, "updates": self._updates.views(), "may_update": is_allowed})

    async def _search(self, request: Request, session: Session) -> Response:
        search = SearchRequest.read(await self._body(request), self._reranker.settings.limits.max_pictures)
        found = await self._in_slot("searches", self._searches.search, session, search)
        return JSONResponse(found, 202 if found["rankings"] else 200)

    async def _update_library(self, request: Request, _: Session) -> Response:
        name = await self._updated_library(request)
        await run_in_threadpool(self._updates.start, name, self._searches.library(name))
        return Response(status_code=204)

    async def _label_library(self, request: Request, _: Session) -> Response:
        name = await self._updated_library(request)
        await run_in_threadpool(self._updates.start, name, self._searches.library(name), "labels")
        return Response(status_code=204)

    async def _stop_update(self, request: Request, _: Session) -> Response:
        self._updates.stop(await self._updated_library(request))
        return Response(status_code=204)

    async def _updated_library(self, request: Request) -> str:
        """Return the name of the library that a request is about. Raises `LibraryUpdateForbidden`."""
        if not may_update(request, self._reranker.settings.server):
            raise LibraryUpdateForbidden
        return text_field(await self._body(request), "library")

    async def _thumbnail(self, request: Request, session: Session) -> Response:
        picture = await _picture(request, session)
        jpeg, is_final = await self._in_slot("pictures", session.thumbnails.read, picture.path)
        if request.query_params.get("size") == "small":
            jpeg = await run_in_threadpool(smaller_thumbnail, jpeg, max_px=SMALL_PX, quality=FULL_QUALITY)
        return Response(jpeg, media_type="image/jpeg", headers=_FOR_EVER if is_final else _ONCE)

    async def _full(self, request: Request, session: Session) -> Response:
        picture = await _picture(request, session)
        jpeg = await self._in_slot("pictures", self._full_picture, picture)
        return Response(jpeg, media_type="image/jpeg", headers=_FOR_EVER)

    def _full_picture(self, picture: Picture) -> bytes:
        """Raises `PictureError`."""
        return make_thumbnail(picture.candidate, self._reranker.limits, max_px=MAX_FULL_PX, quality=FULL_QUALITY)

    async def _details(self, request: Request, session: Session) -> Response:
        picture = await _picture(request, session)
        rows = await self._in_slot("pictures", self._admission.examination.details, picture)
        labels = await self._in_slot("searches", self._searches.labels, picture)
        return JSONResponse({"rows": rows, "labels": labels})

    async def _body(self, request: Request) -> dict[str, Any]:
        """Return the JSON object of a request. Raises `RequestError`."""
        async with self._bodies.read(request.scope, request.receive, MAX_BODY_MB) as body:
            content = await run_in_threadpool(parse_whole_json, body, self._json_limits)
        if not isinstance(content, dict):
            raise RequestMalformed(where="body")
        return content


def _attachment(content: bytes, name: str, media_type: str) -> Response:
    """Return a file that the browser saves. name: in ASCII."""
    return Response(
        content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"', **_ONCE}
    )


async def _picture(request: Request, session: Session) -> Picture:
    """Return the picture of a path. Raises `RankingUnknown`."""
    return await run_in_threadpool(session.picture, request.path_params["picture"])


def _unbound(handler: Handler) -> _Handler:
    """Return a handler of another class as one of `SessionRoutes`."""
    return lambda _, request, session: handler(request, session)


async def _cancel_on_disconnect(request: Request, cancellation: Cancellation) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    cancellation.cancel()


def _ranking_detail(session: Session, id_: str) -> dict[str, Any]:
    """Return a ranking with its results. waiting: ids of the pictures that are still to be scored, in their order."""
    waiting, (_, results) = session.waiting(id_), session.ranking(id_)
    return {
        **session.summary(id_),
        "waiting": waiting,
        "scored": [scored_row(key, event) for key, event in list(results.scored.items())],
        "failed": [failed_row(key, event) for key, event in list(results.failed.items())],
    }
