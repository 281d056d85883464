"""Work for a session in a thread of its own, which goes on whether a browser is connected or not."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Generic, TypeVar

from reranker.core.cancellation import Cancellation
from reranker.ui.session.statuses import Said, trouble

FOLLOW_INTERVAL_S: Final = 0.1

Result = TypeVar("Result")


class BackgroundRun(Generic[Result]):
    """Runs work of one kind for a session, at most one at a time. Thread-safe.

    said: what the work has said last; None before the first. result: that of the last work that had one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancellation: Cancellation | None = None
        self.said: Said | None = None
        self.result: Result | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._cancellation is not None

    def start(self, work: Callable[[Cancellation, Callable[[Said], None]], Result | None], first: Said) -> bool:
        """Start work, unless some is running. Returns whether it was started.

        work: is called with a cancellation, which `stop` cancels, and a function that takes what the work says. Its
        error becomes what was said last. first: what is said at first.
        """
        with self._lock:
            if self._cancellation is not None:
                return False
            self._cancellation, self.said = Cancellation(), first
        threading.Thread(target=self._run, args=(work, self._cancellation), name="reranker-run", daemon=True).start()
        return True

    def _run(self, work: Callable[..., Result | None], cancellation: Cancellation) -> None:
        try:
            result = work(cancellation, self._say)
            self.result = self.result if result is None else result
        except Exception as error:
            self._say(trouble(error))
        finally:
            cancellation.cancel()
            self._cancellation = None

    def _say(self, said: Said) -> None:
        self.said = said

    def stop(self) -> bool:
        """Stop the work before its next batch. Returns at once, and whether there was any."""
        with self._lock:
            cancellation = self._cancellation
        if cancellation is not None:
            cancellation.cancel()
        return cancellation is not None

    async def follow(self) -> AsyncIterator[Said | None]:
        """Yield what the work says whenever that changes, until the work has ended; nothing if none is running."""
        before: Any = None
        while self.is_running:
            if self.said is not before:
                before = self.said
                yield before
            await asyncio.sleep(FOLLOW_INTERVAL_S)
