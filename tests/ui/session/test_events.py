"""The stream that tells browsers what changes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from reranker import Reranker, Settings
from reranker.ui.session.events import MAX_WAITING, event_stream
from reranker.ui.session.model_state import ModelState
from reranker.ui.session.records import Picture
from reranker.ui.session.sessions import Sessions
from tests.support.event_loop import run_async
from tests.support.page_session import PageSession
from tests.support.scripted_scorer import ScriptedScorer


def test_the_state_says_all_that_a_browser_needs(session: PageSession) -> None:
    state = session.state()
    assert state["session"]["id"] == session.id
    assert state["session"]["hours"] == 24
    assert state["limits"] == {
        "min_pictures": 2,
        "max_pictures": 1000,
        "max_picture_mb": 50,
        "max_queries": 200,
        "max_query_length": 1000,
    }
    assert state["model"]["state"] == "ready"
    assert len(state["examples"]) >= 3
    assert (state["pictures"], state["rankings"], state["marks"], state["job"]) == ({}, {}, {}, None)


def test_the_stream_is_one_of_server_sent_events(session: PageSession) -> None:
    with session.client.stream("GET", f"sessions/{session.id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert next(answer.iter_lines()) == "event: state"


def test_all_who_watch_learn_the_same(session: PageSession) -> None:
    with session.watched() as first, session.watched() as second:
        session.add(1, 2)
        for watcher in (first, second):
            watcher.wait(lambda state: len(state["pictures"]) == 2)
        assert first.changes == second.changes


@pytest.fixture
def services(tmp_path: Path) -> tuple[Sessions, ModelState]:
    reranker = Reranker(scorer=ScriptedScorer(), settings=Settings.of(model="toybox"))
    return Sessions(reranker, tmp_path / "sessions"), ModelState(reranker)


def test_who_leaves_is_not_told_any_more(services: tuple[Sessions, ModelState]) -> None:
    sessions, model = services
    session = sessions.create("")

    async def watch() -> bool:
        stream = event_stream(session, dict, model, may_download=False)
        await anext(stream)
        is_watched = session.is_watched
        await stream.aclose()
        return is_watched

    assert run_async(watch)
    assert not session.is_watched


def test_a_session_that_ends_while_a_browser_joins_ends_the_stream(services: tuple[Sessions, ModelState]) -> None:
    sessions, model = services
    session = sessions.create("")
    sessions.forget(session)

    async def read() -> list[str]:
        return [event async for event in event_stream(session, dict, model, may_download=False)]

    assert run_async(read) == []
    assert not session.is_watched


def test_a_browser_that_does_not_read_has_to_connect_again(services: tuple[Sessions, ModelState]) -> None:
    """Otherwise the changes that wait for it would fill the memory."""
    sessions, model = services
    session = sessions.create("")
    session.add([Picture(id="p", name="a", path=Path("/a"))])

    async def read() -> list[Any]:
        stream, events = event_stream(session, dict, model, may_download=False), []
        await anext(stream)
        for number in range(MAX_WAITING + 5000):
            session.publish({"job": number})
        while True:
            await asyncio.sleep(0)
            try:
                events.append(await anext(stream))
            except StopAsyncIteration:
                return [change for event in events for change in json.loads(event.partition("data: ")[2])]

    changes = run_async(read)
    assert [change["job"] for change in changes] == list(range(len(changes)))
    assert len(changes) <= MAX_WAITING
    assert not session.is_watched
