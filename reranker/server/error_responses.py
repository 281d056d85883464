"""Answer a request with an error: a status, and one sentence in the language of the client.

Each such answer has the header Content-Language. `ErrorSentences` does the same for the errors of libraries.
"""

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reranker.core.errors import (
    ApiKeyRejected,
    CheckpointError,
    ClusterError,
    DeviceMissing,
    LibraryBusy,
    LibraryEncoderDiffers,
    LibraryMissing,
    LibraryUnreadable,
    LibraryUnwritable,
    LibraryUpdateForbidden,
    LoginRequired,
    MethodUnknown,
    OriginForeign,
    PathUnknown,
    PictureError,
    PictureFileTooLarge,
    PrecisionUnsuitable,
    RankingUnknown,
    ReplicasEnded,
    RequestError,
    RequestTimedOut,
    RequestTooLarge,
    RerankerError,
    RunActive,
    ServerBusy,
    ServerStopping,
    SessionUnknown,
    SettingInvalid,
    TooManyAttempts,
    TooManyPictures,
    TooManyRequests,
    UploadsFull,
    VocabularyError,
)
from reranker.i18n.error_messages import Language, sentence
from reranker.i18n.page_texts import LANGUAGES, language_of

_log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 2
MAX_LOGGED_PATH: Final = 100
_logged_origins: Final = set[tuple[object, ...]]()  # at most as many as there are lines of code
_STATUSES: Final[dict[type[RerankerError], HTTPStatus]] = {
    ApiKeyRejected: HTTPStatus.UNAUTHORIZED,
    OriginForeign: HTTPStatus.FORBIDDEN,
    LibraryUpdateForbidden: HTTPStatus.FORBIDDEN,
    PathUnknown: HTTPStatus.NOT_FOUND,
    SessionUnknown: HTTPStatus.NOT_FOUND,
    RankingUnknown: HTTPStatus.NOT_FOUND,
    RunActive: HTTPStatus.CONFLICT,
    LibraryBusy: HTTPStatus.CONFLICT,
    LibraryMissing: HTTPStatus.NOT_FOUND,
    LibraryEncoderDiffers: HTTPStatus.SERVICE_UNAVAILABLE,
    LibraryUnreadable: HTTPStatus.SERVICE_UNAVAILABLE,
    LibraryUnwritable: HTTPStatus.INSUFFICIENT_STORAGE,
    MethodUnknown: HTTPStatus.METHOD_NOT_ALLOWED,
    LoginRequired: HTTPStatus.UNAUTHORIZED,
    RequestTimedOut: HTTPStatus.REQUEST_TIMEOUT,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyPictures: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ServerBusy: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    UploadsFull: HTTPStatus.INSUFFICIENT_STORAGE,
    RequestError: HTTPStatus.BAD_REQUEST,
    VocabularyError: HTTPStatus.BAD_REQUEST,
    PictureFileTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    PictureError: HTTPStatus.UNPROCESSABLE_ENTITY,
    PrecisionUnsuitable: HTTPStatus.UNPROCESSABLE_ENTITY,
    CheckpointError: HTTPStatus.SERVICE_UNAVAILABLE,
    ClusterError: HTTPStatus.SERVICE_UNAVAILABLE,
    DeviceMissing: HTTPStatus.SERVICE_UNAVAILABLE,
    SettingInvalid: HTTPStatus.SERVICE_UNAVAILABLE,
    ReplicasEnded: HTTPStatus.SERVICE_UNAVAILABLE,
    ServerStopping: HTTPStatus.SERVICE_UNAVAILABLE,
}
_LIBRARY_ERRORS: Final[dict[int, RerankerError]] = {
    HTTPStatus.UNAUTHORIZED: LoginRequired(),
    HTTPStatus.FORBIDDEN: PathUnknown(),
    HTTPStatus.NOT_FOUND: PathUnknown(),
    HTTPStatus.METHOD_NOT_ALLOWED: MethodUnknown(),
}
_OF_THE_BODY: Final = (b"content-length", b"content-type")
_BODY_IS_UNREAD: Final = (
    ApiKeyRejected,
    LoginRequired,
    OriginForeign,
    PictureFileTooLarge,
    RequestTimedOut,
    RequestTooLarge,
    ServerBusy,
    TooManyAttempts,
    TooManyRequests,
    UploadsFull,
)


def requested_language(scope: Scope) -> Language:
    """Return the language of `?lang=`, or without it the one that the header Accept-Language prefers."""
    requested = QueryParams(scope.get("query_string", b"")).get("lang")
    preferred = language_of(Headers(scope=scope).get("accept-language"))
    return next((code for code in LANGUAGES if code == requested), preferred)


def error_response(error: Exception, scope: Scope, *, in_all_languages: bool = False) -> JSONResponse:
    """Return the response for an error. The text of an unexpected error goes to the log, as it may contain paths.

    in_all_languages: also as `sentences`, {"en": ..., "zh": ...}, for a page whose language can be switched.
    """
    expected = error if isinstance(error, RerankerError) else RerankerError()
    if expected is not error:
        log_unexpected(error, f"{scope['method']} {scope['path'][:MAX_LOGGED_PATH]!r}")
    classes = type(expected).__mro__
    status = next((_STATUSES[each] for each in classes if each in _STATUSES), HTTPStatus.INTERNAL_SERVER_ERROR)
    more = {"sentences": {each: sentence(expected, each) for each in LANGUAGES}} if in_all_languages else {}
    return _sentence_response(expected, scope, status, _headers(expected), more)


class ErrorSentences:
    """ASGI middleware: put a sentence in the place of what a library answers to a wrong request, mostly in English.

    The status stays. A response with the header Content-Language passes, as it has a sentence already.
    errors: which sentence a status gets; others of 4xx get that of `RequestError`.
    """

    def __init__(self, app: ASGIApp, errors: Mapping[int, RerankerError] | None = None) -> None:
        self._app, self._errors = app, _LIBRARY_ERRORS if errors is None else errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_replaced = False

        async def send_sentence(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and _is_of_library(message):
                is_replaced = True
                await self._sentence(message, scope)(scope, receive, send)
            elif not is_replaced:
                await send(message)

        await self._app(scope, receive, send_sentence)

    def _sentence(self, start: Message, scope: Scope) -> JSONResponse:
        """Return the response in the place of one that starts so."""
        error = self._errors.get(start["status"], RequestError())
        response = _sentence_response(error, scope, start["status"], {}, {})
        response.raw_headers += [(name, value) for name, value in start["headers"] if name not in _OF_THE_BODY]
        return response


def _sentence_response(
    error: RerankerError, scope: Scope, status: int, headers: Mapping[str, str], more: Mapping[str, object]
) -> JSONResponse:
    language = requested_language(scope)
    content = {"detail": sentence(error, language), **more}
    return JSONResponse(content, status, {**headers, "Content-Language": language})


def _is_of_library(start: Message) -> bool:
    """Return whether a response is an error that has no sentence. Errors of 5xx are those of `error_response`."""
    has_language = any(name == b"content-language" for name, _ in start.get("headers", ()))
    return 400 <= start["status"] < 500 and not has_language


def log_unexpected(error: BaseException, what: str) -> None:
    """Log an error, with its traceback the first time that it comes from a line of the code.

    Otherwise a client could fill the disk with tracebacks. what: was being done.
    """
    innermost = traceback.extract_tb(error.__traceback__)[-1:]
    origin = (type(error), *((frame.filename, frame.lineno) for frame in innermost))
    is_new = origin not in _logged_origins
    _logged_origins.add(origin)
    _log.error("Unexpected %s at %s", type(error).__name__, what, exc_info=error if is_new else None)


def _headers(error: RerankerError) -> dict[str, str]:
    headers = {}
    if isinstance(error, ApiKeyRejected):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, TooManyRequests | ServerBusy | ServerStopping):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.wait_s)
    if isinstance(error, _BODY_IS_UNREAD):  # otherwise the rest of the body would still be received
        headers["Connection"] = "close"
    return headers
