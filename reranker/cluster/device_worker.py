"""What runs in the process of a worker: the models of one device."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reranker.cluster.messages import (
    Answer,
    Batch,
    EncoderSource,
    Grid,
    ModelFacts,
    ModelSource,
    PictureEncoder,
    SentImage,
    Variant,
    WorkerModel,
)
from reranker.core.errors import DeviceFailed, PictureUnscored, RerankerError
from reranker.core.types import EncoderInfo
from reranker.engine.device_errors import raise_device_failures
from reranker.engine.executor import LocalExecutor
from reranker.engine.preparation import PreparedImage
from reranker.engine.torch_thread import TorchThread
from reranker.models.patchify import Patches

Fetch = Callable[[Sequence[Any]], Sequence[Patches]]


class DeviceWorker:
    """Loads models on one device, and runs them. Methods may be called from several threads.

    on_gpu: whether the device is a GPU. threads: of torch on the CPU. fetch: returns patches by what `SentImage` has.
    """

    def __init__(self, *, on_gpu: bool, threads: int, fetch: Fetch) -> None:
        self._on_gpu, self._fetch = on_gpu, fetch
        self._torch_thread = TorchThread()
        self._models: dict[str, WorkerModel] = {}
        self._executors: dict[Variant, tuple[WorkerModel, LocalExecutor[PreparedImage]]] = {}
        self._encoders: dict[str, PictureEncoder] = {}
        self._torch_thread.run(partial(torch.set_num_threads, threads))

    def open(self, source: ModelSource) -> RerankerError | None:
        """Load a model, unless it is there. Returns why that failed."""
        return self._torch_thread.run(partial(self._open, source))

    def _open(self, source: ModelSource) -> RerankerError | None:
        try:
            if source.key not in self._models:
                self._models[source.key] = source.load(on_gpu=self._on_gpu)
        except RerankerError as error:
            return error
        return None

    def open_encoder(self, source: EncoderSource) -> RerankerError | EncoderInfo:
        """Load a dual encoder, unless it is there. Returns its facts, or why that failed."""
        return self._torch_thread.run(partial(self._open_encoder, source))

    def _open_encoder(self, source: EncoderSource) -> RerankerError | EncoderInfo:
        try:
            if source.key not in self._encoders:
                self._encoders[source.key] = source.load(on_gpu=self._on_gpu)
        except RerankerError as error:
            return error
        return self._encoders[source.key].info

    def facts(self, variant: Variant) -> RerankerError | ModelFacts:
        """Return what the program must know of a variant of a model that is open, or why it cannot be had.

        Raises `DeviceFailed`.
        """
        try:
            model, executor = self._variant(variant)
            return ModelFacts(
                info=model.info,
                preparation=model.preparation,
                batch_tokens=executor.batch_tokens,
                prefetch_bytes=model.prefetch_bytes,
                cache_capacity=model.cache_capacity,
            )
        except DeviceFailed:
            raise
        except RerankerError as error:
            return error

    def device_memory(self) -> tuple[int, int] | None:
        """Return `DeviceStats.device_memory`; None if no model is open."""
        return next((model.device_memory for model in self._models.values()), None)

    def run(self, batch: Batch) -> Answer:
        """Score or encode images."""
        model, executor = self._variant(batch.variant)
        try:
            images = self._images(model, executor, [*batch.images, *([batch.example] if batch.example else [])], batch)
            if missing := [index for index, image in enumerate(images) if image is None]:
                return Answer(missing=missing, batch_tokens=executor.batch_tokens)
            example = images.pop() if batch.example else None
            scores = self._run(executor, batch, [image for image in images if image is not None], example)
        except Exception as error:
            return Answer(error=_sendable(error), batch_tokens=executor.batch_tokens)
        kept = [model.with_cached_features(each.image).features is not None for each in batch.images]
        return Answer(scores=scores, kept=kept, batch_tokens=executor.batch_tokens)

    def _run(
        self,
        executor: LocalExecutor[PreparedImage],
        batch: Batch,
        images: Sequence[PreparedImage],
        example: PreparedImage | None,
    ) -> Sequence[Any]:
        if batch.work == "encode":
            executor.encode(images, batch.run_id).result()
            return ()
        if batch.are_pairs:
            return executor.submit_pairs(list(zip(batch.queries, images, strict=True)), batch.run_id).result()
        return executor.submit(batch.queries[0], images, batch.run_id, example).result()

    def grid(self, variant: Variant, image: SentImage, run_id: str) -> Grid:
        """Return the grid of cells in which an image can be blanked; without rows if the worker does not know it."""
        model, executor = self._variant(variant)
        try:
            (restored,) = self._restored(model, [image])
            if restored is None:
                return Grid()
            occluded = executor.occlude(restored, run_id).result()
        except Exception as error:
            return Grid(error=_sendable(error))
        return Grid(rows=occluded.rows, columns=occluded.columns)

    def encode_pixels(self, source: str, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the vectors of pictures by a dual encoder that is open. Raises `DeviceFailed`."""
        return self._torch_thread.run(partial(self._encode_pixels, source, pixels))

    @raise_device_failures()
    def _encode_pixels(self, source: str, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return self._encoders[source].encode_images(pixels)

    def _variant(self, variant: Variant) -> tuple[WorkerModel, LocalExecutor[PreparedImage]]:
        """Return a variant of a model that is open. One that is known does not wait for the thread of torch."""
        return self._executors.get(variant) or self._torch_thread.run(partial(self._make_variant, variant))

    def _make_variant(self, variant: Variant) -> tuple[WorkerModel, LocalExecutor[PreparedImage]]:
        if variant not in self._executors:
            model = self._models[variant.source].variant(
                visual_tokens=variant.visual_tokens, scoring=variant.scoring, alone=variant.alone
            )
            self._executors[variant] = model, LocalExecutor(model, self._torch_thread)
        return self._executors[variant]

    def _images(
        self, model: WorkerModel, executor: LocalExecutor[PreparedImage], sent: Sequence[SentImage], batch: Batch
    ) -> list[PreparedImage | None]:
        """Return images with patches or features, None for those that have neither, and cells blanked."""
        restored = self._restored(model, sent)
        blanked: dict[str, Sequence[PreparedImage]] = {}
        for index, (each, image) in enumerate(zip(sent, restored, strict=True)):
            if each.cell is None or image is None:
                continue
            if image.key not in blanked:
                blanked[image.key] = executor.occlude(image, batch.run_id).result().images
            restored[index] = blanked[image.key][each.cell]
        return restored

    def _restored(self, model: WorkerModel, sent: Sequence[SentImage]) -> list[PreparedImage | None]:
        """Return images with their features if they are cached, else with patches; None where there are neither."""
        restored = [model.with_cached_features(each.image) for each in sent]
        new = [
            index
            for index, (each, image) in enumerate(zip(sent, restored, strict=True))
            if image.features is None and each.patches is not None
        ]
        for index, patches in zip(new, self._fetch([sent[index].patches for index in new]), strict=True):
            restored[index] = replace(restored[index], patches=patches)
        return [None if image.features is None and image.patches is None else image for image in restored]


def _sendable(error: Exception) -> RerankerError:
    """Return an error that can be pickled. Of an unexpected one only its class is kept, as for one process."""
    if isinstance(error, RerankerError):
        return error.with_traceback(None)
    return PictureUnscored(name="", reason=type(error).__name__)
