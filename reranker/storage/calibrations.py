"""How people are shown the scores of a model: a temperature and a line of "fits", found by `evaluate --calibrate`.

One small file each in the user's data folder, named after the weights' digest, the precision and the way to ask.
Deleting it is forgetting it. None of it changes an order.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from reranker.storage.atomic_write import write_whole

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """temperature: T of 10 * sigmoid(log-odds / T), above 0. fits: the score of 10, in (0, 10), from which one fits."""

    temperature: float
    relevance_threshold: float

    @property
    def is_sound(self) -> bool:
        """Whether both are in their ranges."""
        return math.isfinite(self.temperature) and self.temperature > 0 and 0 < self.relevance_threshold < 10


class Calibrations:
    """Those in a folder, by name; none where the folder is None. A file that cannot be read counts as none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_this_person(cls) -> "Calibrations":
        """In the user's data folder, shared by all programs of this person."""
        return cls(platformdirs.user_data_path("reranker", appauthor=False) / "calibrations")

    def get(self, name: str) -> Calibration | None:
        """As `Scorer.calibrated_as` names it."""
        path = self._path(name)
        if path is None or not path.is_file():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            calibration = Calibration(temperature=float(found["temperature"]), relevance_threshold=float(found["fits"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("A calibration cannot be read (%s); scores are shown without it", type(error).__name__)
            return None
        return calibration if calibration.is_sound else None

    def put(self, name: str, calibration: Calibration, about: Mapping[str, Any]) -> None:
        """Keep it, whole or not at all; `about` is for who opens the file. Raises `OSError`."""
        path = self._path(name)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**asdict(calibration), **about}, ensure_ascii=False, indent=2) + "\n"
        write_whole(text.encode(), path)

    def forget(self, name: str) -> None:
        """Scores are shown as the checkpoint has it again. Raises `OSError`."""
        path = self._path(name)
        if path is not None:
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{name}.json"
