"""Tell browsers what changes in a session, as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html defines the format.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from reranker.core.errors import SessionUnknown
from reranker.ui.session.model_state import ModelState
from reranker.ui.session.session import Change, Session

ALIVE_INTERVAL_S: Final = 5.0  # proxies close connections that are silent for longer
MODEL_INTERVAL_S: Final = 0.5  # while the model is loaded or downloaded
MAX_WAITING: Final = 10_000  # changes that a slow browser has not received; it then has to connect again


async def event_stream(
    session: Session, about: Callable[[], dict[str, Any]], model: ModelState, *, may_download: bool
) -> AsyncIterator[str]:
    """Yield an event with the whole state, and then the changes. It ends if the session was forgotten.

    about: returns what belongs to the state besides the session and the model. may_download: whether this browser may
    download a model. What waits for locks, or for the disk, runs in other threads.
    """
    waiting = _Waiting(asyncio.get_running_loop())
    try:
        view = await run_in_threadpool(session.watch, waiting.notify)
        shown = await run_in_threadpool(model.view, may_download=may_download)
        yield await run_in_threadpool(_event, "state", {**about(), **view, "model": shown})
        while not waiting.is_full:
            changes = await waiting.next(ALIVE_INTERVAL_S if model.is_settled else MODEL_INTERVAL_S)
            if any("ended" in change for change in changes):
                return
            model_view = await run_in_threadpool(model.view, may_download=may_download)
            if model_view != shown:
                shown = model_view
                changes.append({"model": shown})
            yield _event("changes", changes) if changes else ": alive\n\n"
    except SessionUnknown:  # forgotten a moment ago
        return
    finally:
        session.unwatch(waiting.notify)


class _Waiting:
    """Changes that a browser has not received yet. loop: of the server; `notify` is called from other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._changes = loop, asyncio.Queue[Change]()
        self.is_full = False

    def notify(self, change: Change) -> None:
        """Pass on a change to the thread of the server."""
        with suppress(RuntimeError):  # the server has stopped
            self._loop.call_soon_threadsafe(self._add, change)

    def _add(self, change: Change) -> None:
        """Add a change, unless the browser does not receive any: then nothing more is kept for it."""
        self.is_full = self.is_full or self._changes.qsize() >= MAX_WAITING
        if not self.is_full:
            self._changes.put_nowait(change)

    async def next(self, timeout_s: float) -> list[Change]:
        """Return the changes that wait, or those that come next; none if nothing changes for a while."""
        try:
            changes = [await asyncio.wait_for(self._changes.get(), timeout_s)]
        except TimeoutError:
            return []
        while not self._changes.empty():
            changes.append(self._changes.get_nowait())
        return changes


def _event(name: str, content: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(content)}\n\n"
