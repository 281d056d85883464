"""Parse large JSON without holding up other threads, and without a second copy of the pictures in it.

Python's parser holds the interpreter's lock until it has finished: 0.4 s for 200 MB. Nearly all of a large request is
the base64 text of pictures. So long strings stay where they are, and the parser only sees the rest, which is limited.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from reranker.config.settings import MEGABYTE
from reranker.core.errors import RequestMalformed, RequestTextTooLarge

LONG_BYTES: Final = 1024
MAX_TEXT_BYTES: Final = 1_000_000
MAX_ESCAPED_QUOTES: Final = 100_000  # in one string; each takes as long as many other characters
PLAIN_BYTES_PER_PICTURE: Final = 3_000  # a text and a small picture, each just too short to be a long string
OTHER_BYTES: Final = 1_000_000
VALUES_PER_PICTURE: Final = 32  # a file object of Gradio has 11
OTHER_VALUES: Final = 1_000
_PLACEHOLDER: Final = b"Infinity"  # the parser passes it to `parse_constant`, and it is not valid in JSON itself


@dataclass(frozen=True)
class LongString:
    """A string of at least `LONG_BYTES` in a body, as it stands there. encoded: UTF-8, perhaps with escapes."""

    encoded: memoryview

    @property
    def text(self) -> str:
        """The string itself. Raises `ValueError` if it is not valid, or too long to be anything but a picture."""
        if len(self.encoded) > MAX_TEXT_BYTES:
            raise ValueError
        return unescaped(self.encoded)


def unescaped(encoded: memoryview) -> str:
    """Return a string in JSON without its escapes. Raises `ValueError` if it is not valid."""
    return str(json.loads(b'"%b"' % bytes(encoded)))


@dataclass(frozen=True, kw_only=True)
class JsonLimits:
    """How much there may be in a body besides long strings.

    max_plain_bytes: of all but the long strings. max_values: numbers, strings, lists and so on; 3 MB of numbers would
    hold up other threads for 0.08 s.
    """

    max_plain_bytes: int
    max_values: int

    @classmethod
    def of(cls, max_pictures: int) -> "JsonLimits":
        """Return what a request with so many pictures needs, and more."""
        return cls(
            max_plain_bytes=OTHER_BYTES + PLAIN_BYTES_PER_PICTURE * max_pictures,
            max_values=OTHER_VALUES + VALUES_PER_PICTURE * max_pictures,
        )


def parse_json(body: bytearray, limits: JsonLimits) -> Any:
    """Return the value in a body, with a `LongString` in place of each long string.

    Raises `RequestTextTooLarge` and `RequestMalformed`.
    """
    plain, strings = split_long_strings(body, limits)
    unused = deque(strings)

    def long_string(constant: str) -> LongString:
        if constant.encode() != _PLACEHOLDER or not unused:  # NaN, -Infinity, or Infinity in the body itself
            raise ValueError
        return LongString(unused.popleft())

    try:
        value = json.loads(plain, parse_constant=long_string)
    except (ValueError, RecursionError):
        raise RequestMalformed(where="body") from None
    if unused:
        raise RequestMalformed(where="body")
    return value


def parse_whole_json(body: bytearray, limits: JsonLimits) -> Any:
    """Return the value in a body of a few megabytes. Raises as `parse_json` does."""
    split_long_strings(body, limits)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise RequestMalformed(where="body") from None


def split_long_strings(body: bytearray, limits: JsonLimits) -> tuple[bytes, list[memoryview]]:
    """Return a body with a placeholder for each long string, and these strings.

    If the body is not valid JSON, neither are the parts. Raises `RequestTextTooLarge` if the rest is too much.
    """
    view, plain, strings = memoryview(body), bytearray(), list[memoryview]()
    copied, end, values = 0, 0, 1
    for opening, closing in chain(_strings(body), [(len(body), len(body))]):
        _require(len(plain) + opening - copied <= limits.max_plain_bytes, limits)  # before counting, which takes time
        values += body.count(b",", end, opening)
        _require(values <= limits.max_values, limits)
        end = closing + 1
        if closing - opening > LONG_BYTES:
            plain += view[copied:opening]
            plain += _PLACEHOLDER
            strings.append(view[opening + 1 : closing])
            copied = end
    return bytes(plain + view[copied:]), strings


def _require(is_within: bool, limits: JsonLimits) -> None:
    """Raises `RequestTextTooLarge`."""
    if not is_within:
        raise RequestTextTooLarge(max_mb=limits.max_plain_bytes // MEGABYTE, max_values=limits.max_values)


def _strings(body: bytearray) -> Iterator[tuple[int, int]]:
    """Yield the indexes of the two quotes of each string in JSON."""
    opening = body.find(b'"')
    while opening >= 0 and (closing := _closing_quote(body, opening)) >= 0:
        yield opening, closing
        opening = body.find(b'"', closing + 1)


def _closing_quote(body: bytearray, opening: int) -> int:
    """Return the index of the quote that closes a string, or -1 if none does. Raises `RequestMalformed`."""
    closing, escaped = body.find(b'"', opening + 1), 0
    while closing >= 0 and _is_escaped(body, closing):
        if (escaped := escaped + 1) > MAX_ESCAPED_QUOTES:
            raise RequestMalformed(where="body")
        closing = body.find(b'"', closing + 1)
    return closing


def _is_escaped(body: bytearray, quote: int) -> bool:
    """Return whether an odd number of backslashes precedes a quote."""
    start = quote
    while body[start - 1] == ord("\\"):
        start -= 1
    return (quote - start) % 2 == 1
