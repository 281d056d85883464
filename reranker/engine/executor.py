"""Runs a scorer in this process."""

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Generic

from reranker.core.protocols import ImageT, LocalModel
from reranker.core.types import OccludedImages, Query, Score, ScorerInfo
from reranker.engine.torch_thread import TorchThread


class LocalExecutor(Generic[ImageT]):
    """An `Executor` whose device is driven by one thread of this process, one batch at a time."""

    capacity = 1

    def __init__(self, model: LocalModel[ImageT], torch_thread: TorchThread) -> None:
        self._model, self._torch_thread = model, torch_thread

    @property
    def info(self) -> ScorerInfo:
        """Constant facts about the scorer."""
        return self._model.info

    @property
    def batch_tokens(self) -> int:
        """Most tokens, visual and text, that fit a batch now."""
        return self._model.batch_tokens

    def submit(self, query: Query, batch: Sequence[ImageT], run_id: str) -> "Future[list[Score]]":
        """Start `Scorer.score`."""
        return self._torch_thread.submit(partial(self._model.score, query, batch, run_id))

    def encode(self, batch: Sequence[ImageT], run_id: str) -> "Future[list[ImageT]]":
        """Start `Scorer.encode`."""
        return self._torch_thread.submit(partial(self._model.encode, batch, run_id))

    def occlude(self, image: ImageT, run_id: str) -> "Future[OccludedImages[ImageT]]":
        """Start `Explainer.occlude`."""
        return self._torch_thread.submit(partial(self._model.occlude, image, run_id))
