"""Read the fields of the JSON that the scripts of the page send."""

from typing import Any

from reranker.core.errors import RequestMalformed


def text_field(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """Return a text of a request, or the default if it is missing. Raises `RequestMalformed`."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise RequestMalformed(where=name)
    return value


def number_field(body: dict[str, Any], name: str, values: range) -> int | None:
    """Return a number of a request, or None if it is missing. Raises `RequestMalformed`."""
    value = body.get(name)
    if value is not None and (type(value) is not int or value not in values):
        raise RequestMalformed(where=name)
    return value


def texts_field(body: dict[str, Any], name: str) -> list[str]:
    """Return a list of texts of a request. Raises `RequestMalformed`."""
    values = body.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RequestMalformed(where=name)
    return values


def share_field(body: dict[str, Any], name: str) -> float | None:
    """Return a number from 0 to 1 of a request, or None if it is missing. Raises `RequestMalformed`."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestMalformed(where=name)
    return float(value)
