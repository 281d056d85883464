"""The HTTP API: `POST /v1/rerank` in the form that clients of rerankers use, `/v1/models` and `/health`.

    {"query": "a red boat", "documents": ["data:image/png;base64,..."], "top_n": 3}
    -> {"model": ..., "results": [{"index": 0, "relevance_score": 0.98}], "failures": [], "usage": {...}}

`/v1/openapi.json` describes it. `api_routes` adds it to the server of the page; `api_application` serves it alone.
"""

from asyncio import create_task
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, StringConstraints
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from reranker.api import Reranker
from reranker.core.cancellation import Cancellation
from reranker.core.errors import (
    ApiKeyRejected,
    CheckpointError,
    RequestError,
    RequestMalformed,
    RequestTooLarge,
    RerankerError,
    TooManyPictures,
    TooManyRequests,
)
from reranker.core.scores import sigmoid
from reranker.core.types import Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import language_of
from reranker.pipelines.rerank import unfit_precision
from reranker.server.documents import Document, to_candidate, to_response
from reranker.server.security import BodyLimit, is_authorized, security_middleware
from reranker.version import __version__

PREFIX: Final = "/v1"
RETRY_AFTER_S: Final = 2
_STATUSES: Final[dict[type[RerankerError], HTTPStatus]] = {
    ApiKeyRejected: HTTPStatus.UNAUTHORIZED,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyPictures: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    RequestError: HTTPStatus.BAD_REQUEST,
    CheckpointError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Final[dict[type[RerankerError], dict[str, str]]] = {
    ApiKeyRejected: {"WWW-Authenticate": "Bearer"},
    TooManyRequests: {"Retry-After": str(RETRY_AFTER_S)},
}


class RerankRequest(BaseModel):
    """Rank documents by how well they match a query.

    model: ignored; the response names the model that ran. documents: pictures as data URIs or base64. top_n: the number
    of results to return, all of them if null. return_documents: repeat each document in its result.
    """

    model: str | None = None
    query: Annotated[str, StringConstraints(min_length=1)]
    documents: Annotated[list[Document], Field(min_length=1)]
    top_n: Annotated[int | None, Field(ge=1)] = None
    return_documents: bool = False


class Result(BaseModel):
    """A scored document. index: its position in the request, from 0. relevance_score: probability of a match."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None


class Failure(BaseModel):
    """A document that could not be scored, and the reason in one sentence."""

    index: int
    detail: str


class Usage(BaseModel):
    """The number of pictures that were scored, and of the visual tokens in them."""

    images: int
    total_tokens: int


class RerankResponse(BaseModel):
    """The ranking. results: the most relevant first. failures: documents without a score, by index."""

    model: str
    results: list[Result]
    failures: list[Failure]
    usage: Usage


class ErrorResponse(BaseModel):
    """An error, in one sentence."""

    detail: str


class Health(BaseModel):
    """The state of the server. alive: always true. ready: the model is loaded; `model` is null before that.

    queue: the number of runs that wait for the device.
    """

    alive: bool
    ready: bool
    model: str | None
    queue: int


class Model(BaseModel):
    """The model in use."""

    id: str
    object: str = "model"


class Models(BaseModel):
    """A list of one model, in the form that clients expect."""

    object: str = "list"
    data: list[Model]


def api_routes(reranker: Reranker) -> list[BaseRoute]:
    """Return the routes of the API: `/v1` and `/health`."""
    api = _Api(reranker)
    return [Route("/health", api.health), Mount(PREFIX, app=_application(api))]


def api_application(reranker: Reranker) -> Starlette:
    """Return an application that serves the API without the page."""
    return Starlette(routes=api_routes(reranker), middleware=security_middleware(reranker.settings.server))


def _application(api: "_Api") -> FastAPI:
    responses: dict[int | str, dict[str, Any]] = {
        int(status): {"model": ErrorResponse} for status in (400, 401, 413, 422, 429, 500, 503)
    }
    application = FastAPI(
        title="Rank pictures by a sentence",
        version=__version__,
        docs_url=None,  # the documentation page would load scripts from another server
        redoc_url=None,
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # for the OpenAPI description; `_AccessControl` checks it
        responses=responses,
    )
    application.add_middleware(BodyLimit, max_mb=api.max_request_mb)
    application.add_middleware(_AccessControl, api=api)
    application.post("/rerank", response_model_exclude_none=True)(api.rerank)
    application.get("/models")(api.models)
    application.add_exception_handler(RequestValidationError, _validation_error_response)
    application.add_exception_handler(RerankerError, _error_response)
    application.add_exception_handler(Exception, _error_response)
    return application


class _Api:
    """The handlers of the API, all of them over one `Reranker`."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker, self._request_count = reranker, 0
        self._threads: anyio.CapacityLimiter | None = None

    @property
    def max_request_mb(self) -> int:
        return self._reranker.settings.limits.max_request_mb

    def is_authorized(self, authorization: str) -> bool:
        return is_authorized(authorization, self._reranker.settings.server)

    @contextmanager
    def request_slot(self) -> Iterator[None]:
        """Hold one of the slots for requests at the same time. Raises `TooManyRequests` if none is free."""
        max_count = self._reranker.settings.limits.max_waiting
        if self._request_count >= max_count:
            raise TooManyRequests(max_count=max_count)
        self._request_count += 1
        try:
            yield
        finally:
            self._request_count -= 1

    async def rerank(self, body: RerankRequest, request: Request) -> RerankResponse:
        """Rank pictures by how well each matches a sentence in Chinese, English or both."""
        limits = self._reranker.settings.limits
        if len(body.documents) > limits.max_pictures:
            raise TooManyPictures(count=len(body.documents), max_count=limits.max_pictures)
        # The ranking runs in a thread. A client that disconnects stops it before its next batch.
        stop = Cancellation()
        disconnect = create_task(_set_on_disconnect(request, stop))
        self._threads = self._threads or anyio.CapacityLimiter(limits.max_waiting)
        try:
            ranking, token_count = await anyio.to_thread.run_sync(self._rank, body, stop, limiter=self._threads)
        finally:
            disconnect.cancel()
        return _response(body, ranking, token_count, self._model, _language(request))

    def _rank(self, body: RerankRequest, stop: Cancellation) -> tuple[Ranking, int]:
        """Return the ranking and the number of its visual tokens. Raises `RequestError`, `CheckpointError`."""
        query = self._reranker.query(body.query)
        candidates = [to_candidate(document, index) for index, document in enumerate(body.documents)]
        *events, ranking = self._reranker.rank_stream(query, candidates, top_k=body.top_n, cancellation=stop)
        assert isinstance(ranking, Ranking)
        if (unfit := unfit_precision(ranking)) is not None:
            raise unfit
        return ranking, sum(event.score.visual_tokens for event in events if isinstance(event, Scored))

    def models(self) -> Models:
        """List the model in use."""
        return Models(data=[Model(id=self._model)])

    async def health(self, _: Request) -> Response:
        """Report the state of the server to monitoring tools; needs no key."""
        ready = self._reranker.is_loaded
        model = self._model if ready else None
        health = Health(alive=True, ready=ready, model=model, queue=self._reranker.device_queue.waiting)
        return JSONResponse(health.model_dump())

    @property
    def _model(self) -> str:
        return self._reranker.model_name


async def _set_on_disconnect(request: Request, stop: Cancellation) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stop.cancel()


def _response(
    body: RerankRequest, ranking: Ranking, token_count: int, model: str, language: Language
) -> RerankResponse:
    failures = [Failure(index=failed.position, detail=sentence(failed.error, language)) for failed in ranking.failed]
    if not ranking.scored:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, failures[0].detail)
    return RerankResponse(
        model=model,
        results=[_result(body, scored) for scored in ranking.scored],
        failures=failures,
        usage=Usage(images=len(body.documents) - len(failures), total_tokens=token_count),
    )


def _result(body: RerankRequest, scored: Scored) -> Result:
    document = to_response(body.documents[scored.position]) if body.return_documents else None
    return Result(index=scored.position, relevance_score=sigmoid(scored.score.log_odds), document=document)


class _AccessControl:
    """ASGI middleware: refuse requests without a valid key, or beyond the limit of requests, before a body is read."""

    def __init__(self, app: ASGIApp, api: _Api) -> None:
        self._app, self._api = app, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        authorization = Headers(scope=scope).get("authorization", "")
        try:
            if not (scope["path"].endswith("/openapi.json") or self._api.is_authorized(authorization)):
                raise ApiKeyRejected
            with self._api.request_slot():
                await self._app(scope, receive, send)
        except RequestError as error:
            await _error_response(Request(scope), error)(scope, receive, send)


def _error_response(request: Request, error: Exception) -> Response:
    classes = type(error).__mro__
    status = next((_STATUSES[each] for each in classes if each in _STATUSES), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = next((_HEADERS[each] for each in classes if each in _HEADERS), None)
    expected = error if isinstance(error, RerankerError) else RerankerError()
    return JSONResponse({"detail": sentence(expected, _language(request))}, status, headers)


def _validation_error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _error_response(request, RequestMalformed(where=_field_path(first["loc"])))


def _field_path(location: Sequence[int | str]) -> str:
    """Return `documents[2]` for the location that pydantic gives; the parts after it name a variant of a document."""
    parts = [part for part in location if part != "body"]
    if len(parts) > 1 and isinstance(parts[1], int):
        return f"{parts[0]}[{parts[1]}]" if parts[0] == "documents" else str(parts[0])
    return str(parts[0]) if parts and isinstance(parts[0], str) else "body"


def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language"))
