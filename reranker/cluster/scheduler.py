"""Decide which worker gets which batch.

A worker has at most two batches, so that a slow one holds up no more than that. A batch whose pictures a worker has
encoded goes to that worker, unless another one has nothing to do. What a worker had when it ended goes to others, but
only so often, and then exclusively, for one of its batches may have ended it.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from reranker.core.errors import DeviceFailed, RerankerError

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
    """What a worker does. in_flight: batches that it has. pictures: that it has finished.

    pictures_per_s: while it had something to do; 0 before its first batch.
    """

    name: str
    in_flight: int
    pictures: int
    pictures_per_s: float


@dataclass(kw_only=True, eq=False)
class _Task:
    start: "Start[Any]"
    future: "Future[Any]"
    home: str | None
    pictures: int
    tries_left: int
    exclusive: bool


@dataclass(kw_only=True, eq=False)
class _WorkerLoad:
    """A worker, and what it has. busy_since: when it got something to do; None while it has nothing."""

    worker: Worker
    tasks: list[_Task] = field(default_factory=list)  # the oldest first
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
        self._loads: dict[str, _WorkerLoad] = {}
        # Workers by the number of their batches, so that one with the fewest is found at once.
        self._free: list[OrderedDict[str, _WorkerLoad]] = [OrderedDict() for _ in range(PER_WORKER)]
        self._waiting: dict[str | None, deque[_Task]] = {}  # by home; none is empty
        self._waiting_exclusive: deque[_Task] = deque()
        self._most_workers = 1
        self._error: RerankerError | None = None

    @property
    def workers(self) -> int:
        """The number of workers, at least 1."""
        return max(1, len(self._loads))

    @property
    def capacity(self) -> int:
        """The number of batches that are worth being given at a time. It never shrinks: workers that end come again."""
        return PER_WORKER * self._most_workers

    @property
    def waiting(self) -> int:
        """The number of batches that no worker has yet."""
        with self._lock:
            return len(self._waiting_exclusive) + sum(map(len, self._waiting.values()))

    def has(self, name: str) -> bool:
        """Whether there is a worker of this name."""
        return name in self._loads

    def all(self) -> list[Worker]:
        """Return the workers."""
        with self._lock:
            return [load.worker for load in self._loads.values()]

    def status(self) -> list[WorkerStatus]:
        """Return what the workers do, in the order of their names."""
        with self._lock:
            now = self._clock()
            return [self._status(self._loads[name], now) for name in sorted(self._loads)]

    def _status(self, load: _WorkerLoad, now: float) -> WorkerStatus:
        busy_s = load.busy_s + (0 if load.busy_since is None else now - load.busy_since)
        return WorkerStatus(
            name=load.worker.name,
            in_flight=len(load.tasks),
            pictures=load.pictures,
            pictures_per_s=load.pictures / busy_s if busy_s else 0.0,
        )

    def add(self, worker: Worker) -> None:
        """Use a worker from now on."""
        with self._lock:
            self._error = None
            self.before_growth(PER_WORKER * max(self._most_workers, 1 + len(self._loads)))
            load = self._loads[worker.name] = _WorkerLoad(worker=worker)
            self._free[0][worker.name] = load
            self._most_workers = max(self._most_workers, len(self._loads))
        self._fill(load)

    def remove(self, worker: Worker) -> None:
        """Give a worker nothing more. What it has comes back when its calls end."""
        with self._lock:
            load = self._loads.get(worker.name)
            if load is None or load.worker is not worker:
                return
            del self._loads[worker.name]
            for level in self._free:
                level.pop(worker.name, None)
            orphans = self._waiting.pop(worker.name, deque())
        for task in orphans:
            task.home = None
            self._assign(task)

    def fail(self, error: RerankerError) -> None:
        """End the batches that wait, and later ones, with an error, until a worker is added: there are none."""
        with self._lock:
            if self._loads:
                return
            self._error = error
            tasks = [task for queue in (self._waiting_exclusive, *self._waiting.values()) for task in queue]
            self._waiting.clear()
            self._waiting_exclusive.clear()
        for task in tasks:
            task.future.set_exception(error)

    def submit(
        self,
        start: "Start[_Result]",
        *,
        home: str | None = None,
        pictures: int = 0,
        tries: int = TRIES,
        exclusive: bool = False,
    ) -> "Future[_Result]":
        """Give a batch to a worker, now or as soon as one has room, and return its result.

        home: the worker that has the features of its pictures, and so should have it. pictures: for `status`. tries:
        workers that may end with it; the future raises `WorkerEnded` then, and otherwise what that of `start` does. A
        worker whose device fails counts as one that has ended. exclusive: while the worker has no other batch, as all
        that are given a second time.
        """
        task = _Task(start=start, future=Future(), home=home, pictures=pictures, tries_left=tries, exclusive=exclusive)
        self._assign(task)
        return task.future

    def _assign(self, task: _Task) -> None:
        """Give a task to a worker, or let it wait."""
        with self._lock:
            error, load = self._error, self._best_worker(task)
            if load is not None:
                self._take(load, task)
            elif error is None and task.exclusive:
                self._waiting_exclusive.append(task)
            elif error is None:
                home = task.home if task.home in self._loads else None
                self._waiting.setdefault(home, deque()).append(task)
        if load is not None:
            self._start(load, task)
        elif error is not None:
            task.future.set_exception(error)

    def _best_worker(self, task: _Task) -> _WorkerLoad | None:
        """Return the home of a task, an idle worker, or else, for one without home, a worker with room.

        While an exclusive task waits, others wait behind it: otherwise no worker would ever be idle.
        """
        if task.exclusive:
            return next(iter(self._free[0].values()), None)
        if self._waiting_exclusive:
            return None
        if task.home is not None and task.home in self._loads:
            home = self._loads[task.home]
            if self._has_room(home):
                return home
            return next(iter(self._free[0].values()), None)
        return next((next(iter(level.values())) for level in self._free if level), None)

    def _fill(self, load: _WorkerLoad) -> None:
        """Give a worker as many of the tasks that wait as it has room for."""
        for _ in range(PER_WORKER):
            self._feed(load)

    def _feed(self, load: _WorkerLoad) -> None:
        """Give a worker with room a task that waits: one of its own, one without home, or any if it is idle."""
        with self._lock:
            if not self._has_room(load) or self._loads.get(load.worker.name) is not load:
                return
            task = self._next_task(load)
            if task is None:
                return
            self._take(load, task)
        self._start(load, task)

    @staticmethod
    def _has_room(load: _WorkerLoad) -> bool:
        return len(load.tasks) < PER_WORKER and not any(task.exclusive for task in load.tasks)

    def _next_task(self, load: _WorkerLoad) -> _Task | None:
        """Return what waits for a worker with room. Exclusive tasks go first, once the worker is idle."""
        if self._waiting_exclusive:
            return None if load.tasks else self._waiting_exclusive.popleft()
        homes = [home for home in (load.worker.name, None) if home in self._waiting]
        if not homes and not load.tasks and self._waiting:
            homes = [max(self._waiting, key=lambda home: len(self._waiting[home]))]
        if not homes:
            return None
        queue = self._waiting[homes[0]]
        task = queue.popleft()
        if not queue:
            del self._waiting[homes[0]]
        return task

    def _take(self, load: _WorkerLoad, task: _Task) -> None:
        """Note that a worker gets a task."""
        load.tasks.append(task)
        self._note_free(load)
        if load.busy_since is None:
            load.busy_since = self._clock()

    def _note_free(self, load: _WorkerLoad) -> None:
        """Note how many batches a worker has, unless it was removed."""
        name, count = load.worker.name, len(load.tasks)
        if self._loads.get(name) is load:
            for level in self._free:
                level.pop(name, None)
            if self._has_room(load):
                self._free[count][name] = load

    def _start(self, load: _WorkerLoad, task: _Task) -> None:
        try:
            started = task.start(load.worker)
        except Exception as error:
            started = Future()
            started.set_exception(error)
        started.add_done_callback(lambda future: self._end(load, task, future))

    def _end(self, load: _WorkerLoad, task: _Task, started: "Future[Any]") -> None:
        error = started.exception()
        if isinstance(error, DeviceFailed):  # it is of no use any more; other workers are
            error = WorkerEnded()
        was_lost = isinstance(error, WorkerEnded)
        with self._lock:
            load.tasks.remove(task)
            self._note_free(load)
            if not load.tasks and load.busy_since is not None:
                load.busy_s += self._clock() - load.busy_since
                load.busy_since = None
            if error is None:
                load.pictures += task.pictures
        if was_lost:
            self.remove(load.worker)
            task.tries_left, task.exclusive = task.tries_left - 1, True
            if task.tries_left:
                self._assign(task)
                return
        self._fill(load)
        if error is None:
            task.future.set_result(started.result())
        else:
            task.future.set_exception(error)
