"""What lies between the reader threads and the device: pictures made ready, bounded in bytes."""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from reranker.core.errors import PictureError
from reranker.core.types import Prepared, Score
from reranker.engine.device_queue import Ticket

ScoreResult = Score | PictureError


@dataclass(frozen=True, kw_only=True)
class PendingImage:
    """A candidate made ready for the device; `answer` is shared by all that have the same bytes."""

    name: str
    prepared: Prepared
    nbytes: int
    answer: Future[ScoreResult]


class PrefetchBuffer:
    """What lies between the readers and the device: a queue bounded in bytes, the batch on the device counted in."""

    def __init__(self, count: int, max_bytes: int, ticket: Ticket) -> None:
        self.ticket = ticket
        self._changed = threading.Condition()
        self._ready: deque[PendingImage] = deque()
        self._unread = deque(range(count))
        self._reading = 0
        self._held_bytes = 0
        self._max_bytes = max_bytes
        self._shut = False

    @property
    def _closed(self) -> bool:
        return self._shut or self.ticket.cancelled

    def claim(self) -> int | None:
        """Position of the next picture to read, as soon as there is room; None where there is nothing left to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._unread or self._has_room())
            if self._closed or not self._unread:
                self._changed.notify_all()  # setting a `stop` wakes nobody: pass it on to who waits for pictures
                return None
            self._reading += 1
            return self._unread.popleft()

    def _has_room(self) -> bool:
        return self._held_bytes == 0 or self._held_bytes < self._max_bytes

    def put(self, picture: PendingImage | None) -> None:
        """What became of a claim; None where the device has nothing to do for it."""
        with self._changed:
            self._reading -= 1
            if picture is not None and not self._closed:
                self._ready.append(picture)
                self._held_bytes += picture.nbytes
            self._changed.notify_all()

    def wait(self) -> bool:
        """Until a picture is ready; False where none will be."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._ready or not (self._unread or self._reading))
            return bool(self._ready)

    def take(self, tokens: int) -> list[PendingImage]:
        """Those that are ready now, so many visual tokens at most, or one; their bytes stay held until `free`."""
        with self._changed:
            taken: list[PendingImage] = []
            while self._ready and (not taken or tokens >= self._ready[0].prepared.visual_tokens):
                tokens -= self._ready[0].prepared.visual_tokens
                taken.append(self._ready.popleft())
            return taken

    def free(self, nbytes: int) -> None:
        """So many bytes are held no longer."""
        with self._changed:
            self._held_bytes -= nbytes
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is claimed or taken."""
        with self._changed:
            self._shut = True
            self._ready.clear()
            self._changed.notify_all()
