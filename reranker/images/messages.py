"""Messages between the program and its decoding processes: a small JSON object, and bytes behind it."""

import json
import struct
from typing import IO, Any, Final

_LENGTHS: Final = struct.Struct("<IQ")  # of the object, of the bytes
_MAX_OBJECT_BYTES: Final = 10_000


def write_message(stream: IO[bytes], values: dict[str, Any], data: bytes = b"") -> None:
    """Write a message. Raises `OSError` if nobody reads it."""
    text = json.dumps(values).encode()
    stream.write(_LENGTHS.pack(len(text), len(data)) + text)
    stream.write(data)
    stream.flush()


def read_message(stream: IO[bytes], max_bytes: int | None = None) -> tuple[dict[str, Any], bytes]:
    """Read a message. max_bytes: what may be behind the object; anything if None.

    Raises `EOFError` at the end of the stream, and `ValueError` if it is no message or too long.
    """
    text_bytes, data_bytes = _LENGTHS.unpack(_read(stream, _LENGTHS.size))
    if text_bytes > _MAX_OBJECT_BYTES or (max_bytes is not None and data_bytes > max_bytes):
        raise ValueError("The message is too long")
    values = json.loads(_read(stream, text_bytes))
    if not isinstance(values, dict):
        raise ValueError("The message is not an object")
    return values, _read(stream, data_bytes)


def _read(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
