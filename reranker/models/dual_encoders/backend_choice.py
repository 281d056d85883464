"""The backend of "auto": torch and ONNX Runtime encode the same pictures by turns, and the faster one is chosen.

What was measured is kept in the cache folder.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from reranker.config.paths import cache_folder
from reranker.core.errors import BackendFailed, BackendRefused
from reranker.core.types import BackendChoice
from reranker.models.dual_encoders.agreement import drawn_pictures
from reranker.models.dual_encoders.onnx_runtime import onnx_runtime
from reranker.models.dual_encoders.towers import Towers
from reranker.storage.atomic_write import write_atomically

SECONDS: Final = 5.0  # of all measurements together
PAIRS: Final = 15  # most measurements of each backend
BATCH: Final = 32  # most pictures of a measurement
_LEAST_PAIRS: Final = 7  # that there is time for, by a first estimate
_REFUSALS: Final = {each.__name__: each for each in (BackendFailed, BackendRefused)}
_PASSING: Final = ("package", "provider", "precision", "disk")  # reasons that may be gone at the next call

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BackendChooser:
    """Chooses between torch and ONNX Runtime for one dual encoder.

    model, fingerprint: of the encoder. precision: of torch. open_torch, open_onnx: return the towers; the second may
    raise `BackendFailed` and `BackendRefused`, and torch is chosen then.
    """

    model: str
    fingerprint: str
    device: torch.device
    precision: str
    image_px: int
    open_torch: Callable[[], Towers]
    open_onnx: Callable[[], Towers]

    def choose(self) -> BackendChoice:
        """Return the faster backend, as measured now or before on this machine. Raises what `open_torch` does."""
        stored = self._stored()
        choice = stored if stored is not None and stored.backend == "torch" else self._compared(stored)
        if choice.refusal is not None:
            _log.warning("ONNX Runtime is not used for %s: %s", self.model, choice.refusal)
        _log.info("%s runs on %s; pictures per second: %s", self.model, choice.backend, dict(choice.pictures_per_s))
        return choice

    def _compared(self, stored: BackendChoice | None) -> BackendChoice:
        try:
            onnx = self.open_onnx()
        except (BackendFailed, BackendRefused) as refusal:
            choice = BackendChoice(backend="torch", refusal=refusal)
            if isinstance(refusal, BackendFailed) and refusal.reason in _PASSING:
                return choice
        else:
            if stored is not None:
                return stored
            rates = pictures_per_s({"torch": self.open_torch(), "onnx": onnx}, self.image_px)
            choice = BackendChoice(backend=max(rates, key=lambda backend: rates[backend]), pictures_per_s=rates)
        self._store(choice)
        return choice

    @property
    def _file(self) -> Path:
        return cache_folder() / "backends" / f"{self.fingerprint}-{self.device.type}-{self.precision}.json"

    @property
    def _about(self) -> dict[str, Any]:
        """Return what a measurement depends on, besides the name of its file."""
        return {
            "torch": torch.__version__,
            "onnxruntime": onnx_runtime().__version__,
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
        }

    def _stored(self) -> BackendChoice | None:
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            if stored["about"] != self._about:
                return None
            refusal = stored["refusal"]
            return BackendChoice(
                backend=stored["backend"],
                pictures_per_s=stored["pictures_per_s"],
                refusal=None if refusal is None else _REFUSALS[refusal.pop("class")](**refusal),
            )
        except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _store(self, choice: BackendChoice) -> None:
        """Keep a choice; if that fails, the next call measures again."""
        refusal = choice.refusal
        stored = {
            "about": self._about,
            "backend": choice.backend,
            "pictures_per_s": choice.pictures_per_s,
            "refusal": None if refusal is None else {"class": type(refusal).__name__, **vars(refusal)},
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(json.dumps(stored, indent=2).encode(), self._file)
        except OSError as error:
            _log.warning("Cannot keep the choice of a backend (%s)", type(error).__name__)


def pictures_per_s(backends: Mapping[str, Towers], image_px: int) -> dict[str, float]:
    """Return how many pictures each backend encodes in a second: the median of batches, by turns, within `SECONDS`.

    At least one batch is measured. Batches are smaller than `BATCH` if a picture takes long.
    """
    end = time.perf_counter() + SECONDS
    pixels = drawn_pictures(BATCH, image_px)
    for _ in range(2):  # the first call of a backend takes longer
        single_s = sum(_seconds(towers, pixels[:1]) for towers in backends.values())
    batch = pixels[: max(1, min(BATCH, int(SECONDS / _LEAST_PAIRS / single_s)))]
    times: dict[str, list[float]] = {backend: [] for backend in backends}
    order = list(backends)
    for _ in range(PAIRS):
        started = time.perf_counter()
        for backend in order:
            times[backend].append(_seconds(backends[backend], batch))
        order.reverse()
        now = time.perf_counter()
        if now + (now - started) > end:
            break
    return {backend: len(batch) / median(taken) for backend, taken in times.items()}


def _seconds(towers: Towers, pixels: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    towers.encode_pixels(pixels)
    return time.perf_counter() - started
