"""The local model: a vision-language cross-encoder that reads query and picture together."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TypeVar

import numpy as np
import torch

from reranker.core.errors import PictureBeyondContext, PictureOutOfMemory
from reranker.core.types import (
    Candidate,
    EncodedPicture,
    LabelCalibration,
    OccludedImages,
    Query,
    Score,
    ScorerInfo,
    Scoring,
)
from reranker.engine.device_errors import unless_out_of_memory
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.host_memory import HostCopy, host_bytes
from reranker.engine.memory_budget import TokenBudget, device_budget, device_memory, encoding_batches
from reranker.engine.preparation import Preparation, PreparedImage
from reranker.images.decoding_pool import DECODING_VERSION
from reranker.images.hashing import ContentHashes
from reranker.images.limits import Limits
from reranker.models.architecture import ImageFeatures
from reranker.models.context import check_detail
from reranker.models.layers.transfer import pinned
from reranker.models.loading import Checkpoint
from reranker.models.occlusion import grid_of, occluded
from reranker.models.patchify import CHANNELS, PATCHIFY_VERSION, Patches, noise
from reranker.models.scoring.method import Document, Example, ScoringMethod
from reranker.models.scoring.registry import make_scoring_method
from reranker.storage.calibrations import CalibrationStore

_log = logging.getLogger(__name__)

BATCHES_ON_GPU = 2
PREFETCHED_BATCHES = 3  # the one on the device and two behind it
_Result = TypeVar("_Result")


class CrossEncoder:
    """A `LocalModel` over a checkpoint. Make it, and call it, in the thread of torch.

    Each image is encoded once: its features are cached, whatever the query. A batch is one packed pass of each tower,
    whatever the sizes of its images.

    limits: what one picture may be. cache: of features; shared by the variants of a model.
    scoring, instruction: as in `ModelSettings`. calibrations: how scores are shown to people; the checkpoint's if None.
    visual_tokens: most of an image; the usual detail of the checkpoint if None.
    batch_tokens: most tokens, visual and text, in a batch; if None by the memory of the device, after a trial batch.
    budget: that of another scorer of the checkpoint, to share instead.

    Raises `DetailTooHigh` if the checkpoint has no room for so many visual tokens, and `CheckpointUnsupported`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        limits: Limits,
        cache: FeatureCache,
        scoring: Scoring = "yes-no",
        instruction: str = "",
        calibrations: CalibrationStore | None = None,
        visual_tokens: int | None = None,
        batch_tokens: int | None = None,
        budget: TokenBudget | None = None,
    ) -> None:
        self._checkpoint, self._limits, self._cache = checkpoint, limits, cache
        self._hashes, self._calibrations = ContentHashes(), calibrations or CalibrationStore(None)
        self._scoring: Scoring = scoring
        self._instruction = instruction
        self._method: ScoringMethod = make_scoring_method(checkpoint, scoring, instruction)
        self._visual_tokens = visual_tokens or checkpoint.detail_levels[1]
        check_detail(checkpoint.name, self._visual_tokens, checkpoint.max_tokens)
        self.preparation = Preparation(
            limits=limits,
            patch_settings=checkpoint.patch_settings,
            visual_tokens=self._visual_tokens,
            text_length=self._method.text_length,
        )
        self.info = self._make_info()
        self.budget = budget or self._make_budget(batch_tokens)

    def variant(
        self, *, visual_tokens: int | None = None, scoring: Scoring | None = None, alone: bool = False
    ) -> "CrossEncoder":
        """Return the same model at another detail or with another scoring method; weights and caches are shared.

        alone: every picture is encoded anew and scored in a batch of its own.
        """
        other = CrossEncoder(
            self._checkpoint,
            limits=self._limits,
            cache=FeatureCache(0) if alone else self._cache,
            scoring=scoring or self._scoring,
            instruction=self._instruction,
            calibrations=self._calibrations,
            visual_tokens=visual_tokens or self._visual_tokens,
            budget=TokenBudget(1) if alone else self.budget,
        )
        other._hashes = self._hashes
        if scoring in (None, self._scoring):
            other._method = self._method
        return other

    def _make_info(self) -> ScorerInfo:
        checkpoint, identity = self._checkpoint, self._method.identity
        method_digest = hashlib.sha256("\0".join(identity).encode()).hexdigest()[:8]
        temperature = self._method.temperature
        pixels = map(str, checkpoint.patch_settings.pixel_range(self._visual_tokens))
        parts = (checkpoint.digest, *identity, checkpoint.precision, *pixels, DECODING_VERSION, PATCHIFY_VERSION)
        info = ScorerInfo(
            model=checkpoint.name,
            fingerprint=hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32],
            precision=checkpoint.precision,
            visual_tokens=self._visual_tokens,
            detail_levels=checkpoint.detail_levels,
            temperature=temperature,
            relevance_threshold=checkpoint.relevance_threshold,
            label_calibration=(checkpoint.label_calibration if self._scoring == "yes-no" else None)
            or LabelCalibration.of_temperature(temperature),
            calibration_key=f"{checkpoint.digest}-{checkpoint.precision}-{method_digest}",
            takes_example=checkpoint.takes_example,
            load_warnings=checkpoint.load_warnings,
        )
        return self._calibrations.apply(info)

    def _make_budget(self, batch_tokens: int | None) -> TokenBudget:
        if batch_tokens:
            return TokenBudget(batch_tokens)
        image_tokens = self._visual_tokens + self._method.text_length("")
        return device_budget(self._checkpoint.gpus, self._score_noise, image_tokens)

    @property
    def batch_tokens(self) -> int:
        """Most tokens, visual and text, in the next batch. Raises `DeviceFailed`."""
        return self.budget.tokens

    @property
    def in_flight(self) -> int:
        """Batches that may be launched before the first of them is finished: two on a GPU, which then never waits."""
        return BATCHES_ON_GPU if self._checkpoint.device.type == "cuda" else 1

    @property
    def prefetch_bytes(self) -> int:
        """Bytes of prepared images worth holding: more would wait for the device."""
        settings = self._checkpoint.patch_settings
        return PREFETCHED_BATCHES * self.budget.largest * settings.token_px**2 * CHANNELS

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the GPU (the fullest one of several), and bytes in all; None on the CPU."""
        return device_memory(self._checkpoint.gpus)

    @property
    def cache_capacity(self) -> int:
        """About how many encoded images the feature cache holds at this detail."""
        model = self._checkpoint.model
        weight = model.language.embed_tokens.weight
        token_bytes = model.states_per_token * int(weight.shape[1]) * int(weight.element_size())
        image_bytes = self._visual_tokens * token_bytes
        return self._cache.max_bytes // host_bytes(image_bytes, pinned=self._checkpoint.device.type == "cuda")

    def identify(self, candidate: Candidate) -> EncodedPicture:
        """Read and hash a picture, unless the hash of its file is remembered. Raises its `PictureError`."""
        return self._hashes.identify(candidate, self._limits)

    def prepare(self, picture: EncodedPicture) -> PreparedImage:
        """Decode and patchify a picture, unless its features are cached. Raises its `PictureError`."""
        cached = self._cache.get(self._cache_key(picture.content_hash))
        if cached is not None:
            visual_tokens = len(cached.features.tokens)
            return self.preparation.image(
                picture, cached.pixel_hash, visual_tokens=visual_tokens, features=cached.features
            )
        image = self.preparation.with_patches(picture)
        assert image.patches is not None, "they were made"
        return replace(image, patches=self._pinned(image.patches))

    def _cache_key(self, content_hash: str) -> str:
        return f"{content_hash} {self._visual_tokens}"

    def _pinned(self, patches: Patches) -> Patches:
        """Move patches to pinned memory if there is a GPU, which then copies them by itself."""
        if self._checkpoint.device.type != "cuda":
            return patches
        return replace(patches, values=pinned(torch.from_numpy(patches.values)).numpy())

    def score(
        self, query: Query, batch: Sequence[PreparedImage], run_id: str, example: PreparedImage | None = None
    ) -> list[Score]:
        """Score a batch. Raises `PictureOutOfMemory` if it does not fit on the device, and `DeviceFailed`."""
        return self.launch(query, batch, run_id, example)()

    def launch(
        self, query: Query, batch: Sequence[PreparedImage], run_id: str, example: PreparedImage | None = None
    ) -> Callable[[], list[Score]]:
        """Give the device the work for a batch, and return a function that waits for its scores.

        The function may be called in another thread. Both raise as `score` does.
        """
        start = time.perf_counter()
        assert (query.example is None) == (example is None), "the example of the query is prepared"
        encoded = None if example is None else self._example(example, run_id)
        numbers = self._on_device(partial(self._launch, query.text, batch, run_id, encoded), batch, encoded)
        return partial(self._finish, batch, numbers, start)

    def launch_pairs(self, pairs: Sequence[tuple[Query, PreparedImage]], run_id: str) -> Callable[[], list[Score]]:
        """Give the device the work for pairs of a query without an example and an image; as `launch` otherwise."""
        start = time.perf_counter()
        batch = [image for _, image in pairs]
        numbers = self._on_device(partial(self._launch_pairs, pairs, run_id), batch)
        return partial(self._finish, batch, numbers, start)

    def _launch_pairs(self, pairs: Sequence[tuple[Query, PreparedImage]], run_id: str) -> HostCopy:
        for query, image in pairs:
            self._check_length(query.text, [image], None)
        images = list({image.key: image for _, image in pairs}.values())
        features = dict(zip((image.key for image in images), self._features(images), strict=True))
        documents = [Document(image=features[image.key], text=image.text) for _, image in pairs]
        numbers = HostCopy(self._method.run_each([query.text for query, _ in pairs], documents))
        self._remember(images, list(features.values()), run_id)
        return numbers

    def _example(self, image: PreparedImage, run_id: str) -> Example:
        """Return the picture of a query. It is encoded without others, as its scores must not depend on a batch."""

        def encode() -> ImageFeatures:
            (encoded,) = self._encode([image], run_id)
            assert encoded.features is not None, "it was encoded"
            return encoded.features

        return Example(key=self._cache_key(image.content_hash), visual_tokens=image.visual_tokens, encode=encode)

    def _launch(self, text: str, batch: Sequence[PreparedImage], run_id: str, example: Example | None) -> HostCopy:
        self._check_length(text, batch, example)
        features = self._features(batch)
        documents = [Document(image=each, text=image.text) for each, image in zip(features, batch, strict=True)]
        numbers = HostCopy(self._method.run(text, documents, example))
        self._remember(batch, features, run_id)
        return numbers

    def _check_length(self, text: str, batch: Sequence[PreparedImage], example: Example | None) -> None:
        """Raise `PictureBeyondContext` if an image, with the query and its text, is longer than the model reads."""
        query_tokens, limit = self._method.query_tokens(text, example), self._checkpoint.max_tokens
        longest = max(batch, key=lambda image: image.tokens)
        if query_tokens + longest.tokens > limit:
            example_tokens = _visual_tokens(example)
            raise PictureBeyondContext(
                name="",
                visual_tokens=longest.visual_tokens,
                text_tokens=query_tokens - example_tokens + longest.text_tokens,
                max_tokens=limit,
                example_tokens=example_tokens,
            )

    def _finish(self, batch: Sequence[PreparedImage], numbers: HostCopy, start: float) -> list[Score]:
        documents = self._method.read(numbers.wait())
        self.budget.record_success()
        latency_ms = 1000 * (time.perf_counter() - start)
        return [
            Score(
                log_odds=document.log_odds,
                generated_text=document.generated_text,
                visual_tokens=image.visual_tokens,
                latency_ms=latency_ms,
                cached=image.features is not None,
            )
            for image, document in zip(batch, documents, strict=True)
        ]

    def encode(self, batch: Sequence[PreparedImage], run_id: str) -> list[PreparedImage]:
        """Compute the features of a batch. Raises as `score` does."""
        return self._on_device(partial(self._encode, batch, run_id), batch)

    def occlude(self, image: PreparedImage, run_id: str) -> OccludedImages[PreparedImage]:
        """Return the image without each cell of a grid in turn. Raises as `score` does."""
        return self._on_device(partial(self._occlude, image, run_id), [image])

    def _occlude(self, image: PreparedImage, run_id: str) -> OccludedImages[PreparedImage]:
        (encoded,) = self._encode([image], run_id)
        assert encoded.features is not None, "it was encoded"
        rows, columns = grid_of(encoded.features)
        images = [
            replace(
                encoded,
                key=f"{encoded.key} without cell {number}",
                pixel_hash=f"{encoded.pixel_hash} without cell {number}",
                features=features,
            )
            for number, features in enumerate(occluded(encoded.features, rows, columns))
        ]
        return OccludedImages(rows=rows, columns=columns, images=images)

    def _encode(self, batch: Sequence[PreparedImage], run_id: str) -> list[PreparedImage]:
        images = [image if image.features else self.with_cached_features(image) for image in batch]
        features = self._features(images)
        self._remember(images, features, run_id)
        return [replace(image, patches=None, features=each) for image, each in zip(images, features, strict=True)]

    def with_cached_features(self, image: PreparedImage) -> PreparedImage:
        """Return an image with its features if they are cached; otherwise as it is. Thread-safe."""
        cached = self._cache.get(self._cache_key(image.content_hash))
        return replace(image, patches=None, features=cached.features) if cached else image

    def _on_device(
        self, work: Callable[[], _Result], batch: Sequence[PreparedImage], example: Example | None = None
    ) -> _Result:
        """Return the result of `work` on a batch. Raises as `score` does."""
        result = unless_out_of_memory(work)
        if result is None:
            tokens = sum(image.tokens + _visual_tokens(example) for image in batch)
            self.budget.record_out_of_memory(tokens)
            if self._checkpoint.device.type == "cuda":
                torch.cuda.empty_cache()
            _log.warning("The device ran out of memory at %d tokens; now %d", tokens, self.budget.tokens)
            raise PictureOutOfMemory(name="", visual_tokens=sum(image.visual_tokens for image in batch))
        return result

    def _remember(self, batch: Sequence[PreparedImage], features: Sequence[ImageFeatures], run_id: str) -> None:
        for image, each in zip(batch, features, strict=True):
            key = self._cache_key(image.content_hash)
            if image.features is None:
                self._cache.put(key, each, image.pixel_hash, run_id)
            else:
                self._cache.touch(key, run_id)

    def _features(self, batch: Sequence[PreparedImage]) -> list[ImageFeatures]:
        """Return the features of each image; new ones go through the vision tower, some at a time."""
        new = [image for image in batch if image.patches is not None]
        encoded = chain.from_iterable(map(self._encode_patches, encoding_batches(new, self._checkpoint.device)))
        return [image.features or next(encoded) for image in batch]

    def _encode_patches(self, batch: Sequence[PreparedImage]) -> list[ImageFeatures]:
        return self._checkpoint.model.encode_images([image.patches for image in batch if image.patches is not None])

    def _score_noise(self, images: int) -> None:
        """Score a batch of so many random images, to measure the memory that it takes."""
        settings = self._checkpoint.patch_settings
        rng = np.random.default_rng(0)
        patches = [noise(rng, self._visual_tokens, settings) for _ in range(images)]
        features = self._checkpoint.model.encode_images(patches)
        self._method.run("", [Document(image=image) for image in features])


def _visual_tokens(example: Example | None) -> int:
    return 0 if example is None else example.visual_tokens
