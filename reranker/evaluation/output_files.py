"""Write an evaluation into files: JSON and CSV for other programs, a run and qrels for trec_eval, and a report.

results.json   one object for each configuration, with all digits
results.csv    one line for each configuration, the same metrics in flat columns
report.html    the report; see `reranker.evaluation.report`
qrels.trec     the relevance of the pictures
runs/          the ranking of each configuration, by the names of the pictures
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import numpy as np

from reranker.core.text import well_formed
from reranker.engine.batching import float32
from reranker.evaluation.datasets.types import Dataset
from reranker.evaluation.metrics import ranked_indices
from reranker.evaluation.report import as_html
from reranker.evaluation.results import (
    CalibrationFit,
    Comparison,
    Configuration,
    Evaluation,
    EvaluationResult,
    Metrics,
    Share,
)
from reranker.export.rows import csv_text
from reranker.images.limits import Limits
from reranker.storage.atomic_write import write_atomically

_NOT_IN_FILE_NAMES: Final = '<>:"/\\|?*'
_SMALLEST_NORMAL: Final = np.finfo(np.float32).tiny
_METRIC_KEYS: Final = {"hit_at_1": "first", "hit_at_3": "within_3"}  # the names in the files, if they are others
_FIT_KEYS: Final = {  # field -> name in the files
    "temperature": "temperature",
    "relevance_threshold": "fits",
    "loss_before": "loss_before",
    "loss_after": "loss_after",
    "relevant_above_threshold": "right_over",
    "irrelevant_above_threshold": "wrong_over",
    "sets": "sets",
}

_Value = TypeVar("_Value")


FILE_NAMES: Final = ("results.json", "results.csv", "qrels.trec", "report.html")


def write_all(evaluation: Evaluation, folder: Path, limits: Limits) -> None:
    """Write all files into a folder, which is created if it is missing. Each is written completely or not at all.

    Files of an earlier evaluation with the same names are replaced. limits: of the pictures in the report. Raises
    `OSError`.
    """
    contents = as_json(evaluation), as_csv(evaluation), as_qrels(evaluation.dataset), as_html(evaluation, limits=limits)
    texts = dict(zip(FILE_NAMES, contents, strict=True))
    for result in evaluation.results:
        texts[f"runs/{_run_name(result.configuration)}.trec"] = as_trec_run(result, evaluation.dataset)
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_atomically(well_formed(text).encode(), folder / name)


def as_json(evaluation: Evaluation) -> str:
    """Return a list with an object for each configuration. Raises `ValueError` if a metric is not finite."""
    objects = [_result_object(result, evaluation) for result in evaluation.results]
    return json.dumps(objects, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def as_csv(evaluation: Evaluation) -> str:
    """Return CSV as of rankings: a header and a line for each configuration. Unknown values are empty cells."""
    lines = [_csv_line(result, evaluation) for result in evaluation.results]
    columns = dict.fromkeys(column for line in lines for column in line)
    return csv_text(columns, ([line.get(column) for column in columns] for line in lines))


def as_trec_run(result: EvaluationResult, dataset: Dataset) -> str:
    """Return a line `query-id Q0 picture rank score tag` for each scored picture, in the order of the metrics.

    Equal scores are lowered a little, so that trec_eval finds the same order and computes the same metrics.
    """
    tag = _run_name(result.configuration)
    lines = []
    for labelled, scored in zip(dataset.sets, result.scored_sets, strict=True):
        order = ranked_indices(labelled, scored)
        scores = [float32(value) for index in order if (value := scored.log_odds[index]) is not None]
        for rank, (index, score) in enumerate(zip(order, _strictly_falling(scores), strict=True), start=1):
            picture = _word(labelled.pictures[index].name)
            lines.append(f"{_word(labelled.id)} Q0 {picture} {rank} {score!r} {tag}\n")
    return "".join(lines)


def as_qrels(dataset: Dataset) -> str:
    """Return a line `query-id 0 picture gain` for each picture, with the ids of the runs."""
    return "".join(
        f"{_word(labelled.id)} 0 {_word(picture.name)} {picture.gain}\n"
        for labelled in dataset.sets
        for picture in labelled.pictures
    )


def _result_object(result: EvaluationResult, evaluation: Evaluation) -> dict[str, Any]:
    metrics = result.metrics
    return {
        **asdict(result.configuration),
        **_single_values(metrics),
        "intervals": {key: [each.low, each.high] for key, each in _by_key(metrics.intervals)},
        "languages": _share_objects(metrics.languages),
        "kinds": _share_objects(metrics.kinds),
        "fit": result.fit and _fit_values(result.fit),
        "dataset": evaluation.dataset.name,
        "fingerprint": result.fingerprint,
        "compared": [
            _comparison_object(each) for each in evaluation.comparisons if each.second == result.configuration
        ],
    }


def _key(metric: str) -> str:
    """Return the name of a metric in the files."""
    return _METRIC_KEYS.get(metric, metric)


def _by_key(values: Mapping[str, _Value]) -> list[tuple[str, _Value]]:
    """Return values by metric with their names in the files, sorted by these."""
    return sorted(((_key(name), value) for name, value in values.items()), key=lambda item: item[0])


def _single_values(metrics: Metrics) -> dict[str, Any]:
    """Return the metrics that are a number or None."""
    values = {_key(field.name): getattr(metrics, field.name) for field in fields(metrics)}
    return {name: value for name, value in values.items() if not isinstance(value, Mapping)}


def _fit_values(fit: CalibrationFit | None) -> dict[str, Any]:
    return {key: getattr(fit, field, None) for field, key in _FIT_KEYS.items()}


def _share_objects(shares: Mapping[str, Share]) -> dict[str, Any]:
    return {name: asdict(share) for name, share in sorted(shares.items())}


def _comparison_object(comparison: Comparison) -> dict[str, Any]:
    """Return the differences from the first configuration."""
    differences = {
        key: {
            "value": each.value,
            "interval": [each.interval.low, each.interval.high],
            "p": each.p,
            "is_real": each.is_significant,
        }
        for key, each in _by_key(comparison.differences)
    }
    return {
        "with": comparison.first.label,
        "differences": differences,
        "kendall_tau": comparison.kendall_tau,
        "changed_first": comparison.changed_first,
    }


def _csv_line(result: EvaluationResult, evaluation: Evaluation) -> dict[str, Any]:
    """Return cells by column. Only intervals, languages and kinds that this configuration has get a column."""
    metrics = result.metrics
    cells = {"dataset": evaluation.dataset.name, **asdict(result.configuration), **_single_values(metrics)}
    for key, interval in _by_key(metrics.intervals):
        cells |= {f"{key}_low": interval.low, f"{key}_high": interval.high}
    cells |= {f"first_{name}": share.value for name, share in sorted(metrics.languages.items())}
    cells |= {f"pairs_{name}": share.value for name, share in sorted(metrics.kinds.items())}
    cells |= {f"fit_{name}": value for name, value in _fit_values(result.fit).items()}
    cells["fingerprint"] = result.fingerprint
    return cells


def _strictly_falling(scores: Sequence[float]) -> Iterator[float]:
    """Lower each score that is not below the one before it by the smallest step of float32.

    trec_eval compares scores in float32, and orders equal ones by their ids.
    """
    previous = float("inf")
    for score in scores:
        previous = min(score, _next_lower(previous))
        yield previous


def _next_lower(value: float) -> float:
    """Return the next lower float32 that is not subnormal, since some processors treat subnormal numbers as 0."""
    number = np.float32(value)
    return float(min(np.nextafter(number, np.float32(-np.inf)), number - _SMALLEST_NORMAL))


def _run_name(configuration: Configuration) -> str:
    """Return the label as one word that is a valid file name, different for each configuration."""
    model = _word(configuration.model, _NOT_IN_FILE_NAMES)
    return f"{model}_{configuration.precision}_{configuration.scoring}_{configuration.visual_tokens}"


def _word(text: str, unwanted: str = "") -> str:
    """Percent-encode white space, what cannot be printed, and unwanted characters; different texts stay different."""
    return "".join(
        quote(letter, safe="", errors="surrogatepass")
        if letter.isspace() or not letter.isprintable() or letter in f"%{unwanted}"
        else letter
        for letter in text
    )
