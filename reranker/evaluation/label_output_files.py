"""Write an evaluation of labels into files, for other programs.

labels.json    all figures and settings, with all digits
labels.csv     a line for each label that was annotated
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from reranker.core.text import well_formed
from reranker.core.types import LabelCalibration
from reranker.evaluation.label_results import LabelEvaluation, LabelFigures, LabelFit, LabelMetrics
from reranker.export.rows import csv_text
from reranker.i18n.error_messages import sentence
from reranker.storage.atomic_write import write_atomically

FILE_NAMES: Final = ("labels.json", "labels.csv")
_COLUMNS: Final = (
    "label",
    "en",
    "zh",
    "group",
    "present",
    "absent",
    "precision",
    "recall",
    "f1",
    "average_precision",
    "threshold",
    "best_threshold",
)


def write_labels(
    evaluation: LabelEvaluation, folder: Path, judged_by: Mapping[str, Any], fit: LabelFit | None = None
) -> None:
    """Write both files into a folder that exists. Each is written completely or not at all. Raises `OSError`.

    judged_by: the settings. fit: the calibration that was fitted, if any.
    """
    texts = zip(FILE_NAMES, (as_json(evaluation, judged_by, fit), as_csv(evaluation)), strict=True)
    for name, text in texts:
        write_atomically(well_formed(text).encode(), folder / name)


def as_json(evaluation: LabelEvaluation, judged_by: Mapping[str, Any], fit: LabelFit | None = None) -> str:
    """Return all figures as an object. Raises `ValueError` if one is not finite."""
    vocabulary, dataset = evaluation.vocabulary, evaluation.dataset
    content = {
        "dataset": dataset.name,
        "vocabulary": {"name": Path(vocabulary.name).name, "labels": len(vocabulary), "digest": vocabulary.digest},
        "judged_by": dict(judged_by),
        "calibration": _calibration_object(evaluation.calibration),
        "pictures": len(dataset.pictures),
        "failed": [{"path": each.candidate.name, "error": sentence(each.error, "en")} for each in evaluation.failed],
        "missing_pictures": dataset.missing_pictures,
        "unknown_categories": list(dataset.unknown_categories),
        "metrics": _metrics_object(evaluation.metrics),
        "groups": [
            {"group": group and group.written("en"), **_metrics_object(each)}
            for group, each in evaluation.groups.items()
        ],
        "labels": [_label_object(each) for each in evaluation.labels],
        "fit": fit and {**asdict(fit), "calibration": _calibration_object(fit.calibration), "is_better": fit.is_better},
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def as_csv(evaluation: LabelEvaluation) -> str:
    """Return CSV as of rankings: a header and a line for each label. Unknown values are empty cells."""
    objects = map(_label_object, evaluation.labels)
    return csv_text(_COLUMNS, ([each[column] for column in _COLUMNS] for each in objects))


def _calibration_object(calibration: LabelCalibration) -> dict[str, Any]:
    return {**asdict(calibration), "thresholds": dict(calibration.thresholds)}


def _metrics_object(metrics: LabelMetrics) -> dict[str, Any]:
    return {
        "pictures": metrics.pictures,
        "without": metrics.without,
        "labels": metrics.labels,
        "pairs": metrics.pairs,
        "judged_pairs": metrics.judged_pairs,
        **{name: each.value for name, each in metrics.values.items()},
        "intervals": {name: [each.interval.low, each.interval.high] for name, each in metrics.values.items()},
    }


def _label_object(figures: LabelFigures) -> dict[str, Any]:
    label = figures.label
    values = {column: getattr(figures, column) for column in _COLUMNS[4:]}
    names = {"label": label.key, "en": label.name.en, "zh": label.name.zh}
    return {**names, "group": label.group and label.group.written("en"), **values}
