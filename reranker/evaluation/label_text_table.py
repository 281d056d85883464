"""An evaluation of labels as text tables for a terminal."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reranker.evaluation.label_results import LabelEvaluation, LabelFigures, LabelFit, LabelMetrics
from reranker.i18n.error_messages import sentence
from reranker.vocabulary.labels import Name

LOWEST: Final = 10  # labels that are shown
MAX_FAILED: Final = 10  # pictures that are named
MIN_NAME_WIDTH: Final = 24
_TITLES: Final = {
    "micro_precision": "micro precision",
    "micro_recall": "micro recall",
    "micro_f1": "micro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "mean_average_precision": "mAP",
    "calibration_error": "calibration error",
    "none_recognised": "nothing found where nothing is",
}
_NO_GROUP: Final = "no group"


def as_label_table(evaluation: LabelEvaluation, judged_by: Mapping[str, Any]) -> str:
    """Return the metrics with their intervals, those of groups, the labels with the lowest F1, and what failed.

    judged_by: the settings, as `judged_by_text` reads them.
    """
    blocks = [
        f"{_header(evaluation)}\n{judged_by_text(judged_by)}; labels count from {evaluation.calibration.threshold:.2f}",
        _metrics_table(evaluation.metrics),
        _group_table(evaluation.groups),
        _lowest_table(evaluation.labels),
        _failed(evaluation),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def judged_by_text(judged_by: Mapping[str, Any]) -> str:
    """Return who judged in one line. judged_by: as in `Reranker.judged_by`, with `encoder` and `candidates`."""
    if not judged_by["rerank"]:
        return f"judged by {judged_by['encoder']} alone"
    model = f"judged by {judged_by['model']} {judged_by['precision']} {judged_by['scoring']}"
    if judged_by["encoder"] is None:
        return f"{model}, all labels"
    return f"{model}, {judged_by['candidates']} labels a picture, proposed by {judged_by['encoder']}"


def fit_text(fit: LabelFit) -> str:
    """Return what a calibration has changed in the half of the pictures that were held out."""
    return (
        f"micro F1 {_percent(fit.f1_before)} before and {_percent(fit.f1_after)} after, calibration error "
        f"{fit.error_before:.3f} and {fit.error_after:.3f}"
    )


def _header(evaluation: LabelEvaluation) -> str:
    metrics, pictures = evaluation.metrics, len(evaluation.scores.present)
    count = "1 picture" if pictures == 1 else f"{pictures:,} pictures"
    failed = f" ({len(evaluation.failed):,} failed)" if evaluation.failed else ""
    return (
        f"{evaluation.dataset.name}: {count}{failed}; {len(evaluation.labels):,} labels of "
        f"“{Path(evaluation.vocabulary.name).name}”, of which {metrics.labels:,} occur; {metrics.pairs:,} pairs are "
        f"known, and {metrics.judged_pairs:,} of these were judged"
    )


def _metrics_table(metrics: LabelMetrics) -> str:
    titles = {name: title for name, title in _TITLES.items() if name in metrics.values}
    if "none_recognised" in titles:
        titles["none_recognised"] += f" ({metrics.without:,})"
    width = max(MIN_NAME_WIDTH, *map(len, titles.values())) + 2
    lines = [f"{'':{width}}{'all labels':>12}{'95 % interval':>18}"]
    for name, title in titles.items():
        estimate = metrics.values[name]
        if name == "calibration_error":
            value, interval = f"{estimate.value:.4f}", f"{estimate.interval.low:.4f} to {estimate.interval.high:.4f}"
        else:
            value = _percent(estimate.value)
            interval = f"{100 * estimate.interval.low:.1f} to {100 * estimate.interval.high:.1f}"
        lines.append(f"{title:{width}}{value:>12}{interval:>18}")
    return "\n".join(lines)


def _group_table(groups: Mapping[Name | None, LabelMetrics]) -> str:
    if not groups:
        return ""
    names = [group.written("en") if group else _NO_GROUP for group in groups]
    width = max(MIN_NAME_WIDTH, *map(_cells, names)) + 2
    head = (
        f"{'by group':{width}}{'labels':>8}{'precision':>11}{'recall':>9}{'micro F1':>10}{'95 % interval':>16}"
        f"{'macro F1':>10}{'mAP':>9}{'cal. error':>12}"
    )
    return "\n".join(
        [
            head,
            *(f"{_padded(name, width)}{_group_line(each)}" for name, each in zip(names, groups.values(), strict=True)),
        ]
    )


def _group_line(metrics: LabelMetrics) -> str:
    values = {name: _percent(each.value) for name, each in metrics.values.items()}
    f1, error = metrics.values.get("micro_f1"), metrics.values.get("calibration_error")
    interval = f"{100 * f1.interval.low:.1f} to {100 * f1.interval.high:.1f}" if f1 else "-"
    return (
        f"{metrics.labels:>8,}{values.get('micro_precision', '-'):>11}{values.get('micro_recall', '-'):>9}"
        f"{values.get('micro_f1', '-'):>10}{interval:>16}{values.get('macro_f1', '-'):>10}"
        f"{values.get('mean_average_precision', '-'):>9}{f'{error.value:.4f}' if error else '-':>12}"
    )


def lowest_f1(labels: Sequence[LabelFigures]) -> list[LabelFigures]:
    """Return the labels that occur with the lowest F1, lowest first; of equal ones those of most pictures."""
    occurring = [(each.f1, -each.present, each.label.key, each) for each in labels if each.f1 is not None]
    return [each for *_, each in sorted(occurring, key=lambda item: item[:3])][:LOWEST]


def _lowest_table(labels: Sequence[LabelFigures]) -> str:
    lowest = lowest_f1(labels)
    if not lowest:
        return ""
    width = max(MIN_NAME_WIDTH, *(_cells(each.label.key) for each in lowest)) + 2
    columns = f"{'pictures':>10}{'precision':>11}{'recall':>9}{'F1':>9}{'AP':>9}{'threshold':>11}{'best':>7}"
    head = f"{'lowest F1':{width}}{columns}"
    return "\n".join([head, *(f"{_padded(each.label.key, width)}{_label_line(each)}" for each in lowest)])


def _label_line(figures: LabelFigures) -> str:
    precision, recall, f1 = map(_percent, (figures.precision, figures.recall, figures.f1))
    best = "-" if figures.best_threshold is None else f"{figures.best_threshold:.2f}"
    return (
        f"{figures.present:>10,}{precision:>11}{recall:>9}{f1:>9}{_percent(figures.average_precision):>9}"
        f"{figures.threshold:>11.2f}{best:>7}"
    )


def _failed(evaluation: LabelEvaluation) -> str:
    """Return a line for each of the first pictures that failed; empty if none has."""
    lines = [f"failed: {each.candidate.name}: {sentence(each.error, 'en')}" for each in evaluation.failed[:MAX_FAILED]]
    if len(evaluation.failed) > MAX_FAILED:
        lines.append(f"failed: {len(evaluation.failed) - MAX_FAILED:,} more")
    return "\n".join(lines)


def _cells(text: str) -> int:
    """Return the width of a text in a terminal, where Chinese characters take two cells."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _cells(text))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
