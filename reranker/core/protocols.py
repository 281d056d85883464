"""Contracts between the packages. Small ones, so that a new model, device or store implements what it has."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, Self, TypeVar

from reranker.core.types import (
    Candidate,
    EncodedPicture,
    OccludedImages,
    Query,
    Score,
    ScoreResult,
    ScorerInfo,
    Scoring,
)


class PreparedImage(Protocol):
    """A picture that is ready for the device. What else is inside is known to its scorer alone."""

    @property
    def key(self) -> str:
        """The key of the `EncodedPicture` that it was prepared from."""

    @property
    def pixel_key(self) -> str:
        """A SHA-256 digest of the pixels and the text, in hexadecimal. Images with equal ones get equal scores."""

    @property
    def tokens(self) -> int:
        """Positions in the language tower: visual tokens, and the tokens of the text after them. At least 1."""

    @property
    def nbytes(self) -> int:
        """Bytes of host memory that it holds."""

    @property
    def home(self) -> str | None:
        """The worker that has its features; None if there is none, or one worker only. A batch has one home."""


ImageT = TypeVar("ImageT", bound=PreparedImage)
ImageT_co = TypeVar("ImageT_co", bound=PreparedImage, covariant=True)
ImageT_contra = TypeVar("ImageT_contra", bound=PreparedImage, contravariant=True)


class Preprocessor(Protocol[ImageT_co]):
    """Reads pictures and prepares them for the device, on CPU threads. All methods are thread-safe."""

    @property
    def prefetch_bytes(self) -> int:
        """Bytes of prepared images that are worth holding ahead of the device, its current batch included."""

    def identify(self, candidate: Candidate) -> EncodedPicture:
        """Read and hash a picture, without decoding it. Raises the `PictureError` of the picture."""

    def prepare(self, picture: EncodedPicture) -> ImageT_co:
        """Decode and resize a picture, unless its features are cached. Raises the `PictureError` of the picture."""


class Scorer(Protocol[ImageT]):
    """Scores prepared images against a query. All methods run in the thread of the device."""

    @property
    def info(self) -> ScorerInfo:
        """Constant facts about the scorer."""

    @property
    def batch_tokens(self) -> int:
        """Most tokens, visual and text, that fit a batch; changes with the free memory, so it is read before each one.

        A batch of one image is always allowed. Raises `DeviceFailed`.
        """

    def score(self, query: Query, batch: Sequence[ImageT], run_id: str, example: ImageT | None = None) -> list[Score]:
        """Return the score of each image of the batch, in its order.

        run_id: names the run; the feature cache never evicts an image for another one of the same run.
        example: that of the query, prepared; a batch of n images takes n times its tokens besides those of the images.
        Raises `DeviceFailed`, which ends the run; a `PictureError` or any other error, and the caller halves the batch.
        """

    @property
    def in_flight(self) -> int:
        """The number of batches that may be launched before the first of them is finished, at least 1."""

    def launch(
        self, query: Query, batch: Sequence[ImageT], run_id: str, example: ImageT | None = None
    ) -> Callable[[], list[Score]]:
        """Give the device the work of `score`, and return a function that waits for it, in any thread.

        Both raise as `score` does.
        """

    def encode(self, batch: Sequence[ImageT], run_id: str) -> list[ImageT]:
        """Return the same images with their features computed, so that `score` has only the language tower to run.

        Raises as `score` does.
        """

    def variant(self, *, visual_tokens: int | None = None, scoring: Scoring | None = None, alone: bool = False) -> Self:
        """Return the same model at another detail or with another scoring method; weights and caches are shared.

        alone: every picture is encoded anew and scored in a batch of its own.
        """


class PairScorer(Protocol[ImageT_contra]):
    """Optional capability of a scorer: one batch for several queries."""

    def launch_pairs(self, pairs: Sequence[tuple[Query, ImageT_contra]], run_id: str) -> Callable[[], list[Score]]:
        """Do what `Scorer.launch` does for pairs of a query without an example and an image.

        Pairs may share an image, which is encoded once; a batch takes its tokens for each of them, and about ten more.
        """


class Explainer(Protocol[ImageT]):
    """Optional capability of a scorer: occlusion maps."""

    def occlude(self, image: ImageT, run_id: str) -> OccludedImages[ImageT]:
        """Return copies of an image, each with another cell of a grid blanked. Raises as `Scorer.score` does."""


class DeviceStats(Protocol):
    """Optional capability of a scorer: what it knows of the memory."""

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the GPU (the fullest one of several), and bytes in all; None without a GPU."""

    @property
    def cache_capacity(self) -> int:
        """About how many encoded images the feature cache holds."""


class LocalModel(
    Preprocessor[ImageT], Scorer[ImageT], PairScorer[ImageT], Explainer[ImageT], DeviceStats, Protocol[ImageT]
):
    """A model in this process, with all capabilities."""


class Executor(Protocol[ImageT]):
    """Runs the calls of one scorer on its devices, and returns futures.

    Calls start in the order of submission. Who may submit next is decided by the `DeviceQueue`.
    """

    @property
    def info(self) -> ScorerInfo:
        """The `Scorer.info` of the scorer."""

    @property
    def batch_tokens(self) -> int:
        """The `Scorer.batch_tokens` of the scorer."""

    @property
    def capacity(self) -> int:
        """The number of batches that may be in flight, at least `workers`."""

    @property
    def workers(self) -> int:
        """The number of devices that work side by side, at least 1."""

    def submit(
        self, query: Query, batch: Sequence[ImageT], run_id: str, example: ImageT | None = None
    ) -> "Future[Sequence[ScoreResult]]":
        """Start `Scorer.score`. The result of an image is its error if its workers have ended again and again."""

    def submit_pairs(self, pairs: Sequence[tuple[Query, ImageT]], run_id: str) -> "Future[Sequence[ScoreResult]]":
        """Start `PairScorer.launch_pairs`, and return its scores."""

    def encode(self, batch: Sequence[ImageT], run_id: str) -> "Future[list[ImageT]]":
        """Start `Scorer.encode`."""

    def occlude(self, image: ImageT, run_id: str) -> "Future[OccludedImages[ImageT]]":
        """Start `Explainer.occlude`."""


class ScoreStore(Protocol):
    """Scores of earlier runs. All methods are thread-safe."""

    def get(self, key: str, query: Query, fingerprint: str) -> Score | None:
        """Return the stored score of a picture for a query; None if it is not stored.

        key: `EncodedPicture.key` or `PreparedImage.pixel_key`.
        """

    def get_each(self, key: str, queries: Sequence[Query], fingerprint: str) -> dict[Query, Score]:
        """Return the stored scores of one picture; queries without one are left out."""

    def put(self, query: Query, fingerprint: str, scores: Mapping[str, Score]) -> None:
        """Store scores by the keys that `get` takes."""

    def put_new(self, query: Query, fingerprint: str, scores: Mapping[str, Score]) -> None:
        """Store those of the scores whose keys have none."""

    def put_new_each(self, key: str, fingerprint: str, scores: Mapping[Query, Score]) -> None:
        """Store scores of one picture, for those queries that have none."""
