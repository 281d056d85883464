"""The socket of the server."""

import socket
from contextlib import closing

import pytest

from reranker.server.serving import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_connection_sends_each_part_of_a_response_at_once(host: str) -> None:
    with closing(listen(host, 0)) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with closing(connection):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(("host", "message"), [("", "is empty"), ("a\0b", "is not a name")])
def test_an_address_that_cannot_be_used_is_an_error_of_the_system(host: str, message: str) -> None:
    with pytest.raises(OSError, match=message):
        listen(host, 0)
