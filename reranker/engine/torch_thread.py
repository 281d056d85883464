"""The one thread that torch works in.

OpenMP keeps a team of threads for each thread that calls it. With more teams than cores none of them spins, and each
small product waits to be woken: on two cores the embedded model took twice as long for a batch once a second thread,
such as the one that had loaded the model, had used torch before.
"""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")


_Asked = SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]  # None: nobody will ask any more


class TorchThread:
    """A thread that does what others ask of it, in turn; it ends when nobody has the worker any longer."""

    def __init__(self) -> None:
        self._asked: _Asked = SimpleQueue()
        # A daemon: at the end of the program, who asked for something waits for it, and nobody for the worker.
        threading.Thread(target=_work, args=(self._asked,), name="reranker-torch", daemon=True).start()
        weakref.finalize(self, self._asked.put, None)

    def run(self, work: Callable[[], _Result]) -> _Result:
        """What `work` returns, or raises, in that thread. Never to be called from within it."""
        answer = Future[_Result]()
        self._asked.put((work, answer))
        return answer.result()


def _work(asked: _Asked) -> None:
    while (task := asked.get()) is not None:
        _answer(*task)
        del task


def _answer(work: Callable[[], Any], answer: "Future[Any]") -> None:
    """In a frame of its own: the thread keeps nothing of what it did while it waits."""
    try:
        answer.set_result(work())
    except BaseException as error:
        answer.set_exception(error)
