"""The HTTP API: `POST /v1/rerank` in the form that clients of rerankers use, `/v1/models` and `/health`.

    {"query": "a red boat", "documents": ["data:image/png;base64,..."], "top_n": 3}
    -> {"model": ..., "results": [{"index": 0, "relevance_score": 0.98}], "failures": [], "usage": {...}}

`/v1/openapi.json` describes it. `api_routes` adds it to the server of the page; `api_application` serves it alone.
"""

import asyncio
import json
from asyncio import CancelledError, create_task
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from http import HTTPStatus
from typing import Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import ApiKeyRejected, RequestMalformed, ServerStopping, TooManyPictures, TooManyRequests
from reranker.core.scores import sigmoid
from reranker.core.types import Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import language_of
from reranker.pipelines.rerank import unfit_precision
from reranker.server.api_schema import Failure, Health, Model, Models, RerankRequest, Result, Usage, description
from reranker.server.documents import Document, image_and_text, to_candidate, to_document
from reranker.server.error_responses import error_response
from reranker.server.failed_attempts import FailedAttempts, address_of
from reranker.server.json_bodies import JsonLimits, LongString, parse_json
from reranker.server.request_bodies import IDLE_S, RequestBodies, is_json
from reranker.server.security import is_authorized, security_middleware

PREFIX: Final = "/v1"
PART_BYTES: Final = 1_000_000  # of a response

_Endpoint = Callable[[Request], Awaitable[Response]]


def api_routes(reranker: Reranker, bodies: RequestBodies) -> list[Route]:
    """Return the routes of the API: `/v1` and `/health`."""
    api = _Api(reranker, bodies)
    return [
        Route("/health", api.health),
        Route(f"{PREFIX}/openapi.json", api.describe),
        Route(f"{PREFIX}/models", _answering_errors(api.models)),
        Route(f"{PREFIX}/rerank", _answering_errors(api.rerank), methods=["POST"]),
    ]


def api_application(reranker: Reranker) -> Starlette:
    """Return an application that serves the API without the page."""
    routes = api_routes(reranker, RequestBodies.of(reranker.settings.limits))
    return Starlette(routes=routes, middleware=security_middleware(reranker.settings.server))


def _answering_errors(endpoint: _Endpoint) -> _Endpoint:
    """Return an endpoint that answers every error with a sentence."""

    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except CancelledError:  # by the server, which does not wait any longer
            return error_response(ServerStopping(), request.scope)
        except Exception as error:
            return error_response(error, request.scope)

    return answering


class _Api:
    """The handlers of the API, all of them over one `Reranker`."""

    def __init__(self, reranker: Reranker, bodies: RequestBodies) -> None:
        self._reranker, self._bodies, self._request_count = reranker, bodies, 0
        self._failed_attempts = FailedAttempts()
        self._threads: anyio.CapacityLimiter | None = None

    async def rerank(self, request: Request) -> Response:
        """Rank pictures by how well each matches a sentence.

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
            answering = _Answer(self._reranker, language_of(request.headers.get("accept-language")), stop)
            try:
                response = await anyio.to_thread.run_sync(answering.to, body, limiter=limiter, abandon_on_cancel=True)
            finally:
                stop.cancel()
                disconnect.cancel()
            return _HoldingResponse(response, held.pop_all())

    async def models(self, request: Request) -> Response:
        """List the model in use."""
        self._authorize(request)
        return JSONResponse(Models(data=[Model(id=self._reranker.model_name)]).model_dump())

    async def describe(self, request: Request) -> Response:
        """Describe the API; needs no key."""
        return JSONResponse(description(f"{request.scope.get('root_path', '')}{PREFIX}"))

    async def health(self, _: Request) -> Response:
        """Report the state of the server to monitoring tools; needs no key."""
        ready = self._reranker.is_loaded
        model = self._reranker.model_name if ready else None
        health = Health(alive=True, ready=ready, model=model, queue=self._reranker.device_queue.waiting)
        return JSONResponse(health.model_dump())

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


class _Answer:
    """Answer one request, in a thread. language: of the sentences; stop: ends the ranking."""

    def __init__(self, reranker: Reranker, language: Language, stop: Cancellation) -> None:
        self._reranker, self._language, self._stop = reranker, language, stop

    def to(self, body: bytearray) -> Response:
        """Rank the documents in a body. Raises `RequestError` and `CheckpointError`."""
        max_pictures = self._reranker.settings.limits.max_pictures
        request = RerankRequest.of(parse_json(body, JsonLimits.of(max_pictures)))
        if len(request.documents) > max_pictures:
            raise TooManyPictures(count=len(request.documents), max_count=max_pictures)
        query = self._reranker.query(request.query)
        documents = [to_document(value, index) for index, value in enumerate(request.documents)]
        candidates = [to_candidate(document, index) for index, document in enumerate(documents)]
        *events, ranking = self._reranker.rank_stream(query, candidates, top_k=request.top_n, cancellation=self._stop)
        assert isinstance(ranking, Ranking)
        if (unfit := unfit_precision(ranking)) is not None:
            raise unfit
        tokens = sum(event.score.visual_tokens for event in events if isinstance(event, Scored))
        return self._response(ranking, tokens, documents if request.return_documents else None, len(candidates))

    def _response(
        self, ranking: Ranking, tokens: int, documents: Sequence[Document] | None, picture_count: int
    ) -> Response:
        """Return the response. documents: of the request, if they are to be repeated."""
        failures = [
            Failure(index=failed.position, detail=sentence(failed.error, self._language)).model_dump()
            for failed in ranking.failed
        ]
        if not ranking.scored:
            return JSONResponse({"detail": failures[0]["detail"]}, HTTPStatus.UNPROCESSABLE_ENTITY)
        usage = Usage(images=picture_count - len(failures), total_tokens=tokens).model_dump()
        rest: dict[str, object] = {"model": self._reranker.model_name, "failures": failures, "usage": usage}
        scores = [(each.position, each.score.log_odds) for each in ranking.scored]
        return _JsonResponse(_json_parts(scores, documents, rest))


def _json_parts(
    scores: Sequence[tuple[int, float]], documents: Sequence[Document] | None, rest: dict[str, object]
) -> Generator[str | bytes, None, None]:
    """Yield the response in small parts, as it can repeat hundreds of megabytes. scores: positions and log-odds."""
    yield '{"results": ['
    for number, (position, log_odds) in enumerate(scores):
        result = Result(index=position, relevance_score=sigmoid(log_odds))
        yield (", " if number else "") + json.dumps(result.model_dump(exclude_none=True))[:-1]
        if documents is not None:
            image, text = image_and_text(documents[position])
            yield f', "document": {{"text": {json.dumps(text)}, "image": '
            yield from _json_string(image)
            yield "}"
        yield "}"
    yield f"], {json.dumps(rest)[1:]}"


def _json_string(text: str | LongString) -> Iterator[str | bytes]:
    """Yield a string in JSON, part by part. A `LongString` was valid in the request, as it was decoded."""
    if isinstance(text, str):
        yield json.dumps(text)
        return
    yield '"'
    for start in range(0, len(text.encoded), PART_BYTES):
        yield bytes(text.encoded[start : start + PART_BYTES])
    yield '"'


class _JsonResponse(Response):
    """A response of many parts, which are made one by one."""

    media_type = "application/json"

    def __init__(self, parts: Generator[str | bytes, None, None]) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        with closing(self._parts) as parts:
            for part in parts:
                data = part.encode() if isinstance(part, str) else part
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _HoldingResponse(Response):
    """A response whose request counts until it has been sent, or until the client stops receiving."""

    def __init__(self, response: Response, held: AsyncExitStack) -> None:
        self._response, self._held = response, held

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
