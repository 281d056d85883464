"""Decode pictures in processes of their own, which share one budget of memory and can be abandoned.

A picture can make a decoder run for minutes, take gigabytes, or crash. In a process of its own that costs this picture
only: it is refused if it takes more memory than there is, waits while others use it, and fails when its time is up.
"""

import concurrent.futures.thread  # noqa: F401
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.errors import PictureNeedsMemory, PictureSkipped
from reranker.core.processors import usable_cpus
from reranker.core.types import CaptureData
from reranker.images.byte_budget import BudgetClosed, ByteBudget
from reranker.images.decoding_process import DecodingProcess, worker_command
from reranker.images.limits import Limits

# Part of the fingerprint: increase it if the same file gives other pixels. Since 2, colours are converted to sRGB.
DECODING_VERSION: Final = "decoding-2"
# Part of the fingerprint of dual encoders: increase it if `DecodingPool.square` gives other pixels.
SQUARE_VERSION: Final = "square-1"
COMPUTE_S: Final = 9.0  # 100 megapixels took up to 6.2 s; 1 s is left for starting and sending
CLOCK_S: Final = 90.0  # for each step: a processor that is busy with ranking gives a decoder a tenth of its time
OPENED_BYTES: Final = 256_000_000  # of pictures whose header was read, beside those that are decoded
HEADER_BYTES: Final = 8_000_000  # for one, and three times its file: here, there, and there without metadata

_STARTING: Final = threading.Lock()


class DecodingPool:
    """Decodes pictures for any number of threads. Processes start when they are needed, one for each CPU at most.

    compute_s: processor time for one picture, in seconds. clock_s: time for each of its steps, however busy the machine
        is. command: starts a decoding process.
    """

    def __init__(
        self, compute_s: float = COMPUTE_S, clock_s: float = CLOCK_S, command: Sequence[str] | None = None
    ) -> None:
        self._command, self._clock_s = command or worker_command(compute_s, clock_s), clock_s
        self._opened_bytes, self._decoding_bytes = ByteBudget(), ByteBudget()
        self._changed = threading.Condition()
        self._idle: list[DecodingProcess] = []
        self._busy: set[DecodingProcess] = set()
        self._closed = False

    @property
    def process_ids(self) -> list[int]:
        """The decoding processes that are running."""
        with self._changed:
            return [process.id for process in [*self._idle, *self._busy]]

    def start(self, count: int = 1) -> None:
        """Start so many processes ahead, so that the first pictures do not wait for them. Returns at once."""
        with self._changed:
            while not self._closed and len(self._idle) + len(self._busy) < min(count, usable_cpus()):
                self._idle.append(DecodingProcess(self._command, self._clock_s))

    def resized(
        self,
        data: bytes,
        name: str,
        limits: Limits,
        target_pixels: int,
        fit: Callable[[int, int], tuple[int, int]],
    ) -> NDArray[np.uint8]:
        """Decode a picture, resize it (bicubic), and return its pixels: (height, width, RGB).

        fit: returns the width and height to resize to, from those of the decoded picture. Raises a `PictureError`.
        """
        with self._decoded(data, name, limits, target_pixels) as (process, decoded_size):
            width, height = fit(*decoded_size)
            _, pixels = process.ask(name, {"size": (width, height)}, max_bytes=3 * width * height)
        return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)

    def square(self, data: bytes, name: str, limits: Limits, side_px: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """Decode a picture for a dual encoder, and resize it to a square, whatever its shape is.

        It is done as `open_picture` says of squares. Returns the pixels, (side, side, RGB), and the upright width and
        height of the whole picture. Raises a `PictureError`.
        """
        with self._granted(data, name, limits, {"square_px": side_px}) as (process, opened):
            grant = {"granted_bytes": opened["needed_bytes"]}
            _, pixels = process.ask(name, grant, max_bytes=3 * side_px**2)
        width, height = opened["upright_size"]
        return np.frombuffer(pixels, np.uint8).reshape(side_px, side_px, 3), (width, height)

    def thumbnail(self, data: bytes, name: str, limits: Limits, *, max_px: int, quality: int) -> bytes:
        """Return a JPEG whose longer side is at most `max_px`; a picture is never enlarged. Raises a `PictureError`."""
        with self._decoded(data, name, limits, max_px**2) as (process, _):
            request = {"max_px": max_px, "quality": quality}
            return process.ask(name, request, max_bytes=HEADER_BYTES + 4 * max_px**2)[1]

    def size(self, data: bytes, name: str, limits: Limits) -> tuple[int, int]:
        """Return width and height in pixels, as they are stored. Raises a `PictureError`."""
        with self._opened(data, name, limits, {"target_pixels": None}) as (_, opened):
            width, height = opened["size"]
            return width, height

    def capture_data(self, data: bytes, name: str) -> CaptureData:
        """Return what the EXIF block of a picture says about how it was taken. Raises a `PictureError`."""
        with self._conversation(data, name) as process:
            answer, _ = process.ask(name, {"capture_data": True}, data)
        return CaptureData(taken=answer["taken"], details=tuple((key, value) for key, value in answer["details"]))

    def close(self) -> None:
        """End all processes at once. Pictures that are being decoded, and later ones, come out as skipped."""
        with self._changed:
            self._closed = True
            for process in self._busy:
                process.stop()
            while self._idle:
                self._idle.pop().close()
            self._changed.notify_all()
        self._opened_bytes.close()
        self._decoding_bytes.close()

    @contextmanager
    def _decoded(
        self, data: bytes, name: str, limits: Limits, target_pixels: int
    ) -> Iterator[tuple[DecodingProcess, tuple[int, int]]]:
        """Decode a picture; yield the process that has it, and its upright size as decoded."""
        with self._granted(data, name, limits, {"target_pixels": target_pixels}) as (process, opened):
            decoded, _ = process.ask(name, {"granted_bytes": opened["needed_bytes"]})
            yield process, decoded["size"]

    @contextmanager
    def _granted(
        self, data: bytes, name: str, limits: Limits, target: dict[str, Any]
    ) -> Iterator[tuple[DecodingProcess, dict[str, Any]]]:
        """Open a picture; yield as `_opened`, once there is memory for decoding it."""
        with self._opened(data, name, limits, target) as (process, opened):
            needed, most, (width, height) = opened["needed_bytes"], limits.max_decoding_bytes, opened["size"]
            if needed > most:
                raise PictureNeedsMemory(name=name, width=width, height=height, needed_bytes=needed, max_bytes=most)
            with self._decoding_bytes.reserve(needed, most):
                yield process, opened

    @contextmanager
    def _opened(
        self, data: bytes, name: str, limits: Limits, target: dict[str, Any]
    ) -> Iterator[tuple[DecodingProcess, dict[str, Any]]]:
        """Open a picture; yield the process that has it, and what is known of it."""
        with self._conversation(data, name) as process:
            yield process, process.ask(name, {"limits": asdict(limits), **target}, data)[0]

    @contextmanager
    def _conversation(self, data: bytes, name: str) -> Iterator[DecodingProcess]:
        """Have a process for a picture, once there is memory for its encoded bytes. Raises `PictureSkipped`."""
        try:
            with self._opened_bytes.reserve(HEADER_BYTES + 3 * len(data), OPENED_BYTES), self._process() as process:
                yield process
        except BudgetClosed:
            raise PictureSkipped(name=name) from None

    @contextmanager
    def _process(self) -> Iterator[DecodingProcess]:
        """Have a process to oneself. Raises `BudgetClosed`."""
        process = self._take()
        try:
            yield process
        finally:
            process.end_conversation()
            with self._changed:
                self._busy.discard(process)
                if process.is_alive and not self._closed:
                    self._idle.append(process)
                else:
                    process.close()
                self._changed.notify_all()

    def _take(self) -> DecodingProcess:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._idle or len(self._busy) < usable_cpus())
            if self._closed:
                raise BudgetClosed
            while self._idle and not self._idle[-1].is_alive:
                self._idle.pop().close()
            process = self._idle.pop() if self._idle else DecodingProcess(self._command, self._clock_s)
            self._busy.add(process)
            return process


def shared_pool() -> DecodingPool:
    """Return the pool of this process, which ends with it; a process that was forked has its own."""
    with _STARTING:
        return _pool_of(os.getpid())


@cache
def _pool_of(_: int) -> DecodingPool:
    pool = DecodingPool()
    # `atexit` would be too late: Python first waits for the threads of executors, which may wait for a picture. What is
    # registered here last is called first, so the module of executors, which does the same, is imported above.
    threading._register_atexit(pool.close)  # type: ignore[attr-defined]
    return pool
