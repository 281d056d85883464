"""A dual encoder that runs on workers, for pictures that come into a library."""

from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from reranker.cluster.ray_workers import RayWorkers
from reranker.cluster.scheduler import WorkerEnded
from reranker.cluster.sources import DualEncoderSource
from reranker.core.errors import DeviceFailed


class RemoteEncoding:
    """A `PictureEncoding` on workers. fingerprint: of the library. Raises `ClusterError`."""

    def __init__(self, workers: RayWorkers, source: DualEncoderSource, fingerprint: str) -> None:
        workers.open_encoder(source, fingerprint)
        self._workers, self._source = workers, source

    @property
    def in_flight(self) -> int:
        """The number of batches that may be started before the first of them is finished."""
        return self._workers.scheduler.capacity

    def submit(self, pixels: Sequence[NDArray[np.uint8]]) -> "Future[NDArray[np.float32]]":
        """Start to encode pictures. The future raises `DeviceFailed` if worker after worker ends with them."""
        done: Future[NDArray[np.float32]] = Future()

        def finish(encoded: "Future[NDArray[np.float32]]") -> None:
            error = encoded.exception()
            if error is None:
                done.set_result(encoded.result())
            else:
                done.set_exception(DeviceFailed() if isinstance(error, WorkerEnded) else error)

        self._workers.encode_pixels(self._source, pixels).add_done_callback(finish)
        return done
