"""Answer a request with an error: a status, and one sentence in the language of the client."""

import logging
import traceback
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Scope

from reranker.core.errors import (
    ApiKeyRejected,
    CheckpointError,
    DeviceMissing,
    LoginRequired,
    OriginForeign,
    PathUnknown,
    RequestError,
    RequestTimedOut,
    RequestTooLarge,
    RerankerError,
    ServerBusy,
    ServerStopping,
    SettingInvalid,
    TooManyAttempts,
    TooManyPictures,
    TooManyRequests,
    UploadsFull,
)
from reranker.i18n.error_messages import sentence
from reranker.i18n.page_texts import language_of

_log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 2
MAX_LOGGED_PATH: Final = 100
_logged_origins: Final = set[tuple[object, ...]]()  # at most as many as there are lines of code
_STATUSES: Final[dict[type[RerankerError], HTTPStatus]] = {
    ApiKeyRejected: HTTPStatus.UNAUTHORIZED,
    OriginForeign: HTTPStatus.FORBIDDEN,
    PathUnknown: HTTPStatus.NOT_FOUND,
    LoginRequired: HTTPStatus.UNAUTHORIZED,
    RequestTimedOut: HTTPStatus.REQUEST_TIMEOUT,
    RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TooManyPictures: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ServerBusy: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    UploadsFull: HTTPStatus.INSUFFICIENT_STORAGE,
    RequestError: HTTPStatus.BAD_REQUEST,
    CheckpointError: HTTPStatus.SERVICE_UNAVAILABLE,
    DeviceMissing: HTTPStatus.SERVICE_UNAVAILABLE,
    SettingInvalid: HTTPStatus.SERVICE_UNAVAILABLE,
    ServerStopping: HTTPStatus.SERVICE_UNAVAILABLE,
}
_BODY_IS_UNREAD: Final = (
    ApiKeyRejected,
    LoginRequired,
    OriginForeign,
    RequestTimedOut,
    RequestTooLarge,
    ServerBusy,
    TooManyAttempts,
    TooManyRequests,
    UploadsFull,
)


def error_response(error: Exception, scope: Scope) -> JSONResponse:
    """Return the response for an error. The text of an unexpected error goes to the log, as it may contain paths."""
    expected = error if isinstance(error, RerankerError) else RerankerError()
    if expected is not error:
        log_unexpected(error, f"{scope['method']} {scope['path'][:MAX_LOGGED_PATH]!r}")
    language = language_of(Headers(scope=scope).get("accept-language"))
    classes = type(expected).__mro__
    status = next((_STATUSES[each] for each in classes if each in _STATUSES), HTTPStatus.INTERNAL_SERVER_ERROR)
    return JSONResponse({"detail": sentence(expected, language)}, status, _headers(expected))


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
