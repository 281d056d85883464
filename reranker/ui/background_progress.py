"""Run work in a thread and iterate over its progress.

The work goes on to its end even if the iteration is closed.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final

POLL_INTERVAL_S: Final = 0.5


def poll_progress(work: Callable[[], Any], progress: Callable[[], float]) -> Iterator[float]:
    """Yield `progress()` every `POLL_INTERVAL_S` seconds until the work has ended. Raises the work's error."""
    future = _start(work)
    while True:
        try:
            future.result(timeout=POLL_INTERVAL_S)
            return
        except TimeoutError:
            if future.done():  # the work itself has raised it
                raise
            yield progress()


def _start(work: Callable[[], Any]) -> Future[Any]:
    future = Future[Any]()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="reranker-work", daemon=True).start()
    return future
