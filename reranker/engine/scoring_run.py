"""One query over its candidates: the threads of a run, and the events that they report.

prefetch threads --- prepared images, bounded in bytes ---> batch thread --- device queue ---> executor
        \\---------------------------- one event per candidate ----------------------------/
"""

import atexit
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from reranker.core.cancellation import Cancellation
from reranker.core.protocols import Executor, ImageT, Preprocessor, ScoreStore
from reranker.core.types import Candidate, Failed, Query, Scored
from reranker.engine.batching import BatchRunner
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.prefetch import PrefetchBuffer, Prefetcher, prepare_example
from reranker.engine.results import EventQueue, ResultCollector, StoredScores


@dataclass(frozen=True, kw_only=True)
class ScoringEngine(Generic[ImageT]):
    """The parts that a run works with.

    store: scores of earlier runs, which are not computed again; new ones are stored batch by batch. None stores
        nothing.
    prefetch_threads: threads that read and prepare pictures.
    cache_capacity: about how many encoded pictures the feature cache holds; 0 if none.
    """

    preprocessor: Preprocessor[ImageT]
    executor: Executor[ImageT]
    device_queue: DeviceQueue
    store: ScoreStore | None = None
    prefetch_threads: int = 2
    cache_capacity: int = 0


def new_run_id() -> str:
    """Return a name that no other run has."""
    return uuid.uuid4().hex


class ScoringRun(Generic[ImageT]):
    """The threads that prepare and score candidates. They start with `start` and end by themselves.

    prefetch_bytes: bytes of prepared images held ahead of the device; the value of the preprocessor if None. As many
        images as there are prefetch threads may exceed it, because a size is known only after a picture is read.
    cancellation: once cancelled, no further batch begins, and candidates without a result get no event.
    """

    def __init__(
        self,
        query: Query,
        candidates: Sequence[Candidate],
        engine: ScoringEngine[ImageT],
        cancellation: Cancellation,
        *,
        prefetch_bytes: int | None = None,
    ) -> None:
        self._query, self._engine = query, engine
        self._events, self._cancellation = EventQueue(), cancellation
        self._ticket = engine.device_queue.ticket(cancellation)
        self._threads = max(1, engine.prefetch_threads)
        self._buffer: PrefetchBuffer[ImageT] = PrefetchBuffer(
            len(candidates), engine.preprocessor.prefetch_bytes if prefetch_bytes is None else prefetch_bytes
        )
        self._stored = StoredScores(engine.store, query, engine.executor.info.fingerprint)
        self._results = ResultCollector(self._events)
        self._prefetcher = Prefetcher(candidates, engine.preprocessor, self._stored, self._buffer, self._results)
        self._remove_callback = cancellation.on_cancel(self._buffer.close)
        self._thread = threading.Thread(target=self._run, name="reranker-batches", daemon=True)

    @property
    def queue_position(self) -> int | None:
        """The `Ticket.queue_position` of the run."""
        return self._ticket.queue_position

    def start(self) -> None:
        """Start the threads."""
        # They are daemons, because a stream that was left open must not keep the program alive until its last picture.
        # The exit waits for the batch that runs, because a thread that dies inside a model takes the process down.
        atexit.register(self._end)
        self._thread.start()

    def events(self) -> Iterator[Scored | Failed]:
        """Yield one event per candidate with a result, until the run ends. Raises what ended a thread."""
        return iter(self._events)

    def close(self) -> None:
        """End `events` now, and the run before its next batch. Returns at once."""
        self._cancellation.cancel()
        self._events.close()

    def _run(self) -> None:
        threads = [
            threading.Thread(
                target=self._report_errors, args=(self._prefetcher.run,), name="reranker-prefetch", daemon=True
            )
            for _ in range(self._threads)
        ]
        for thread in threads:
            thread.start()
        self._report_errors(self._score)
        self._buffer.close()
        self._events.close()
        for thread in threads:
            thread.join()
        self._remove_callback()
        self._ticket.close()
        atexit.unregister(self._end)

    def _score(self) -> None:
        """Score what the prefetch threads prepare. Raises `DeviceFailed` and `ExampleUnreadable`."""
        if not self._buffer.wait():  # every score is known, so the example is not needed either
            return
        runner = BatchRunner(
            self._query,
            self._engine.executor,
            self._buffer,
            self._ticket,
            run_id=new_run_id(),
            stored=self._stored,
            on_result=self._results.set_result,
            example=prepare_example(self._query, self._engine.preprocessor),
        )
        runner.run()

    def _report_errors(self, work: Callable[[], None]) -> None:
        """Run `work`; what it raises is raised where the events are read."""
        try:
            work()
        except BaseException as error:
            self._events.fail(error)

    def _end(self) -> None:
        self.close()
        self._thread.join()
