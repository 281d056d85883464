"""The HTTP door: `POST /v1/rerank` in the shape that reranker clients speak, models and health. JSON throughout.

    {"query": "a red boat", "documents": ["data:image/png;base64,..."], "top_n": 3}
    -> {"model": ..., "results": [{"index": 0, "relevance_score": 0.98}], "failures": [], "usage": {...}}

`as_routes` has it for the server of the page; its OpenAPI is at `/v1/openapi.json`.
"""

import secrets
import threading
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
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.api import Reranker
from reranker.config.settings import MEGABYTE
from reranker.core.errors import (
    CheckpointError,
    KeyRefused,
    RequestError,
    RequestMalformed,
    RequestTooLarge,
    RerankerError,
    TooManyCallers,
    TooManyPictures,
)
from reranker.core.scores import sigmoid
from reranker.core.types import Ranking, Scored
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import language_of
from reranker.pipelines.rerank import unfit_precision
from reranker.server.documents import Document, as_answered, as_candidate
from reranker.ui.model_status import model_name
from reranker.version import __version__

PREFIX: Final = "/v1"
RETRY_AFTER_S: Final = 2
_STATUSES: Final[dict[type[RerankerError], HTTPStatus]] = {
    KeyRefused: HTTPStatus.UNAUTHORIZED,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyPictures: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyCallers: HTTPStatus.TOO_MANY_REQUESTS,
    RequestError: HTTPStatus.BAD_REQUEST,
    CheckpointError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_HEADERS: Final[dict[type[RerankerError], dict[str, str]]] = {
    KeyRefused: {"WWW-Authenticate": "Bearer"},
    TooManyCallers: {"Retry-After": str(RETRY_AFTER_S)},
}


class RerankRequest(BaseModel):
    """What is asked.

    model: any name; the model that runs is the one that answers, and says so. documents: pictures, as data URIs or
    base64. top_n: how many results to answer, all where null. return_documents: send the pictures back.
    """

    model: str | None = None
    query: Annotated[str, StringConstraints(min_length=1)]
    documents: Annotated[list[Document], Field(min_length=1)]
    top_n: Annotated[int | None, Field(ge=1)] = None
    return_documents: bool = False


class Result(BaseModel):
    """One picture: its place among the documents, from 0, and the probability (0 to 1) that it fits."""

    index: int
    relevance_score: float
    document: dict[str, str] | None = None


class Failure(BaseModel):
    """One that could not be judged, and why; never a number."""

    index: int
    detail: str


class Usage(BaseModel):
    """Pictures that were judged, and the visual tokens that they took."""

    images: int
    total_tokens: int


class RerankResponse(BaseModel):
    """results: the best first. failures: the documents that have no result, by index."""

    model: str
    results: list[Result]
    failures: list[Failure]
    usage: Usage


class Trouble(BaseModel):
    """What went wrong, in one sentence."""

    detail: str


class Health(BaseModel):
    """alive: always. ready: whether the model is loaded; `model` is null before. queue: who waits for the device."""

    alive: bool
    ready: bool
    model: str | None
    queue: int


class Model(BaseModel):
    """The one that judges."""

    id: str
    object: str = "model"


class Models(BaseModel):
    """All that may be asked for: one."""

    object: str = "list"
    data: list[Model]


def as_routes(reranker: Reranker) -> list[BaseRoute]:
    """The door under `/v1`, and `/health`."""
    door = _Door(reranker)
    return [Route("/health", door.health_response), Mount(PREFIX, app=_application(door))]


def _application(door: "_Door") -> FastAPI:
    trouble: dict[int | str, dict[str, Any]] = {
        int(status): {"model": Trouble} for status in (400, 401, 413, 422, 429, 500, 503)
    }
    application = FastAPI(
        title="Rank pictures by a sentence",
        version=__version__,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # told to who reads the description; `_Guard` checks it
        responses=trouble,
    )
    application.add_middleware(_BodyLimit, max_mb=door.max_request_mb)
    application.add_middleware(_Guard, door=door)
    application.post("/rerank", response_model_exclude_none=True)(door.rerank)
    application.get("/models")(door.models)
    application.add_exception_handler(RequestValidationError, _malformed)
    application.add_exception_handler(RerankerError, _refused)
    application.add_exception_handler(Exception, _refused)
    return application


class _Door:
    """Serves the calls, all of them through the one `Reranker`."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker, self._calls = reranker, 0
        self._threads: anyio.CapacityLimiter | None = None

    @property
    def max_request_mb(self) -> int:
        return self._reranker.settings.limits.max_request_mb

    def knows(self, authorization: str) -> bool:
        """Whether who sends this header may call. A page that asks who comes has no open door beside it, key or not."""
        settings = self._reranker.settings
        if not settings.server.api_key:
            return not settings.server.auth
        scheme, _, key = authorization.partition(" ")
        return scheme.lower() == "bearer" and secrets.compare_digest(key.encode(), settings.server.api_key.encode())

    @contextmanager
    def call(self) -> Iterator[None]:
        """One of the callers at once. Raises `TooManyCallers`."""
        most = self._reranker.settings.limits.max_waiting
        if self._calls >= most:
            raise TooManyCallers(max_count=most)
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1

    async def rerank(self, asked: RerankRequest, request: Request) -> RerankResponse:
        """Rank pictures by how well each fits a sentence in Chinese, English or both."""
        settings = self._reranker.settings
        if len(asked.documents) > settings.limits.max_pictures:
            raise TooManyPictures(count=len(asked.documents), max_count=settings.limits.max_pictures)
        # Judged in a thread; who goes away meanwhile stops it before its next batch.
        stop = threading.Event()
        gone = create_task(_set_when_gone(request, stop))
        self._threads = self._threads or anyio.CapacityLimiter(settings.limits.max_waiting)
        try:
            ranking, tokens = await anyio.to_thread.run_sync(self._judged, asked, stop, limiter=self._threads)
        finally:
            gone.cancel()
        return _response(asked, ranking, tokens, self._model, _language(request))

    def _judged(self, asked: RerankRequest, stop: threading.Event) -> tuple[Ranking, int]:
        """The ranking, and the visual tokens that it took. Raises `RequestError`, `CheckpointError`."""
        self._reranker.query(asked.query)
        candidates = [as_candidate(document, index) for index, document in enumerate(asked.documents)]
        *events, ranking = self._reranker.rank_stream(asked.query, candidates, top_k=asked.top_n, stop=stop)
        assert isinstance(ranking, Ranking)
        if (unfit := unfit_precision(ranking)) is not None:
            raise unfit
        return ranking, sum(event.score.visual_tokens for event in events if isinstance(event, Scored))

    def models(self) -> Models:
        """The model that judges."""
        return Models(data=[Model(id=self._model)])

    async def health_response(self, _: Request) -> Response:
        """For who watches over servers; asks for no key."""
        ready = self._reranker.is_loaded
        model = self._model if ready else None
        health = Health(alive=True, ready=ready, model=model, queue=self._reranker.device_queue.waiting)
        return JSONResponse(health.model_dump())

    @property
    def _model(self) -> str:
        return model_name(self._reranker)


async def _set_when_gone(request: Request, stop: threading.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    stop.set()


def _response(asked: RerankRequest, ranking: Ranking, tokens: int, model: str, language: Language) -> RerankResponse:
    failures = [Failure(index=one.position, detail=sentence(one.error, language)) for one in ranking.failed]
    if not ranking.scored:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, failures[0].detail)
    return RerankResponse(
        model=model,
        results=[_result(asked, one) for one in ranking.scored],
        failures=failures,
        usage=Usage(images=len(asked.documents) - len(failures), total_tokens=tokens),
    )


def _result(asked: RerankRequest, one: Scored) -> Result:
    document = as_answered(asked.documents[one.position]) if asked.return_documents else None
    return Result(index=one.position, relevance_score=sigmoid(one.score.log_odds), document=document)


class _Guard:
    """ASGI middleware: who may not call, or calls as one too many, is told so before anything of a body is read."""

    def __init__(self, app: ASGIApp, door: _Door) -> None:
        self._app, self._door = app, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            if not (scope["path"].endswith("/openapi.json") or self._door.knows(headers.get("authorization", ""))):
                raise KeyRefused
            with self._door.call():
                await self._app(scope, receive, send)
        except RequestError as error:
            await _refused(Request(scope), error)(scope, receive, send)


class _BodyLimit:
    """ASGI middleware: a request's body is read up to a limit, and no further."""

    def __init__(self, app: ASGIApp, max_mb: int) -> None:
        self._app, self._max_mb = app, max_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self._max_mb * MEGABYTE:
                language = language_of(Headers(scope=scope).get("accept-language"))
                detail = sentence(RequestTooLarge(max_mb=self._max_mb), language)
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
            return message

        await self._app(scope, counted, send)


def _refused(request: Request, error: Exception) -> Response:
    kinds = type(error).__mro__
    status = next((_STATUSES[kind] for kind in kinds if kind in _STATUSES), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = next((_HEADERS[kind] for kind in kinds if kind in _HEADERS), None)
    foreseen = error if isinstance(error, RerankerError) else RerankerError()
    return JSONResponse({"detail": sentence(foreseen, _language(request))}, status, headers)


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return _refused(request, RequestMalformed(where=_where(first["loc"])))


def _where(place: Sequence[int | str]) -> str:
    """`documents[2]`, from what pydantic calls it; what follows says which form of a document was tried."""
    names = [part for part in place if part != "body"]
    if len(names) > 1 and isinstance(names[1], int):
        return f"{names[0]}[{names[1]}]" if names[0] == "documents" else str(names[0])
    return str(names[0]) if names and isinstance(names[0], str) else "body"


def _language(request: Request) -> Language:
    return language_of(request.headers.get("accept-language"))
