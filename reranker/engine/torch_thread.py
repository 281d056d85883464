"""The one thread that calls torch.

OpenMP keeps a team of threads for each thread that calls it. With more teams than cores no team spins, and each small
product waits until its team is woken: on two cores a batch of the embedded model took twice as long once a second
thread, such as the one that had loaded the model, had called torch before.
"""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

_Result = TypeVar("_Result")

_Calls = SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]  # None: no more calls will come


class TorchThread:
    """A thread that runs calls one after the other; it ends when the object is garbage-collected."""

    def __init__(self) -> None:
        self._calls: _Calls = SimpleQueue()
        # A daemon: whoever submitted a call waits for it at the end of the program, and nobody waits for the thread.
        threading.Thread(target=_run_calls, args=(self._calls,), name="reranker-torch", daemon=True).start()
        weakref.finalize(self, self._calls.put, None)

    def submit(self, call: Callable[[], _Result]) -> "Future[_Result]":
        """Run `call` in the thread and return its future."""
        future = Future[_Result]()
        self._calls.put((call, future))
        return future

    def run(self, call: Callable[[], _Result]) -> _Result:
        """Run `call` in the thread and return its result. Never call this from within the thread."""
        return self.submit(call).result()


def _run_calls(calls: _Calls) -> None:
    while (item := calls.get()) is not None:
        _run_call(*item)
        del item


def _run_call(call: Callable[[], Any], future: "Future[Any]") -> None:
    """Run one call in a frame of its own, so that the waiting thread holds no reference to its objects."""
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
    finally:
        del call, future  # the traceback of an error holds this frame
