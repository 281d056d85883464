"""Tell browsers what changes in a session, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html defines the format.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

from reranker.ui.session.model_state import ModelState
from reranker.ui.session.session import Change, Session

ALIVE_INTERVAL_S: Final = 5.0  # proxies close connections that are silent for longer
MODEL_INTERVAL_S: Final = 0.5  # while the model is loaded or downloaded
MAX_WAITING: Final = 10_000  # changes that a slow browser has not received; it then has to connect again


async def event_stream(
    session: Session, state: Callable[[], dict[str, Any]], model: ModelState, *, may_download: bool
) -> AsyncIterator[str]:
    """Yield an event with the whole state, and then the changes.

    state: returns it, without the model. may_download: whether this browser may download a model.
    """
    waiting: asyncio.Queue[Change] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    unwatch = session.watch(lambda change: _notify(loop, waiting, change))
    try:
        shown = model.view(may_download=may_download)
        yield _event("state", {**state(), "model": shown})
        while waiting.qsize() <= MAX_WAITING:
            changes = await _next_changes(waiting, ALIVE_INTERVAL_S if model.is_settled else MODEL_INTERVAL_S)
            if any("ended" in change for change in changes):
                return
            view = model.view(may_download=may_download)
            if view != shown:
                shown = view
                changes.append({"model": view})
            yield _event("changes", changes) if changes else ": alive\n\n"
    finally:
        unwatch()


async def _next_changes(waiting: "asyncio.Queue[Change]", timeout_s: float) -> list[Change]:
    """Return the changes that wait, or those that come next; none if nothing changes for a while."""
    try:
        changes = [await asyncio.wait_for(waiting.get(), timeout_s)]
    except TimeoutError:
        return []
    while not waiting.empty():
        changes.append(waiting.get_nowait())
    return changes


def _notify(loop: asyncio.AbstractEventLoop, waiting: "asyncio.Queue[Change]", change: Change) -> None:
    """Pass on a change to the thread of the server."""
    with suppress(RuntimeError):  # the server has stopped
        loop.call_soon_threadsafe(waiting.put_nowait, change)


def _event(name: str, content: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(content, ensure_ascii=False)}\n\n"
