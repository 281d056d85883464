"""Keep a worker on every device of a Ray cluster: place them, load models on them, and replace those that end.

Ray is imported only when workers are wanted. It starts on this machine alone, for this program alone, and ends with it;
or the program joins a cluster, which goes on without it.
"""

import atexit
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reranker.cluster.messages import EncoderSource, ModelFacts, ModelSource, Variant
from reranker.cluster.placement import Slot, slots_of
from reranker.cluster.ray_connection import acquire, connect, release
from reranker.cluster.scheduler import Scheduler, WorkerEnded
from reranker.config.settings import Device
from reranker.core.errors import (
    DeviceFailed,
    RayMissing,
    RerankerError,
    WorkerDiffers,
    WorkerFailed,
    WorkerNotStarted,
    WorkerPrecisionDiffers,
    WorkersMissing,
)
from reranker.core.types import EncoderInfo
from reranker.models.patchify import Patches

_log = logging.getLogger(__name__)

CHECK_S: Final = 1.0  # between two looks at the cluster
LONGEST_PAUSE_S: Final = 60.0  # before a machine on which no worker starts is tried again
START_S: Final = 600.0  # for a model to be loaded: 17 GB from a slow disk
MISSING_S: Final = 10.0  # without a place for any worker, until what waits for one fails
CONCURRENT_CALLS: Final = 16  # of a worker: two batches of each process that uses it, and short questions beside them


class RayWorker:
    """A worker in an actor of Ray. Workers that take the same slot one after the other have different names."""

    def __init__(self, slot: Slot, actor: Any, name: str) -> None:
        self.slot, self.actor, self.name, self.is_ready = slot, actor, name, False
        self.device_memory: tuple[int, int] | None = None
        self._pulse: Future[Any] | None = None

    def has_ended(self) -> bool:
        """Whether the process is known to have ended. Asks it for its memory, for the next time."""
        if self._pulse is not None:
            if not self._pulse.done():
                return False
            if self._pulse.exception() is not None:
                return True
            self.device_memory = self._pulse.result()
        self._pulse = self.call("device_memory")
        return False

    def call(self, method: str, *arguments: Any) -> "Future[Any]":
        """Start a method of its `DeviceWorker`."""
        import ray  # noqa: PLC0415 - an optional package

        answer: Future[Any] = Future()

        def finish(done: "Future[Any]") -> None:
            error = done.exception()
            if error is None:
                answer.set_result(done.result())
            elif isinstance(error, ray.exceptions.RayActorError | ray.exceptions.RaySystemError):
                answer.set_exception(WorkerEnded())
            elif isinstance(error, ray.exceptions.RayTaskError):
                answer.set_exception(error.cause if isinstance(error.cause, Exception) else error)
            else:
                answer.set_exception(WorkerEnded())

        try:
            getattr(self.actor, method).remote(*arguments).future().add_done_callback(finish)
        except Exception:  # Ray has ended, or the worker is known to have
            _log.debug("A call could not be sent", exc_info=True)
            answer.set_exception(WorkerEnded())
        return answer


@dataclass(kw_only=True)
class _Attempts:
    """Starts in a slot. failed: since the last that did not. error: of the last. next_s: when it may be tried again."""

    failed: int = 0
    next_s: float = 0.0
    error: RerankerError | None = None


@dataclass(kw_only=True)
class _Opened:
    """What every worker has to load."""

    models: dict[str, ModelSource] = field(default_factory=dict)
    encoders: dict[str, EncoderSource] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)  # by the keys of models and encoders
    precisions: dict[str, str] = field(default_factory=dict)  # by the keys of models


class RayWorkers:
    """The workers of a program; they start with `open`. Thread-safe.

    workers: how many, or "auto" for one on each GPU, or one on each machine if there is no GPU. address: of a cluster;
    empty for this machine alone. device: of the workers. With "auto" it is decided when the first of them start: later
    ones compute on the same kind of device, so that scores can be compared.
    """

    def __init__(self, *, workers: str, address: str, device: Device) -> None:
        self._wanted, self._address, self._device = workers, address, device
        self.scheduler = Scheduler()
        self.prefix = f"reranker-{uuid.uuid4().hex}/"  # of the names of its actors in Ray
        self._opened = _Opened()
        self._workers: dict[Slot, RayWorker] = {}
        self._attempts: dict[Slot, _Attempts] = {}
        self._given_names: Counter[str] = Counter()
        self._facts: dict[Variant, ModelFacts] = {}
        self._missing_since_s: float | None = None
        self._lock = threading.RLock()  # of all above
        self._opening = threading.Lock()
        self._closed = threading.Event()
        self._monitor = threading.Thread(target=self._watch, name="reranker-workers", daemon=True)

    # Models

    def open(self, source: ModelSource) -> None:
        """Load a model on every worker, which start now if they have not. Raises `ClusterError`."""

        def note() -> None:
            self._opened.models[source.key] = source

        self._open(source.key, note)

    def open_encoder(self, source: EncoderSource, fingerprint: str) -> None:
        """Load a dual encoder on every worker. fingerprint: that it must have. Raises `ClusterError`."""

        def note() -> None:
            self._opened.encoders[source.key], self._opened.fingerprints[source.key] = source, fingerprint

        self._open(source.key, note)

    def _open(self, key: str, note: Callable[[], None]) -> None:
        with self._opening:
            if key in self._opened.models or key in self._opened.encoders:
                return
            with self._lock:
                note()
                workers = list(self._workers.values())
            try:
                if self._monitor.is_alive():
                    self._load_all(workers)
                else:
                    self._start()
            except BaseException:
                with self._lock:
                    self._opened.models.pop(key, None)
                    self._opened.encoders.pop(key, None)
                    self._opened.fingerprints.pop(key, None)
                    self._opened.precisions.pop(key, None)
                raise

    @property
    def is_local(self) -> bool:
        """Whether Ray was started on this machine for this program alone."""
        return not self._address

    def facts(self, variant: Variant) -> ModelFacts:
        """Return the facts of a variant of an open model. Raises a `RerankerError`."""
        with self._lock:
            known = self._facts.get(variant)
        if known is not None:
            return known
        try:
            answer = self.scheduler.submit(lambda worker: worker.call("facts", variant)).result()
        except WorkerEnded:  # one after the other
            raise DeviceFailed from None
        if isinstance(answer, RerankerError):
            raise answer
        with self._lock:
            return self._facts.setdefault(variant, answer)

    def encode_pixels(
        self, source: EncoderSource, pixels: Sequence[NDArray[np.uint8]]
    ) -> "Future[NDArray[np.float32]]":
        """Start to encode pictures by an encoder that is open."""
        return self.scheduler.submit(
            lambda worker: worker.call("encode_pixels", source.key, pixels), pictures=len(pixels)
        )

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the fullest GPU a moment ago, and bytes in all; None without GPUs."""
        with self._lock:
            memories = [worker.device_memory for worker in self._workers.values()]
        return max((each for each in memories if each), key=lambda memory: memory[0] / memory[1], default=None)

    def put(self, value: Any) -> Any:
        """Store a value in Ray's object store, until nobody has what is returned any more. Raises `DeviceFailed`."""
        import ray  # noqa: PLC0415

        try:
            return ray.put(value)
        except Exception as error:
            if self._closed.is_set():
                raise DeviceFailed from error
            raise

    # Starting

    def _start(self) -> None:
        """Start Ray and the first workers, and wait until they have loaded what is open. Raises `ClusterError`."""
        if find_spec("ray") is None:
            raise RayMissing
        acquire(self, self._connect)
        slots = self._slots()
        atexit.register(self.close)
        if not slots:
            raise WorkersMissing
        self._device = "cuda" if slots[0].on_gpu else "cpu"
        starting = [self._new_worker(slot) for slot in slots]
        errors = [error for error in (each.exception() for each in starting) if error is not None]
        if errors:
            with self._lock:
                for worker in list(self._workers.values()):
                    self._drop(worker)
            raise errors[0]
        self._monitor.start()

    def _new_worker(self, slot: Slot) -> "Future[None]":
        """Start a worker in a thread of its own; the scheduler has it once its models are loaded."""
        done: Future[None] = Future()

        def start() -> None:
            try:
                self._start_worker(worker)
                done.set_result(None)
            except BaseException as error:
                done.set_exception(error)

        with self._lock:
            self._attempts.setdefault(slot, _Attempts())
            earlier = self._given_names[slot.name]
            name = f"{slot.name}.{earlier}" if earlier else slot.name
            try:
                worker = RayWorker(slot, self._actor(slot, self.prefix + name), name)
            except Exception as error:
                done.set_exception(error)
                return done
            self._given_names[slot.name] += 1
            self._workers[slot] = worker
        threading.Thread(target=start, name=f"reranker-start-{slot.name}", daemon=True).start()
        return done

    def _connect(self) -> None:
        connect(self._address)

    def _worker_class(self) -> type:
        from reranker.cluster.device_worker import DeviceWorker  # noqa: PLC0415 - torch is slow to import

        return DeviceWorker

    def _actor(self, slot: Slot, name: str) -> Any:
        """Start the process of a worker.

        On a machine of one's own, workers share all processors; in a cluster, they claim their part of them.
        """
        import ray  # noqa: PLC0415
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        options = {
            "name": name,
            "num_cpus": slot.processors if self._address else 0,
            "num_gpus": 1 if slot.on_gpu else 0,
            "max_concurrency": CONCURRENT_CALLS,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        remote: Any = ray.remote(self._worker_class()).options(**options)
        return remote.remote(on_gpu=slot.on_gpu, threads=slot.threads, fetch=_fetch)

    def _start_worker(self, worker: RayWorker) -> None:
        try:
            self._load(worker)
        except BaseException:
            with self._lock:
                self._drop(worker)
            raise
        with self._lock:
            if self._closed.is_set() or self._workers.get(worker.slot) is not worker:  # it was dropped meanwhile
                raise WorkerNotStarted(machine=worker.slot.machine, reason="it ended")
            attempts = self._attempts[worker.slot]
            attempts.failed, attempts.error = 0, None
            self.scheduler.add(worker)
            worker.is_ready = True

    def _load_all(self, workers: Sequence[RayWorker]) -> None:
        """Load what is open on workers. One that ends meanwhile is replaced, as at any other time."""
        for worker in workers:
            try:
                self._load(worker)
            except WorkerNotStarted as error:
                if not isinstance(error.__cause__, WorkerEnded):
                    raise

    def _load(self, worker: RayWorker) -> None:
        """Load all that is open on a worker.

        Raises `WorkerFailed`, `WorkerNotStarted`, `WorkerDiffers`, `WorkerPrecisionDiffers`.
        """
        with self._lock:
            models, encoders = list(self._opened.models.values()), list(self._opened.encoders.values())
        for model in models:
            self._asked(worker, "open", model)
            facts = self._asked(worker, "facts", Variant(source=model.key))
            self._check_precision(worker, model.key, facts.info.precision)
            self._check_same(worker, model.key, facts.info.fingerprint)
        for encoder in encoders:
            info: EncoderInfo = self._asked(worker, "open_encoder", encoder)
            self._check_same(worker, encoder.key, info.fingerprint)

    def _asked(self, worker: RayWorker, method: str, argument: Any) -> Any:
        machine = worker.slot.machine
        try:
            answer = worker.call(method, argument).result(START_S)
        except Exception as error:
            reason = "it ended" if isinstance(error, WorkerEnded) else type(error).__name__
            raise WorkerNotStarted(machine=machine, reason=reason) from error
        if isinstance(answer, RerankerError):
            raise WorkerFailed(machine=machine, error=answer)
        return answer

    def _check_precision(self, worker: RayWorker, key: str, precision: str) -> None:
        with self._lock:
            first = self._opened.precisions.setdefault(key, precision)
        if first != precision:
            raise WorkerPrecisionDiffers(machine=worker.slot.machine, precision=precision, others=first)

    def _check_same(self, worker: RayWorker, key: str, fingerprint: str) -> None:
        with self._lock:
            if self._opened.fingerprints.setdefault(key, fingerprint) != fingerprint:
                raise WorkerDiffers(machine=worker.slot.machine)

    # Watching

    def _watch(self) -> None:
        """Replace workers that have ended, and place some on machines that are new, until `close`."""
        while not self._closed.wait(CHECK_S):
            try:
                self._check_workers()
            except Exception as error:
                _log.warning("The workers could not be checked: %s", type(error).__name__)

    def _check_workers(self) -> None:
        now = time.monotonic()
        slots = self._slots()
        with self._lock:
            for worker in list(self._workers.values()):
                was_lost = worker.is_ready and not self.scheduler.has(worker.name)
                if worker.slot not in slots or was_lost or worker.has_ended():
                    self._drop(worker)
            free = [slot for slot in slots if slot not in self._workers]
            due = [slot for slot in free if self._attempts.setdefault(slot, _Attempts()).next_s <= now]
        for slot in due:
            self._new_worker(slot).add_done_callback(partial(self._note_start, slot))
        self._fail_if_hopeless(slots, now)

    def _fail_if_hopeless(self, slots: Sequence[Slot], now: float) -> None:
        """End what waits for a worker if there has been no place for one, or if each place has failed to start one."""
        self._missing_since_s = None if slots else now if self._missing_since_s is None else self._missing_since_s
        if self._missing_since_s is not None:
            if now - self._missing_since_s >= MISSING_S:
                self.scheduler.fail(WorkersMissing())
            return
        with self._lock:
            errors = [self._attempts[slot].error if slot in self._attempts else None for slot in slots]
        if errors[0] is not None and all(errors):
            self.scheduler.fail(errors[0])

    def _note_start(self, slot: Slot, done: "Future[None]") -> None:
        error = done.exception()
        if error is None:
            return
        with self._lock:
            attempts = self._attempts[slot]
            attempts.failed += 1
            attempts.error = error if isinstance(error, RerankerError) else DeviceFailed()
            pause = min(LONGEST_PAUSE_S, 2.0**attempts.failed)
            attempts.next_s = time.monotonic() + pause
        if not self._closed.is_set():
            _log.warning("No worker started in %s; next try in %.0f s: %s", slot.name, pause, error)

    def _drop(self, worker: RayWorker) -> None:
        """Forget a worker, and end its process."""
        if self._workers.get(worker.slot) is worker:
            del self._workers[worker.slot]
        self.scheduler.remove(worker)
        self._end(worker)

    def _end(self, worker: RayWorker) -> None:
        """End the process of a worker."""
        import ray  # noqa: PLC0415

        try:
            ray.kill(worker.actor)
        except Exception:
            _log.debug("A worker could not be ended", exc_info=True)

    def _slots(self) -> list[Slot]:
        """Return the places for workers, machine by machine."""
        import ray  # noqa: PLC0415

        nodes = sorted(
            (node for node in ray.nodes() if node["Alive"]),  # type: ignore[no-untyped-call]
            key=lambda node: str(node["NodeID"]),
        )
        return slots_of(nodes, self._wanted, self._device)

    def close(self) -> None:
        """End the workers, and Ray if it was started for them."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._monitor.is_alive():
            self._monitor.join()
        atexit.unregister(self.close)
        with self._lock:
            for worker in list(self._workers.values()):
                self._drop(worker)
        self.scheduler.fail(DeviceFailed())
        release(self)


def _fetch(references: Sequence[Any]) -> list[Patches]:
    """Return what was stored by `RayWorkers.put`, in the process of a worker."""
    import ray  # noqa: PLC0415

    return list(ray.get(list(references)))
