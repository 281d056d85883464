"""Calibrations are stored in files; an unreadable or invalid file counts as none."""

import json
from pathlib import Path

import pytest

from reranker.core.types import LabelCalibration
from reranker.storage.calibrations import Calibration, CalibrationStore

CALIBRATION = Calibration(temperature=0.5, relevance_threshold=6.0)


def test_a_stored_calibration_can_be_read_and_deleted(tmp_path: Path) -> None:
    calibrations = CalibrationStore(tmp_path / "new")
    assert calibrations.get("model") is None
    calibrations.put("model", CALIBRATION, {"dataset": "标注.jsonl"})
    assert calibrations.get("model") == CALIBRATION
    assert calibrations.get("another") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.json"]
    calibrations.delete("model")
    calibrations.delete("model")
    assert calibrations.get("model") is None


def test_calibrations_of_rankings_and_labels_are_stored_apart(tmp_path: Path) -> None:
    calibrations, labels = CalibrationStore(tmp_path), LabelCalibration(slope=2.0, intercept=-1.0, threshold=0.4)
    calibrations.put("model", CALIBRATION, {})
    calibrations.put_labels("model", labels, {})
    calibrations.delete("model")
    assert (calibrations.get("model"), calibrations.get_labels("model")) == (None, labels)
    calibrations.put("model", CALIBRATION, {})
    calibrations.delete_labels("model")
    calibrations.delete_labels("model")
    assert (calibrations.get("model"), calibrations.get_labels("model")) == (CALIBRATION, None)


def test_the_file_keeps_its_keys_and_says_how_the_calibration_was_fitted(tmp_path: Path) -> None:
    CalibrationStore(tmp_path).put("model", CALIBRATION, {"dataset": "标注.jsonl"})
    stored = json.loads((tmp_path / "model.json").read_text(encoding="utf-8"))
    assert stored == {"temperature": 0.5, "fits": 6.0, "dataset": "标注.jsonl"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"temperature": "warm", "fits": 5}',
        '{"temperature": 0, "fits": 5}',
        '{"temperature": 1, "fits": 10}',
    ],
)
def test_an_invalid_file_counts_as_no_calibration(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_text(text, encoding="utf-8")
    assert CalibrationStore(tmp_path).get("model") is None


def test_a_store_without_a_folder_stores_nothing() -> None:
    calibrations = CalibrationStore(None)
    calibrations.put("model", CALIBRATION, {})
    assert calibrations.get("model") is None
    calibrations.delete("model")
