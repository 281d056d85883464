"""Calibrations that `evaluate` has fitted, one JSON file each in the user's data folder.

A calibration changes the scores that people see, and never the order. To undo one, delete its file.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from reranker.config.paths import data_folder
from reranker.core.types import LabelCalibration, ScorerInfo
from reranker.storage.atomic_write import write_atomically

_log = logging.getLogger(__name__)

LABELS: Final = "-labels"  # at the end of the names of calibrations for labels
_Read = TypeVar("_Read")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A temperature and a relevance threshold for the scores of a model.

    temperature: T in 10 * sigmoid(log-odds / T), above 0.
    relevance_threshold: the shown score, in (0, 10), from which a picture counts as relevant.
    """

    temperature: float
    relevance_threshold: float

    @property
    def is_valid(self) -> bool:
        """Whether both numbers are in their ranges."""
        return math.isfinite(self.temperature) and self.temperature > 0 and 0 < self.relevance_threshold < 10


class CalibrationStore:
    """The calibrations in a folder, by key; see `Scorer.calibration_key`. If the folder is None, nothing is stored."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def for_user(cls) -> "CalibrationStore":
        """The store in the user's data folder, which all programs of this user share."""
        return cls(data_folder() / "calibrations")

    def get(self, key: str) -> Calibration | None:
        """The calibration of a scorer; None if there is none, or if its file is unreadable or has invalid numbers."""

        def read(stored: dict[str, Any]) -> Calibration:
            return Calibration(temperature=float(stored["temperature"]), relevance_threshold=float(stored["fits"]))

        calibration = self._read(key, read)
        return calibration if calibration and calibration.is_valid else None

    def apply(self, info: ScorerInfo) -> ScorerInfo:
        """Return facts of a scorer with the calibrations of its key, if there are any."""
        calibration, labels = self.get(info.calibration_key), self.get_labels(info.calibration_key)
        if calibration is not None:
            usual = info.label_calibration == LabelCalibration.of_temperature(info.temperature)
            labels = labels or (LabelCalibration.of_temperature(calibration.temperature) if usual else None)
            threshold = calibration.relevance_threshold
            info = replace(info, temperature=calibration.temperature, relevance_threshold=threshold)
        return info if labels is None else replace(info, label_calibration=labels)

    def put(self, key: str, calibration: Calibration, about: Mapping[str, Any]) -> None:
        """Store a calibration. Raises `OSError`.

        about: how it was fitted, for people who open the file.
        """
        self._write(key, {"temperature": calibration.temperature, "fits": calibration.relevance_threshold, **about})

    def get_labels(self, key: str) -> LabelCalibration | None:
        """The calibration of a scorer for labels; None as in `get`."""

        def read(stored: dict[str, Any]) -> LabelCalibration:
            return LabelCalibration(
                slope=float(stored["slope"]),
                intercept=float(stored["intercept"]),
                threshold=float(stored["threshold"]),
                thresholds=tuple((str(label), float(value)) for label, value in stored["thresholds"].items()),
            )

        calibration = self._read(f"{key}{LABELS}", read)
        return calibration if calibration and calibration.is_valid else None

    def put_labels(self, key: str, calibration: LabelCalibration, about: Mapping[str, Any]) -> None:
        """Store a calibration for labels. Raises `OSError`. about: as in `put`."""
        stored = {
            "slope": calibration.slope,
            "intercept": calibration.intercept,
            "threshold": calibration.threshold,
            "thresholds": dict(calibration.thresholds),
        }
        self._write(f"{key}{LABELS}", stored | dict(about))

    def _read(self, name: str, read: Callable[[dict[str, Any]], _Read]) -> _Read | None:
        """Return what `read` makes of a file; None if there is no such file, or it is unreadable."""
        path = self._path(name)
        if path is None:
            return None
        try:
            return read(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            _log.warning("Cannot read a calibration (%s); scores are shown without it", type(error).__name__)
            return None

    def _write(self, name: str, stored: Mapping[str, Any]) -> None:
        path = self._path(name)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically((json.dumps(stored, ensure_ascii=False, indent=2) + "\n").encode(), path)

    def delete(self, key: str) -> None:
        """Delete a calibration, if there is one; that for labels stays. Raises `OSError`."""
        self._delete(key)

    def delete_labels(self, key: str) -> None:
        """Delete a calibration for labels, if there is one; that of rankings stays. Raises `OSError`."""
        self._delete(f"{key}{LABELS}")

    def _delete(self, name: str) -> None:
        path = self._path(name)
        if path is not None:
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{key}.json"
