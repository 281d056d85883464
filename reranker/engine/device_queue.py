"""Whose batch goes next on the one device, for all doors alike.

Callers stand in one line, each with at most one place in it, and hold the device for one batch at a time. Who has 5,000
pictures goes to the end of the line after every batch, so who has two is answered within two batches.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from reranker.core.errors import TicketCancelled


class DeviceQueue:
    """The line before the device. No lock is held while the device works."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._line: deque[Ticket] = deque()
        self._holder: Ticket | None = None

    def ticket(self, stop: threading.Event | None = None) -> "Ticket":
        """Someone who will want the device; `stop` cancels too, noticed whenever the line moves."""
        return Ticket(self, stop)

    @property
    def waiting(self) -> int:
        """How many callers stand in the line."""
        with self._moved:
            return len(self._line)

    def _acquire(self, ticket: "Ticket") -> None:
        with self._moved:
            if ticket is self._holder or ticket in self._line:
                raise RuntimeError("A caller has one place in the line; asking twice would wait for itself.")
            self._line.append(ticket)
            try:
                self._moved.wait_for(lambda: ticket.cancelled or self._is_next(ticket))
                if ticket.cancelled:
                    raise TicketCancelled
                self._holder = ticket
            finally:
                self._line.remove(ticket)
                self._moved.notify_all()

    def _is_next(self, ticket: "Ticket") -> bool:
        return self._holder is None and self._line[0] is ticket

    def _release(self) -> None:
        with self._moved:
            self._holder = None
            self._moved.notify_all()

    def _wake(self) -> None:
        with self._moved:
            self._moved.notify_all()

    def _place(self, ticket: "Ticket") -> int | None:
        with self._moved:
            if ticket is self._holder:
                return 0
            return self._line.index(ticket) if ticket in self._line else None


class Ticket:
    """Someone who wants the device, batch after batch; leaving the `with` block cancels.

    Belongs to no thread: one may wait, another end the turn, a third cancel.
    """

    def __init__(self, device_queue: DeviceQueue, stop: threading.Event | None = None) -> None:
        self._turns = device_queue
        self._gone = threading.Event()
        self._stop = stop or self._gone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()

    @property
    def cancelled(self) -> bool:
        """True once no further turn will be given."""
        return self._gone.is_set() or self._stop.is_set()

    @property
    def place(self) -> int | None:
        """How many waiting callers go first: 0 for who has the device or has it next, None for who does not wait.

        The batch that runs now is not counted, so that two who alternate are not told of each other.
        """
        return self._turns._place(self)

    def cancel(self) -> None:
        """Leave the line at once; a batch that runs is not interrupted. Safe from any thread, any number of times."""
        self._gone.set()
        self._turns._wake()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the device and hold it for one batch. Raises `TurnCancelled` where the caller left before that."""
        self._turns._acquire(self)
        try:
            yield
        finally:
            self._turns._release()
