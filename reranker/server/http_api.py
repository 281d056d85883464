"""The HTTP API: `POST /v1/rerank` and `/score` in the form that clients of rerankers use, `/v1/models` and `/health`.

`POST /v1/search` searches the libraries that the server names; `/v1/libraries` lists them. `POST /v1/tag` labels
pictures.

    {"query": "a red boat", "documents": ["data:image/png;base64,..."], "top_n": 3}
    -> {"id": ..., "model": ..., "results": [{"index": 0, "relevance_score": 0.98}], "failures": [], "usage": {...}}

`/v1/openapi.json` describes it. `api_routes` adds it to the server of the page; `api_application` serves it alone.
"""

import asyncio
from asyncio import CancelledError, create_task
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import ApiKeyRejected, RequestMalformed, ServerStopping, TooManyRequests
from reranker.i18n.error_messages import Language
from reranker.library import Library, named_libraries
from reranker.server.answers import Answering
from reranker.server.api_description import description
from reranker.server.api_schema import Health, Model, Models, Worker
from reranker.server.error_responses import error_response, requested_language
from reranker.server.failed_attempts import FailedAttempts, address_of
from reranker.server.metrics import CONTENT_TYPE, count_request, exposition
from reranker.server.replicas import NoReplica, Replicas
from reranker.server.request_bodies import IDLE_S, RequestBodies, is_json
from reranker.server.searching import Searching
from reranker.server.security import is_authorized, route_path, security_middleware
from reranker.server.tagging import Tagging
from reranker.tagger import Taggers

# The first of each is that of the documentation; Cohere's and vLLM's clients call the others, too.
RERANK_PATHS: Final = ("/v1/rerank", "/rerank", "/v2/rerank")
SCORE_PATHS: Final = ("/score", "/v1/score")

_Endpoint = Callable[[Request], Awaitable[Response]]
_Answer = Callable[[bytearray, Language, Cancellation], Response]


def api_routes(
    reranker: Reranker,
    bodies: RequestBodies,
    libraries: Mapping[str, Library],
    taggers: Taggers,
    replicas: Replicas | None = None,
) -> list[Route]:
    """Return the routes of the API. libraries: that it searches, by name. replicas: that answer in place of it."""
    api = _Api(reranker, bodies, libraries, taggers, replicas)
    return [
        Route("/health", api.health),
        _route("/metrics", api.metrics),
        Route("/v1/openapi.json", api.describe),
        _route("/v1/models", api.models),
        _route("/v1/search", api.search, method="POST"),
        _route("/v1/tag", api.tag, method="POST"),
        _route("/v1/libraries", api.libraries),
        _route("/v1/libraries/{name}/pictures/{id}/thumbnail", api.thumbnail),
        *(_route(path, api.rerank, method="POST") for path in RERANK_PATHS),
        *(_route(path, api.score, method="POST") for path in SCORE_PATHS),
    ]


def api_application(reranker: Reranker, replicas: Replicas | None = None) -> Starlette:
    """Return an application that serves the API without the page. replicas: as in `api_routes`."""
    libraries = named_libraries(reranker.settings.server.libraries, reranker)
    routes = api_routes(reranker, RequestBodies.of(reranker.settings.limits), libraries, Taggers(reranker), replicas)
    return Starlette(routes=routes, middleware=security_middleware(reranker.settings.server))


def _route(path: str, endpoint: _Endpoint, *, method: str = "GET") -> Route:
    """Return a route that answers every error with a sentence, and is counted."""

    async def answering(request: Request) -> Response:
        try:
            response = await endpoint(request)
        except CancelledError:  # by the server, which does not wait any longer
            response = error_response(ServerStopping(), request.scope)
        except Exception as error:
            response = error_response(error, request.scope)
        count_request(path, response.status_code)
        return response

    return Route(path, answering, methods=[method])


class _Api:
    """The handlers of the API, all of them over one `Reranker`."""

    def __init__(
        self,
        reranker: Reranker,
        bodies: RequestBodies,
        libraries: Mapping[str, Library],
        taggers: Taggers,
        replicas: Replicas | None,
    ) -> None:
        self._reranker, self._bodies, self._libraries, self._taggers = reranker, bodies, libraries, taggers
        self._replicas = replicas
        self._request_count = 0
        self._failed_attempts = FailedAttempts()
        self._threads: anyio.CapacityLimiter | None = None

    async def rerank(self, request: Request) -> Response:
        """Rank pictures by how well each matches a sentence."""
        return await self._answer(
            request, lambda body, language, stop: Answering(self._reranker, language, stop).rerank(body)
        )

    async def score(self, request: Request) -> Response:
        """Score how well pictures match a sentence, or each its own."""
        return await self._answer(
            request, lambda body, language, stop: Answering(self._reranker, language, stop).score(body)
        )

    async def search(self, request: Request) -> Response:
        """Search a library of pictures."""
        return await self._answer(
            request, lambda body, language, stop: Searching(self._libraries, language).search(body, stop)
        )

    async def tag(self, request: Request) -> Response:
        """Label pictures."""
        return await self._answer(
            request, lambda body, language, stop: Tagging(self._taggers, language, stop).tag(body)
        )

    async def libraries(self, request: Request) -> Response:
        """List the libraries."""
        self._authorize(request)
        return await run_in_threadpool(Searching(self._libraries, requested_language(request.scope)).libraries)

    async def thumbnail(self, request: Request) -> Response:
        """Show a picture of a library."""
        self._authorize(request)
        searching = Searching(self._libraries, requested_language(request.scope))
        return await run_in_threadpool(searching.thumbnail, request.path_params["name"], request.path_params["id"])

    async def _answer(self, request: Request, answer: _Answer) -> Response:
        """Receive the body of a request, and answer it.

        The body is received before the request counts as one of those at the same time, and parsed in the thread of the
        ranking. A client that disconnects stops the ranking before its next batch.
        """
        self._authorize(request)
        if not is_json(request.scope):
            raise RequestMalformed(where="Content-Type")
        max_mb = self._reranker.settings.limits.max_request_mb
        async with AsyncExitStack() as held:
            body = await held.enter_async_context(self._bodies.read(request.scope, request.receive, max_mb))
            limiter = held.enter_context(self._request_slot())
            stop = Cancellation()
            disconnect = create_task(_set_on_disconnect(request, stop))
            try:
                run = partial(self._answered, request, answer, body, stop)
                response = await anyio.to_thread.run_sync(run, limiter=limiter, abandon_on_cancel=True)
            finally:
                stop.cancel()
                disconnect.cancel()
            return _HoldingResponse(response, held.pop_all())

    def _answered(self, request: Request, answer: _Answer, body: bytearray, stop: Cancellation) -> Response:
        """Return the answer of a replica, or of this process if there is none."""
        language = requested_language(request.scope)
        if self._replicas is not None:
            headers = {"Content-Type": request.headers["content-type"], "Accept-Language": language}
            with suppress(NoReplica):
                return self._replicas.answer(route_path(request.scope), body, headers, stop)
        return answer(body, language, stop)

    async def models(self, request: Request) -> Response:
        """List the model in use."""
        self._authorize(request)
        return JSONResponse(Models(data=[Model(id=self._reranker.model_name)]).model_dump())

    async def describe(self, request: Request) -> Response:
        """Describe the API; needs no key."""
        return JSONResponse(description(request.scope.get("root_path", ""), RERANK_PATHS, SCORE_PATHS))

    async def health(self, _: Request) -> Response:
        """Report the state of the server to monitoring tools; needs no key."""
        ready = self._reranker.is_loaded
        model = self._reranker.model_name if ready else None
        workers = [
            Worker(in_flight=each.in_flight, pictures=each.pictures, pictures_per_s=round(each.pictures_per_s, 2))
            for each in self._reranker.workers
        ]
        queue = self._reranker.device_queue.waiting + self._reranker.waiting_batches
        health = Health(alive=True, ready=ready, model=model, queue=queue, workers=workers)
        return JSONResponse(health.model_dump())

    async def metrics(self, request: Request) -> Response:
        """Report counts and times to Prometheus."""
        self._authorize(request)
        text = await run_in_threadpool(exposition, self._reranker, self._replicas)
        return Response(text, media_type=CONTENT_TYPE)

    def _authorize(self, request: Request) -> None:
        """Raise `ApiKeyRejected` without a valid key, and `TooManyAttempts` after too many wrong ones."""
        authorization, server = request.headers.get("authorization", ""), self._reranker.settings.server
        address = address_of(request.scope, server)
        if server.api_key and authorization:
            self._failed_attempts.check(address)
        if not is_authorized(authorization, server):
            if authorization:
                self._failed_attempts.add(address)
            raise ApiKeyRejected

    @contextmanager
    def _request_slot(self) -> Iterator[anyio.CapacityLimiter]:
        """Hold one of the slots for requests at the same time. Raises `TooManyRequests` if none is free."""
        max_count = self._reranker.settings.limits.max_waiting
        if self._request_count >= max_count:
            raise TooManyRequests(max_count=max_count)
        self._threads = self._threads or anyio.CapacityLimiter(max_count)
        self._request_count += 1
        try:
            yield self._threads
        finally:
            self._request_count -= 1


class _HoldingResponse(Response):
    """A response whose request counts until it has been sent, or until the client stops receiving."""

    def __init__(self, response: Response, held: AsyncExitStack) -> None:
        self._response, self._held, self.status_code = response, held, response.status_code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            await asyncio.wait_for(send(message), IDLE_S)

        async with self._held:
            await self._response(scope, receive, send_in_time)


async def _set_on_disconnect(request: Request, stop: Cancellation) -> None:
    with suppress(CancelledError):
        while (await request.receive())["type"] != "http.disconnect":
            pass
        stop.cancel()
