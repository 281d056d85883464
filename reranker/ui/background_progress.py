"""Run work in a thread and iterate over its progress.

The work goes on to its end even if the iteration is closed.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final, TypeVar

POLL_INTERVAL_S: Final = 0.5
ReportProgress = Callable[[int, int], None]
_Item = TypeVar("_Item")


def iterate_progress(work: Callable[[ReportProgress], Any]) -> Iterator[tuple[int, int]]:
    """Yield each (done, total) that the work reports. Raises the work's error."""

    def send_pairs(send: Callable[[tuple[int, int]], None]) -> None:
        work(lambda done, total: send((done, total)))

    yield from iterate_items(send_pairs)


def iterate_items(work: Callable[[Callable[[_Item], None]], Any]) -> Iterator[_Item]:
    """Yield each item that the work passes to its callback, in order. Raises the work's error."""
    items: SimpleQueue[_Item | None] = SimpleQueue()  # None marks the end
    future = _start(lambda: work(items.put))
    future.add_done_callback(lambda _: items.put(None))
    yield from iter(items.get, None)
    future.result()


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
