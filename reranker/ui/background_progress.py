"""Work that tells how far it is, or is asked, as something to iterate over.

The work has a thread of its own and goes on to its end when nobody listens any more.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

ASKED_EVERY_S = 0.5
Report = Callable[[int, int], None]
_Told = TypeVar("_Told")


def reports_of(work: Callable[[Report], Any]) -> Iterator[tuple[int, int]]:
    """What the work says of itself, (done, total); at its end it raises what the work raised."""

    def told(tell: Callable[[tuple[int, int]], None]) -> None:
        work(lambda done, total: tell((done, total)))

    yield from told_by(told)


def told_by(work: Callable[[Callable[[_Told], None]], Any]) -> Iterator[_Told]:
    """Whatever the work tells, in its order; at its end it raises what the work raised."""
    told: SimpleQueue[_Told | None] = SimpleQueue()  # None: no more will come
    finished = _begun(lambda: work(told.put))
    finished.add_done_callback(lambda _: told.put(None))
    yield from iter(told.get, None)
    finished.result()


def shares_of(work: Callable[[], Any], share: Callable[[], float]) -> Iterator[float]:
    """How much is done, asked now and then, while the work goes on; at its end it raises what the work raised."""
    finished = _begun(work)
    while True:
        try:
            finished.result(timeout=ASKED_EVERY_S)
            return
        except TimeoutError:
            if finished.done():  # it was the work that raised it
                raise
            yield share()


def _begun(work: Callable[[], Any]) -> Future[Any]:
    finished = Future[Any]()

    def run() -> None:
        try:
            finished.set_result(work())
        except BaseException as error:
            finished.set_exception(error)

    threading.Thread(target=run, name="reranker-work", daemon=True).start()
    return finished
