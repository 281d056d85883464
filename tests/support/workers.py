"""Workers without other processes: one whose answers the test gives, and one that runs models in this process."""

import pickle
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from reranker.cluster.device_worker import DeviceWorker
from reranker.cluster.messages import Batch, ModelFacts, ModelSource, Variant
from reranker.cluster.scheduler import Scheduler, WorkerEnded


class ManualWorker:
    """A worker whose calls end when the test says so, the oldest first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: deque[tuple[tuple[Any, ...], Future[Any]]] = deque()

    def call(self, method: str, *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self.calls.append(((method, *arguments), future))
        return future

    @property
    def has(self) -> list[Any]:
        """The first argument of each call that has not ended, or its method."""
        return [(call[1:] or call)[0] for call, _ in self.calls]

    def finish(self, result: Any = None) -> None:
        self.calls.popleft()[1].set_result(result)

    def end(self) -> None:
        """Let the process end: all its calls do."""
        while self.calls:
            self.calls.popleft()[1].set_exception(WorkerEnded())


class WorkerHere:
    """A `DeviceWorker` in this process, whose calls run in threads. It ends when a batch has one of `deadly` keys.

    then: called when it is known that it has ended.
    """

    def __init__(self, name: str, deadly: Sequence[str] = (), then: Callable[[], object] = lambda: None) -> None:
        self.name, self.deadly = name, set(deadly)
        self._lock, self._then = threading.Lock(), then
        self.batches: list[Batch] = []
        self.has_ended = False
        self.device = DeviceWorker(on_gpu=False, threads=1, fetch=list)
        self._threads = ThreadPoolExecutor(4)

    def call(self, method: str, *arguments: Any) -> "Future[Any]":
        return self._threads.submit(partial(self._run, method, arguments))

    def _run(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if method == "run":
            self.batches.append(arguments[0])
            self.has_ended |= any(each.image.key in self.deadly for each in arguments[0].images)
        if self.has_ended:
            with self._lock:
                then, self._then = self._then, lambda: None
            then()
            raise WorkerEnded
        return crossed(getattr(self.device, method)(*crossed(arguments)))


def crossed(value: Any) -> Any:
    """Return a value as it comes out of another process."""
    return pickle.loads(pickle.dumps(value))


class WorkersHere:
    """The workers of a program, in this process. A worker that ends is replaced by one of the same kind."""

    device_memory = None

    def __init__(self, source: ModelSource, count: int, deadly: Sequence[str] = ()) -> None:
        self.scheduler = Scheduler()
        self.source, self.deadly, self.all = source, deadly, list[WorkerHere]()
        self.stored, self._loading = 0, threading.Lock()
        for _ in range(count):
            self.add()

    def add(self) -> WorkerHere:
        with self._loading:  # models of one process are loaded one after the other
            worker = WorkerHere(f"here/{len(self.all)}", self.deadly, then=self.add)
            error = worker.device.open(self.source)
            assert error is None, error
            self.all.append(worker)
        self.scheduler.add(worker)
        return worker

    def facts(self, variant: Variant) -> ModelFacts:
        facts = crossed(self.all[0].device.facts(variant))
        assert isinstance(facts, ModelFacts), facts
        return facts

    def put(self, value: Any) -> Any:
        self.stored += 1
        return value


class WorkersOf:
    """Workers of the test, as far as a server or the page shows them."""

    def __init__(self, *workers: ManualWorker) -> None:
        self.scheduler, self.all = Scheduler(), workers
        for worker in workers:
            self.scheduler.add(worker)

    def close(self) -> None:
        """Nothing has to end."""
