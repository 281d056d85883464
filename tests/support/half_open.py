"""Requests that stop before their end."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.support.scripted_scorer import PATIENCE_S


@contextmanager
def half_open(url: str, path: str, length: int, start: bytes) -> Iterator[socket.socket]:
    """A connection that has announced a body of this length and has sent its start, or as much as the server took."""
    address = urlsplit(url)
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    with socket.create_connection((address.hostname, address.port), PATIENCE_S) as connection:
        with suppress(ConnectionError):  # refused already
            connection.sendall(head.encode() + b"\r\n" + start)
        yield connection
