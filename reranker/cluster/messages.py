"""What the program and its workers send each other. Everything here can be pickled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from reranker.core.errors import RerankerError
from reranker.core.protocols import LocalModel
from reranker.core.types import EncoderInfo, Query, Score, ScorerInfo, Scoring
from reranker.engine.preparation import Preparation, PreparedImage

Work = Literal["score", "encode"]


class WorkerModel(LocalModel[PreparedImage], Protocol):
    """A model that a worker runs. Its images are those that the program has prepared."""

    @property
    def preparation(self) -> Preparation:
        """How the program prepares pictures for it."""

    def with_cached_features(self, image: PreparedImage) -> PreparedImage:
        """Return an image with its features if they are cached; otherwise as it is."""

    def variant(
        self, *, visual_tokens: int | None = None, scoring: Scoring | None = None, alone: bool = False
    ) -> "WorkerModel":
        """Do what `Scorer.variant` does."""


class ModelSource(Protocol):
    """Where a worker gets a model from."""

    @property
    def key(self) -> str:
        """Sources with equal keys are of one model, which a worker loads once."""

    def load(self, *, on_gpu: bool) -> WorkerModel:
        """Load the model, in the thread of torch. Raises a `RerankerError`."""


class EncoderSource(Protocol):
    """Where a worker gets a dual encoder from."""

    @property
    def key(self) -> str:
        """Sources with equal keys are of one encoder, which a worker loads once."""

    def load(self, *, on_gpu: bool) -> "PictureEncoder":
        """Load the encoder, in the thread of torch. Raises a `RerankerError`."""


class PictureEncoder(Protocol):
    """A dual encoder, as far as workers use it."""

    @property
    def info(self) -> EncoderInfo:
        """Constant facts about the encoder."""

    def encode_images(self, batch: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of pictures: (n, dimensions)."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model in one of its variants; see `Scorer.variant`. source: the key of its `ModelSource`."""

    source: str
    visual_tokens: int | None = None
    scoring: Scoring | None = None
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the program knows of a variant, from the worker that was asked first.

    batch_tokens, prefetch_bytes, cache_capacity: of one worker.
    """

    info: ScorerInfo
    preparation: Preparation
    batch_tokens: int
    prefetch_bytes: int
    cache_capacity: int


@dataclass(frozen=True, kw_only=True)
class SentImage:
    """An image on its way to a worker.

    image: without patches and features. patches: a reference by which `DeviceWorker` fetches its patches; None if the
        worker should have its features. cell: of the image, which is blanked; see `Explainer.occlude`.
    """

    image: PreparedImage
    patches: Any
    cell: int | None = None


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a worker shall do. queries: one for all images, or one for each. query texts only: examples are images."""

    work: Work
    variant: Variant
    images: Sequence[SentImage]
    run_id: str
    queries: Sequence[Query] = ()
    are_pairs: bool = False
    example: SentImage | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a worker has done. scores: one for each image; none of work without any.

    error: why there is nothing. missing: indices of the images whose features the worker does not have; if there are
        any, nothing was done. kept: whether it has the features of each image now. batch_tokens: as `Scorer` has it.
    """

    scores: Sequence[Score] = ()
    error: RerankerError | None = None
    missing: Sequence[int] = ()
    kept: Sequence[bool] = ()
    batch_tokens: int = 1


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The grid of cells of an image, or why there is none; see `Explainer.occlude`."""

    rows: int = 0
    columns: int = 0
    error: RerankerError | None = None
