"""Runs a scorer in this process."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Generic

from reranker.core.protocols import ImageT, LocalModel
from reranker.core.types import OccludedImages, Query, ScoreResult, ScorerInfo
from reranker.engine.torch_thread import TorchThread

_Wait = Callable[[], Sequence[ScoreResult]]
_Launch = Callable[[], _Wait]


class LocalExecutor(Generic[ImageT]):
    """An `Executor` whose device is driven by one thread of this process.

    A GPU is given the next batch while it works on one; another thread waits for the scores.
    """

    workers: Final = 1

    def __init__(self, model: LocalModel[ImageT], torch_thread: TorchThread) -> None:
        self._model, self._torch_thread, self.capacity = model, torch_thread, model.in_flight
        self._batch_tokens: int | None = None
        self._waiting = ThreadPoolExecutor(1, thread_name_prefix="reranker-scores")

    @property
    def info(self) -> ScorerInfo:
        """Constant facts about the scorer."""
        return self._model.info

    @property
    def batch_tokens(self) -> int:
        """Most tokens, visual and text, that fit a batch now; while batches are in flight, after the last launch."""
        return self._model.batch_tokens if self._batch_tokens is None else self._batch_tokens

    def submit(
        self, query: Query, batch: Sequence[ImageT], run_id: str, example: ImageT | None = None
    ) -> "Future[Sequence[ScoreResult]]":
        """Start `Scorer.score`."""
        return self._start(partial(self._model.launch, query, batch, run_id, example))

    def submit_pairs(self, pairs: Sequence[tuple[Query, ImageT]], run_id: str) -> "Future[Sequence[ScoreResult]]":
        """Start `PairScorer.launch_pairs`, and return its scores."""
        return self._start(partial(self._model.launch_pairs, pairs, run_id))

    def _start(self, launch: _Launch) -> "Future[Sequence[ScoreResult]]":
        """Launch a batch in the thread of torch. If another may be in flight, the scores are awaited elsewhere."""
        if self.capacity == 1:
            return self._torch_thread.submit(partial(_launch_and_wait, launch))
        return self._waiting.submit(_scores, self._torch_thread.submit(partial(self._launch, launch)))

    def _launch(self, launch: _Launch) -> _Wait:
        """Launch a batch, and read the memory for the next one: during a launch, less is free than afterwards."""
        wait = launch()
        self._batch_tokens = self._model.batch_tokens
        return wait

    def encode(self, batch: Sequence[ImageT], run_id: str) -> "Future[list[ImageT]]":
        """Start `Scorer.encode`."""
        return self._torch_thread.submit(partial(self._model.encode, batch, run_id))

    def occlude(self, image: ImageT, run_id: str) -> "Future[OccludedImages[ImageT]]":
        """Start `Explainer.occlude`."""
        return self._torch_thread.submit(partial(self._model.occlude, image, run_id))


def _launch_and_wait(launch: _Launch) -> Sequence[ScoreResult]:
    return launch()()


def _scores(launched: "Future[_Wait]") -> Sequence[ScoreResult]:
    """Wait for a batch to be launched, and for its scores."""
    return launched.result()()
