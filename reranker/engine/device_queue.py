"""Decide which run may submit the next batch to the device.

Runs queue with tickets, each with at most one place in the queue, and hold a slot of the device for one batch at a
time. A run of 5,000 pictures goes to the end of the queue after every batch, so a run of two is answered within two
batches.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from reranker.core.cancellation import Cancellation
from reranker.core.errors import TicketCancelled
from reranker.engine.metrics import BATCH_SECONDS, QUEUE_SECONDS

_Result = TypeVar("_Result")


class DeviceQueue:
    """A fair queue for the slots of a device. No lock is held while the device works.

    capacity: slots, which is how many batches may be in flight.
    """

    def __init__(self, capacity: int = 1) -> None:
        self._changed = threading.Condition()
        self._capacity = capacity
        self._waiting: deque[Ticket] = deque()
        self._holders: list[Ticket] = []

    def grow(self, capacity: int) -> None:
        """Have at least so many slots, once it is known what the devices take."""
        with self._changed:
            self._capacity = max(self._capacity, capacity)
            self._changed.notify_all()

    def ticket(self, cancellation: Cancellation | None = None) -> "Ticket":
        """Return a ticket for one run; a cancelled ticket leaves the queue."""
        return Ticket(self, cancellation or Cancellation())

    @property
    def waiting(self) -> int:
        """The number of tickets that wait for a slot."""
        with self._changed:
            return len(self._waiting)

    @property
    def holders(self) -> tuple["Ticket", ...]:
        """The tickets that hold a slot."""
        with self._changed:
            return tuple(self._holders)

    def acquire(self, ticket: "Ticket") -> None:
        """Wait for a slot. Raises `TicketCancelled` if the ticket is cancelled before it has one."""
        with self._changed:
            if ticket in self._waiting:
                raise RuntimeError("A ticket has one place in the queue.")
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: ticket.cancelled or self._is_next(ticket))
                if ticket.cancelled:
                    raise TicketCancelled
                self._holders.append(ticket)
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def holds_all(self, ticket: "Ticket") -> bool:
        """Whether a ticket holds all slots."""
        with self._changed:
            return self._holders.count(ticket) >= self._capacity

    def release(self, ticket: "Ticket") -> None:
        """Give a slot back."""
        with self._changed:
            self._holders.remove(ticket)
            self._changed.notify_all()

    def position(self, ticket: "Ticket") -> int | None:
        """Return the `Ticket.queue_position` of a ticket."""
        with self._changed:
            if ticket in self._holders:
                return 0
            return self._waiting.index(ticket) if ticket in self._waiting else None

    def wake(self) -> None:
        """Let waiting tickets notice that they are cancelled."""
        with self._changed:
            self._changed.notify_all()

    def _is_next(self, ticket: "Ticket") -> bool:
        return len(self._holders) < self._capacity and self._waiting[0] is ticket


class Ticket:
    """The right of one run to queue for the device, batch after batch, until it is cancelled.

    It belongs to no thread: one may wait for a slot, another release it, a third cancel.
    """

    def __init__(self, queue: DeviceQueue, cancellation: Cancellation) -> None:
        self._queue, self._cancellation = queue, cancellation
        self._remove_callback = cancellation.on_cancel(queue.wake)

    @property
    def cancelled(self) -> bool:
        """Whether the ticket gets no further slot."""
        return self._cancellation.cancelled

    @property
    def queue_position(self) -> int | None:
        """The number of waiting tickets that go first; None if the ticket does not wait.

        It is 0 for a ticket that holds a slot or gets the next one. The batch that runs now is not counted, so that two
        alternating runs are not shown each other.
        """
        return self._queue.position(self)

    def acquire(self) -> None:
        """Wait for a slot of the device. Raises `TicketCancelled`."""
        with QUEUE_SECONDS.time():
            self._queue.acquire(self)

    def release(self) -> None:
        """Give the slot back."""
        self._queue.release(self)

    def submit(self, start: Callable[[], "Future[_Result]"]) -> "Future[_Result]":
        """Wait for a slot and start a batch, which holds the slot until it is done. Raises `TicketCancelled`.

        The slot does not wait for whoever reads the result: that one may be waiting for another slot. It is free again
        before the returned future is done, so whoever has waited for the result can take it at once.
        """
        self.acquire()
        started_s = time.perf_counter()
        try:
            batch = start()
        except BaseException:
            self.release()
            raise
        ended: Future[_Result] = Future()
        batch.add_done_callback(lambda done: self._end_batch(done, ended, started_s))
        return ended

    def _end_batch(self, batch: "Future[_Result]", ended: "Future[_Result]", started_s: float) -> None:
        BATCH_SECONDS.observe(time.perf_counter() - started_s)
        self.release()
        error = batch.exception()
        if error is None:
            ended.set_result(batch.result())
        else:
            ended.set_exception(error)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot inside the `with` block. Raises `TicketCancelled`."""
        if self._queue.holds_all(self):
            raise RuntimeError("A ticket that holds all slots would wait for itself.")
        self.acquire()
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        """Stop listening to the cancellation, when the run is over."""
        self._remove_callback()
