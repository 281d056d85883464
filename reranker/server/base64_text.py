"""Decode pictures that arrive as text: data URIs in base64, or base64 alone, in either alphabet."""

import binascii
import re
from typing import Final

from reranker.server.json_bodies import LongString, unescaped

EncodedText = str | LongString

_DATA_URI: Final = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MAX_PREFIX_LENGTH: Final = 256  # of a data URI
_ESCAPE_LENGTH: Final = 6  # of the longest, such as "\\u002B"
_ESCAPES_NEARBY: Final = 1_000  # characters; base64 with more escapes in a row is none
_DECODED_AT_ONCE: Final = 400_000  # characters, a multiple of four; other threads can run in between
_FROM_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")


def is_data_uri(text: EncodedText) -> bool:
    """Return whether a text begins like a data URI in base64."""
    return _DATA_URI.match(_start(text)) is not None


def is_address(text: EncodedText) -> bool:
    """Return whether a text begins like an address, such as `https://` or `file://`."""
    return _ADDRESS.match(_start(text)) is not None


def decode_base64(text: EncodedText) -> bytes | None:
    """Decode a data URI, or base64 alone; white space is ignored. Returns None if it is neither.

    The alphabet may be that of URLs (`-` and `_`), and the padding may be missing.
    """
    prefix = _DATA_URI.match(_start(text))
    start = prefix.end() if prefix else 0
    try:
        if isinstance(text, str):
            return _decoded(memoryview("".join(text[start:].split()).encode("ascii")))
        data = _decoded(text.encoded[start:])
        if data is None:  # perhaps it has line breaks or escapes: PHP writes "\\/", .NET "\\u002B", Gson "\\u003d"
            data = _decoded(memoryview(_without_escapes(text.encoded[start:])))
        return data
    except ValueError:  # not ASCII, or a broken escape
        return None


def _decoded(encoded: memoryview) -> bytes | None:
    """Decode base64 without any other characters, part by part. Returns None if it is not that."""
    data = bytearray()
    try:
        for start in range(0, len(encoded), _DECODED_AT_ONCE):
            part = encoded[start : start + _DECODED_AT_ONCE]
            data += _decoded_part(part)
            if start + len(part) < len(encoded) and part[-1] == ord("="):
                return None  # padding before the end
    except binascii.Error:
        return None
    return bytes(data)


def _decoded_part(part: memoryview) -> bytes:
    """Decode a part, of which only the last one can lack padding. Raises `binascii.Error`."""
    try:
        return binascii.a2b_base64(part, strict_mode=True)
    except binascii.Error:
        padding = b"=" * (-len(part) % 4)
        return binascii.a2b_base64(bytes(part).translate(_FROM_URL_ALPHABET) + padding, strict_mode=True)


def _without_escapes(encoded: memoryview) -> bytes:
    """Return base64 without escapes and white space, part by part. Raises `ValueError`."""
    plain, start = bytearray(), 0
    while start < len(encoded):
        end = _outside_escapes(encoded, start + _DECODED_AT_ONCE)
        plain += "".join(unescaped(encoded[start:end]).split()).encode("ascii")
        start = end
    return bytes(plain)


def _outside_escapes(encoded: memoryview, index: int) -> int:
    """Return the next index that is not inside an escape. Raises `ValueError` if there is none nearby."""
    for end in range(index, index + _ESCAPES_NEARBY):
        if b"\\" not in bytes(encoded[end - _ESCAPE_LENGTH : end]):
            return end
    raise ValueError


def _start(text: EncodedText) -> str:
    """Return the first characters of a text, enough for the prefix of a data URI."""
    if isinstance(text, str):
        return text[:_MAX_PREFIX_LENGTH]
    return bytes(text.encoded[:_MAX_PREFIX_LENGTH]).decode("ascii", "replace")
