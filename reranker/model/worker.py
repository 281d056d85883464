"""The one thread that torch works in.

OpenMP keeps a team of threads for each thread that calls it. With more teams than cores none of them spins, and each
small product waits to be woken: on two cores the embedded model took twice as long for a batch once a second thread,
such as the one that had loaded the model, had used torch before.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Worker:
    """A thread that does what others ask of it, in turn, for as long as the program runs."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        # A daemon: it ends with the program; what waits for an answer is waited for by those who asked.
        threading.Thread(target=self._work, name="reranker-torch", daemon=True).start()

    def run(self, work: Callable[[], _Result]) -> _Result:
        """What `work` returns, or raises, in that thread. Never to be called from within it."""
        answer = Future[_Result]()
        self._asked.put((work, answer))
        return answer.result()

    def _work(self) -> None:
        while True:
            _answer(*self._asked.get())


def _answer(work: Callable[[], Any], answer: "Future[Any]") -> None:
    """In a frame of its own: the thread keeps nothing of what it did while it waits."""
    try:
        answer.set_result(work())
    except BaseException as error:
        answer.set_exception(error)
