"""Memory that several threads share: who would take more than there is waits."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class BudgetClosed(Exception):
    """Nothing is given out any more."""


class ByteBudget:
    """Counts the bytes that are in use. Whoever waits longest goes first, so that large requests are not passed by."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._used_bytes = 0
        self._closed = False

    @contextmanager
    def reserve(self, nbytes: int, max_bytes: int) -> Iterator[None]:
        """Use so many bytes, once no more than `max_bytes` are in use together. Raises `BudgetClosed`.

        More than `max_bytes` count as `max_bytes`.
        """
        nbytes = min(nbytes, max_bytes)
        self._take(nbytes, max_bytes)
        try:
            yield
        finally:
            with self._changed:
                self._used_bytes -= nbytes
                self._changed.notify_all()

    def close(self) -> None:
        """Give out nothing any more, also to those who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self, nbytes: int, max_bytes: int) -> None:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._closed or self._fits(ticket, nbytes, max_bytes))
                if self._closed:
                    raise BudgetClosed
                self._used_bytes += nbytes
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _fits(self, ticket: object, nbytes: int, max_bytes: int) -> bool:
        return self._waiting[0] is ticket and self._used_bytes + nbytes <= max_bytes
