"""An evaluation as a self-contained HTML page without scripts: tables, charts and the worst sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from reranker.core.text import well_formed
from reranker.evaluation.charts import ERROR_BAR_WIDTH, HISTOGRAM, RELIABILITY, histograms, reliability_curve
from reranker.evaluation.report_tables import (
    COLUMNS,
    LANGUAGES,
    TITLES,
    comparison_rows,
    main_rows,
    number_text,
    percent_text,
    share_rows,
    short_names,
)
from reranker.evaluation.results import COMPARED_METRICS, CalibrationFit, Configuration, Evaluation, Share
from reranker.evaluation.worst_sets import worst_sets
from reranker.images.limits import Limits

_TEMPLATE: Final = Path(__file__).with_name("report.html.jinja")


def as_html(evaluation: Evaluation, *, limits: Limits) -> str:
    """Return the report in English; the same evaluation gives the same page.

    limits: of the pictures that are shown; a picture that is missing or exceeds them is replaced by a text.
    """
    page = _environment().from_string(_TEMPLATE.read_text(encoding="utf-8")).render(_content(evaluation, limits))
    return well_formed(page)


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number_text, "percent": percent_text}
    return environment


def _content(evaluation: Evaluation, limits: Limits) -> dict[str, Any]:
    """Return the variables of the template."""
    dataset, results = evaluation.dataset, evaluation.results
    configurations = [result.configuration for result in results]
    names_of = short_names(configurations)
    names = [names_of[configuration] for configuration in configurations]
    metrics = [result.metrics for result in results]
    return {
        "dataset": dataset.name,
        "sets": len(dataset.sets),
        "pictures": sum(len(labelled.pictures) for labelled in dataset.sets),
        "facts": _facts(configurations),
        "names": names,
        "columns": COLUMNS,
        "rows": main_rows(names, metrics),
        "compared": [TITLES[name] for name in COMPARED_METRICS],
        "comparisons": comparison_rows(evaluation.comparisons, names_of, len(dataset.sets)),
        "languages": share_rows([_by_language_name(each.languages) for each in metrics]),
        "language_names": LANGUAGES,
        "kinds": share_rows([each.kinds for each in metrics]),
        "histograms": list(zip(names, histograms(dataset.sets, results), strict=True)),
        "fits": [_fit(name, result.fit) for name, result in zip(names, results, strict=True)],
        "frames": {"histogram": HISTOGRAM, "reliability": RELIABILITY, "error_bar": ERROR_BAR_WIDTH},
        "worst": worst_sets(evaluation, limits),
        "names_of": names_of,
    }


def _facts(configurations: Sequence[Configuration]) -> dict[str, str]:
    """Return what was evaluated, each value once."""
    values: dict[str, list[str]] = {
        "Model": [each.model for each in configurations],
        "Precision": [each.precision for each in configurations],
        "Scoring method": [each.scoring for each in configurations],
        "Visual tokens a picture, at most": [str(each.visual_tokens) for each in configurations],
    }
    return {name: ", ".join(dict.fromkeys(each)) for name, each in values.items()}


def _by_language_name(languages: Mapping[str, Share]) -> dict[str, Share]:
    return {LANGUAGES[language]: share for language, share in languages.items()}


def _fit(name: str, fit: CalibrationFit | None) -> dict[str, Any]:
    """Return a calibration, if there is one, with its reliability curves."""
    curves = {}
    if fit is not None:
        curves = {"before": reliability_curve(fit.bins_before), "after": reliability_curve(fit.bins_after)}
    return {"name": name, "fit": fit, "curves": curves}
