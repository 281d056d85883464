"""Bodies of requests: bounded in bytes, one by one and together, and in time."""

import asyncio
from collections.abc import Iterable

import pytest

from reranker.core.errors import RequestMalformed, RequestTimedOut, RequestTooLarge, ServerBusy
from reranker.server.request_bodies import RequestBodies, is_json
from tests.support.event_loop import run_async


class Client:
    """Sends messages, and then nothing."""

    def __init__(self, messages: Iterable[dict]) -> None:
        self._messages = list(messages)

    async def receive(self) -> dict:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


def sending(*parts: bytes, more: bool = False) -> Client:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1]["more_body"] = more
    return Client(messages)


def scope(**headers: str) -> dict:
    return {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


def read(client: Client, *, total: int = 10_000_000, max_mb: int = 1, length: str | None = None) -> bytes:
    async def reading() -> bytes:
        bodies = RequestBodies(total, idle_s=0.01)
        headers = {} if length is None else {"content-length": length}
        async with bodies.read(scope(**headers), client.receive, max_mb) as body:
            return bytes(body)

    return run_async(reading)


def test_a_body_is_joined() -> None:
    assert read(sending(b"a", b"", b"bc")) == b"abc"


@pytest.mark.parametrize("length", [None, "1000001"])
def test_a_body_is_limited_by_what_arrives_and_by_what_is_announced(length: str | None) -> None:
    with pytest.raises(RequestTooLarge):
        read(sending(bytes(500_000), bytes(500_001), more=True), length=length)


@pytest.mark.parametrize("length", ["-1", "a", "١", "1" * 30, ""])
def test_a_length_that_is_not_a_number_is_refused(length: str) -> None:
    with pytest.raises(RequestMalformed):
        read(sending(b"a"), length=length)


def test_a_client_that_stops_sending_is_not_waited_for() -> None:
    with pytest.raises(RequestTimedOut):
        read(sending(b"a", more=True))


def test_a_client_that_sends_little_is_not_waited_for() -> None:
    async def reading() -> None:
        client = sending(bytes(900_000), b"", b"a", more=True)  # the first quickly
        async with RequestBodies(1_000_000, period_s=0.0).read(scope(), client.receive, 1):
            raise AssertionError

    with pytest.raises(RequestTimedOut):
        run_async(reading)


def test_a_disconnect_is_not_the_end_of_a_body() -> None:
    with pytest.raises(RequestTimedOut):
        read(Client([{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]))


def test_half_a_body_counts_with_what_has_arrived_and_no_longer_once_it_is_dropped() -> None:
    async def reading() -> None:
        bodies = RequestBodies(1_000, idle_s=0.01)
        waiting = bodies.read(scope(**{"content-length": "900"}), sending(b"a" * 100, more=True).receive, 1)
        first = asyncio.create_task(waiting.__aenter__())
        await asyncio.sleep(0)
        async with bodies.read(scope(), sending(b"b" * 800).receive, 1) as body:
            assert len(body) == 800
            with pytest.raises(ServerBusy):
                await bodies.read(scope(), sending(b"c" * 101).receive, 1).__aenter__()
        with pytest.raises(RequestTimedOut):
            await first
        async with bodies.read(scope(), sending(b"d" * 1_000).receive, 1) as body:
            assert len(body) == 1_000

    run_async(reading)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/plain", False),
        ("text/plain; application/json", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_what_says_that_it_is_json(content_type: str, expected: bool) -> None:
    assert is_json(scope(**{"content-type": content_type})) is expected
