"""Decide which worker gets which batch.

A worker has at most two batches, so that a slow one holds up no more than that. A batch whose pictures a worker has
encoded goes to that worker, unless another one has nothing to do. What a worker had when it ended goes to others, but
only so often, and then alone, for one of its batches may have ended it.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from reranker.core.errors import RerankerError

PER_WORKER: Final = 2  # batches: one that is computed, and the next one
TRIES: Final = 3


class WorkerEnded(Exception):
    """The process of a worker, or its machine, has ended before it answered."""


class Worker(Protocol):
    """Runs methods on one device, in another process."""

    @property
    def name(self) -> str:
        """Its name for people, which no other worker has."""

    def call(self, method: str, *arguments: Any) -> "Future[Any]":
        """Start a method. The future raises `WorkerEnded` if the worker ends before it answers."""


_Result = TypeVar("_Result")
Start = Callable[[Worker], "Future[_Result]"]


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """What a worker does. in_flight: batches that it has. pictures, batches: that it has finished.

    pictures_per_s: while it had something to do; 0 before its first batch.
    """

    name: str
    in_flight: int
    batches: int
    pictures: int
    pictures_per_s: float


@dataclass(kw_only=True, eq=False)
class _Task:
    start: "Start[Any]"
    future: "Future[Any]"
    home: str | None
    pictures: int
    tries_left: int
    alone: bool


@dataclass(kw_only=True, eq=False)
class _Place:
    """A worker, and what it has. busy_since: when it got something to do; None while it has nothing."""

    worker: Worker
    tasks: list[_Task] = field(default_factory=list)  # the oldest first
    batches: int = 0
    pictures: int = 0
    busy_s: float = 0.0
    busy_since: float | None = None


class Scheduler:
    """Gives batches to workers that come and go. Thread-safe. No lock is held while a worker is called.

    clock: seconds. before_growth: is called with what `capacity` will be.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.before_growth: Callable[[int], None] = lambda capacity: None
        self._lock, self._clock = threading.Lock(), clock
        self._places: dict[str, _Place] = {}
        # Workers by the number of their batches, so that one with the fewest is found at once.
        self._free: list[OrderedDict[str, _Place]] = [OrderedDict() for _ in range(PER_WORKER)]
        self._waiting: dict[str | None, deque[_Task]] = {}  # by home; none is empty
        self._waiting_alone: deque[_Task] = deque()
        self._most_workers = 1
        self._error: RerankerError | None = None

    @property
    def workers(self) -> int:
        """The number of workers, at least 1."""
        return max(1, len(self._places))

    @property
    def capacity(self) -> int:
        """The number of batches that are worth being given at a time. It never shrinks: workers that end come again."""
        return PER_WORKER * self._most_workers

    @property
    def waiting(self) -> int:
        """The number of batches that no worker has yet."""
        with self._lock:
            return len(self._waiting_alone) + sum(map(len, self._waiting.values()))

    def has(self, name: str) -> bool:
        """Whether there is a worker of this name."""
        return name in self._places

    def all(self) -> list[Worker]:
        """Return the workers."""
        with self._lock:
            return [place.worker for place in self._places.values()]

    def status(self) -> list[WorkerStatus]:
        """Return what the workers do, in the order of their names."""
        with self._lock:
            now = self._clock()
            return [self._status(self._places[name], now) for name in sorted(self._places)]

    def _status(self, place: _Place, now: float) -> WorkerStatus:
        busy_s = place.busy_s + (0 if place.busy_since is None else now - place.busy_since)
        return WorkerStatus(
            name=place.worker.name,
            in_flight=len(place.tasks),
            batches=place.batches,
            pictures=place.pictures,
            pictures_per_s=place.pictures / busy_s if busy_s else 0.0,
        )

    def add(self, worker: Worker) -> None:
        """Use a worker from now on."""
        with self._lock:
            self._error = None
            self.before_growth(PER_WORKER * max(self._most_workers, 1 + len(self._places)))
            place = self._places[worker.name] = _Place(worker=worker)
            self._free[0][worker.name] = place
            self._most_workers = max(self._most_workers, len(self._places))
        for _ in range(PER_WORKER):
            self._feed(place)

    def remove(self, worker: Worker) -> None:
        """Give a worker nothing more. What it has comes back when its calls end."""
        with self._lock:
            place = self._places.get(worker.name)
            if place is None or place.worker is not worker:
                return
            del self._places[worker.name]
            for level in self._free:
                level.pop(worker.name, None)
            orphans = self._waiting.pop(worker.name, deque())
        for task in orphans:
            task.home = None
            self._place(task)

    def fail(self, error: RerankerError) -> None:
        """End the batches that wait, and later ones, with an error, until a worker is added: there are none."""
        with self._lock:
            if self._places:
                return
            self._error = error
            tasks = [task for queue in (self._waiting_alone, *self._waiting.values()) for task in queue]
            self._waiting.clear()
            self._waiting_alone.clear()
        for task in tasks:
            task.future.set_exception(error)

    def submit(
        self,
        start: "Start[_Result]",
        *,
        home: str | None = None,
        pictures: int = 0,
        tries: int = TRIES,
        alone: bool = False,
    ) -> "Future[_Result]":
        """Give a batch to a worker, now or as soon as one has room, and return its result.

        home: the worker that should have it. pictures: for `status`. tries: workers that may end with it; the future
        raises `WorkerEnded` then, and otherwise what that of `start` does. alone: beside no other batch, as all that
        are given a second time.
        """
        task = _Task(start=start, future=Future(), home=home, pictures=pictures, tries_left=tries, alone=alone)
        self._place(task)
        return task.future

    def _place(self, task: _Task) -> None:
        """Give a task to a worker, or let it wait."""
        with self._lock:
            error, place = self._error, self._best_place(task)
            if place is not None:
                self._take(place, task)
            elif error is None and task.alone:
                self._waiting_alone.append(task)
            elif error is None:
                home = task.home if task.home in self._places else None
                self._waiting.setdefault(home, deque()).append(task)
        if place is not None:
            self._start(place, task)
        elif error is not None:
            task.future.set_exception(error)

    def _best_place(self, task: _Task) -> _Place | None:
        """Return the home of a task, an idle worker, or else, for one without home, a worker with room."""
        if task.alone:
            return next(iter(self._free[0].values()), None)
        if task.home is not None and task.home in self._places:
            home = self._places[task.home]
            if self._has_room(home):
                return home
            return next(iter(self._free[0].values()), None)
        return next((next(iter(level.values())) for level in self._free if level), None)

    def _feed(self, place: _Place) -> None:
        """Give a worker with room a task that waits: one of its own, one without home, or any if it is idle."""
        with self._lock:
            if not self._has_room(place) or self._places.get(place.worker.name) is not place:
                return
            task = self._next_task(place)
            if task is None:
                return
            self._take(place, task)
        self._start(place, task)

    @staticmethod
    def _has_room(place: _Place) -> bool:
        return len(place.tasks) < PER_WORKER and not any(task.alone for task in place.tasks)

    def _next_task(self, place: _Place) -> _Task | None:
        """Return what waits for a worker with room. What must be alone goes first, once the worker is idle."""
        if self._waiting_alone:
            return None if place.tasks else self._waiting_alone.popleft()
        homes = [home for home in (place.worker.name, None) if home in self._waiting]
        if not homes and not place.tasks and self._waiting:
            homes = [max(self._waiting, key=lambda home: len(self._waiting[home]))]
        if not homes:
            return None
        queue = self._waiting[homes[0]]
        task = queue.popleft()
        if not queue:
            del self._waiting[homes[0]]
        return task

    def _take(self, place: _Place, task: _Task) -> None:
        """Note that a worker gets a task."""
        place.tasks.append(task)
        self._note_free(place)
        if place.busy_since is None:
            place.busy_since = self._clock()

    def _note_free(self, place: _Place) -> None:
        """Note how many batches a worker has, unless it was removed."""
        name, count = place.worker.name, len(place.tasks)
        if self._places.get(name) is place:
            for level in self._free:
                level.pop(name, None)
            if self._has_room(place):
                self._free[count][name] = place

    def _start(self, place: _Place, task: _Task) -> None:
        try:
            started = task.start(place.worker)
        except Exception as error:
            started = Future()
            started.set_exception(error)
        started.add_done_callback(lambda future: self._end(place, task, future))

    def _end(self, place: _Place, task: _Task, started: "Future[Any]") -> None:
        error = started.exception()
        was_lost = isinstance(error, WorkerEnded)
        with self._lock:
            place.tasks.remove(task)
            self._note_free(place)
            if not place.tasks and place.busy_since is not None:
                place.busy_s += self._clock() - place.busy_since
                place.busy_since = None
            if error is None:
                place.batches += 1
                place.pictures += task.pictures
        if was_lost:
            self.remove(place.worker)
            task.tries_left, task.alone = task.tries_left - 1, True
            if task.tries_left:
                self._place(task)
                return
        self._feed(place)
        if error is None:
            task.future.set_result(started.result())
        else:
            task.future.set_exception(error)
