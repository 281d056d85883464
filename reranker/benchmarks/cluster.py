"""What workers cost beside the work of their devices: how throughput grows with their number, and what limits it.

The devices are timers. Workers are processes of Ray on this machine, or objects in this process, any number, whose
batches end at once: so only the program that gives out the batches is measured.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from reranker.benchmarks.simulated_worker import (
    TOKENS,
    SimulatedSource,
    SimulatedWorker,
    simulated_answer,
    simulated_facts,
)
from reranker.cluster.messages import ModelFacts, Variant
from reranker.cluster.ray_workers import RayWorkers
from reranker.cluster.remote_model import RemoteImage, RemoteModel, Workers
from reranker.cluster.scheduler import Scheduler
from reranker.core.types import Candidate, EncodedPicture, Query, Score
from reranker.engine.batching import score_prepared
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.preparation import PreparedImage
from reranker.models.patchify import noise
from reranker.storage.calibrations import CalibrationStore

BATCH_IMAGES: Final = 8
BATCH_TOKENS: Final = BATCH_IMAGES * (TOKENS + 1)
WARM_UP: Final = 2  # batches for each worker


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Figures of one number of workers.

    efficiency: pictures a second against so many times those of one worker. driver_ms: processor time of this program
    for a batch. busy: share of all processors of this machine that were busy, in [0, 1]; None where it is not known.
    """

    workers: int
    batches: int
    pictures_per_s: float
    batches_per_s: float
    efficiency: float
    driver_ms: float
    busy: float | None


class SimulatedWorkers(RayWorkers):
    """Workers in processes of Ray whose devices are timers."""

    def _worker_class(self) -> type:
        return SimulatedWorker


class WorkersAtOnce:
    """Workers in this process, all of whose batches end as soon as a thread comes to them."""

    device_memory = None

    def __init__(self, count: int) -> None:
        self.scheduler, self._calls = Scheduler(), queue.SimpleQueue[Callable[[], None] | None]()
        for number in range(count):
            self.scheduler.add(_WorkerAtOnce(f"simulated/{number}", self._calls))
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def facts(self, variant: Variant) -> ModelFacts:
        """Return the facts of the simulated model."""
        return simulated_facts(BATCH_TOKENS)

    def put(self, value: Any) -> Any:
        """Return the value: there is no other process."""
        return value

    def close(self) -> None:
        """End the thread."""
        self._calls.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


class _WorkerAtOnce:
    def __init__(self, name: str, calls: "queue.SimpleQueue[Callable[[], None] | None]") -> None:
        self.name, self._calls = name, calls

    def call(self, method: str, *arguments: Any) -> "Future[Any]":
        """Answer in the thread that works."""
        done: Future[Any] = Future()
        self._calls.put(lambda: done.set_result(simulated_answer(arguments[0], BATCH_TOKENS)))
        return done


def benchmark(
    counts: Sequence[int], simulated: Sequence[int], batch_ms: float, batches: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """Measure workers in processes, and the program alone.

    counts: numbers of workers in processes; one worker is measured first, whether it is among them or not. simulated:
    numbers of workers in this process. batch_ms: what a batch takes on its device. batches: for each worker.
    """
    scalings: list[Scaling] = []
    one_s = 0.0
    for count in dict.fromkeys((1, *counts)):
        workers = SimulatedWorkers(workers=str(count), address="", device="cpu")
        source = SimulatedSource(batch_ms=batch_ms, batch_tokens=BATCH_TOKENS)
        workers.open(source)  # type: ignore[arg-type]
        scaling = measure(workers, Variant(source=source.key), count, batches, one_s)
        workers.close()
        one_s = one_s or scaling.pictures_per_s
        scalings.append(scaling)
        report(f"{count} workers: {scaling.pictures_per_s:.0f} pictures/s, {scaling.efficiency:.0%}")
    alone: list[Scaling] = []
    for count in simulated:
        here = WorkersAtOnce(count)
        alone.append(measure(here, Variant(source="simulated"), count, max(1, 8000 // count), 0))
        here.close()
        report(f"{count} workers in this process: {alone[-1].batches_per_s:.0f} batches/s")
    return {
        "batch_ms": batch_ms,
        "images_a_batch": BATCH_IMAGES,
        "processes": [asdict(each) for each in scalings],
        "program_alone": [asdict(each) for each in alone],
    }


def measure(workers: Workers, variant: Variant, count: int, batches: int, one_per_s: float) -> Scaling:
    """Score images on all workers. one_per_s: pictures a second of one worker; 0 if this is it."""
    model = RemoteModel(workers, variant, CalibrationStore(None))
    _score(model, workers, _images(workers, count * WARM_UP * BATCH_IMAGES))
    images = _images(workers, count * batches * BATCH_IMAGES)
    started, cpu, ticks = time.perf_counter(), time.process_time(), _ticks()
    results = _score(model, workers, images)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    assert all(isinstance(each, Score) for each in results), "a timer does not fail"
    done = count * batches
    per_s = len(images) / seconds
    return Scaling(
        workers=count,
        batches=done,
        pictures_per_s=per_s,
        batches_per_s=done / seconds,
        efficiency=per_s / (count * one_per_s) if one_per_s else 1.0,
        driver_ms=1000 * cpu_s / done,
        busy=_busy_share(ticks, _ticks()),
    )


def _ticks() -> tuple[int, int] | None:
    """Return the ticks of all processors in all, and those in which they were idle; None on systems without them."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    ticks = list(map(int, stat.read_text(encoding="ascii").splitlines()[0].split()[1:]))
    return sum(ticks), ticks[3] + ticks[4]


def _busy_share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[0] == before[0]:
        return None
    return 1 - (after[1] - before[1]) / (after[0] - before[0])


def _score(model: RemoteModel, workers: Workers, images: Sequence[RemoteImage]) -> Sequence[object]:
    ticket = DeviceQueue(workers.scheduler.capacity).ticket()
    return score_prepared(Query(text="a cat"), images, [""] * len(images), model.executor, ticket, "run")


def _images(workers: Workers, count: int) -> list[RemoteImage]:
    """Return images with patches that are stored, the same ones for all."""
    settings = simulated_facts(BATCH_TOKENS).preparation.patch_settings
    patches = workers.put(noise(np.random.default_rng(0), TOKENS, settings))
    picture = EncodedPicture(candidate=Candidate(name="", source=b""), content_hash="", key="", data=None)
    return [
        RemoteImage(
            image=PreparedImage(
                key=str(number), content_hash=str(number), pixel_hash=str(number), visual_tokens=TOKENS, text_tokens=1
            ),
            picture=picture,
            patches=patches,
        )
        for number in range(count)
    ]


def as_table(result: dict[str, Any]) -> str:
    """Return the result as a table for a terminal."""
    lines = [
        f"Batches of {result['images_a_batch']} pictures, {result['batch_ms']:g} ms each on a simulated device",
        "",
        f"{'workers':>10}{'pictures/s':>12}{'of so many':>12}{'program, ms a batch':>21}{'processors busy':>17}",
    ]
    lines += [
        f"{each['workers']:>10,}{each['pictures_per_s']:>12.0f}{each['efficiency']:>12.1%}{each['driver_ms']:>21.2f}"
        + (f"{each['busy']:>17.0%}" if each["busy"] is not None else "")
        for each in result["processes"]
    ]
    if result["program_alone"]:
        lines += ["", "The program alone, whose workers answer at once:", "", f"{'workers':>10}{'batches/s':>12}"]
        lines += [f"{each['workers']:>10,}{each['batches_per_s']:>12.0f}" for each in result["program_alone"]]
    return "\n".join(lines) + "\n"
