"""An evaluation as one HTML page that stands alone: tables, charts and the worst sets, with no script."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined

from reranker.evaluation.charts import HISTOGRAM, RELIABILITY, WHISKER_WIDTH, histograms, reliability
from reranker.evaluation.results import Configuration, Evaluation, Fit, Share
from reranker.evaluation.tables import (
    COLUMNS,
    COMPARED,
    LANGUAGES,
    TITLES,
    compared_pairs,
    main_rows,
    number_text,
    percent_text,
    share_rows,
    short_names,
)
from reranker.evaluation.worst_sets import worst_sets
from reranker.images.limits import Limits

_TEMPLATE: Final = Path(__file__).with_name("report.html.jinja")


def as_html(evaluation: Evaluation, *, limits: Limits) -> str:
    """The whole report, in English; the same evaluation gives the same page.

    limits: of the pictures that are shown; one that is gone or beyond them leaves its place empty.
    """
    page = _environment().from_string(_TEMPLATE.read_text(encoding="utf-8")).render(_content(evaluation, limits))
    return page.encode("utf-8", "replace").decode("utf-8")


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number_text, "percent": percent_text}
    return environment


def _content(evaluation: Evaluation, limits: Limits) -> dict[str, Any]:
    dataset, evaluated = evaluation.dataset, evaluation.evaluated
    configurations = [one.configuration for one in evaluated]
    names_of = short_names(configurations)
    names = [names_of[one] for one in configurations]
    figures = [one.figures for one in evaluated]
    return {
        "dataset": dataset.name,
        "sets": len(dataset.sets),
        "pictures": sum(len(each.pictures) for each in dataset.sets),
        "facts": _facts(configurations),
        "names": names,
        "columns": COLUMNS,
        "rows": main_rows(names, figures),
        "compared": [TITLES[name] for name in COMPARED],
        "pairs": compared_pairs(evaluation.comparisons, names_of, len(dataset.sets)),
        "languages": share_rows([_in_words(each.languages) for each in figures]),
        "language_names": LANGUAGES,
        "kinds": share_rows([each.kinds for each in figures]),
        "histograms": list(zip(names, histograms(dataset.sets, evaluated), strict=True)),
        "fits": [_fit(name, one.fit) for name, one in zip(names, evaluated, strict=True)],
        "frames": {"histogram": HISTOGRAM, "reliability": RELIABILITY, "whisker": WHISKER_WIDTH},
        "worst": worst_sets(evaluation, limits),
        "names_of": names_of,
    }


def _facts(configurations: Sequence[Configuration]) -> dict[str, str]:
    """What was tried, each value once."""
    values: dict[str, list[str]] = {
        "Model": [one.model for one in configurations],
        "Precision": [one.precision for one in configurations],
        "Scoring": [one.scoring for one in configurations],
        "Visual tokens of a picture, at most": [str(one.visual_tokens) for one in configurations],
    }
    return {name: ", ".join(dict.fromkeys(tried)) for name, tried in values.items()}


def _in_words(languages: Mapping[str, Share]) -> dict[str, Share]:
    return {LANGUAGES[name]: share for name, share in languages.items()}


def _fit(name: str, fit: Fit | None) -> dict[str, Any]:
    """A fit, where there is one, with its curves before and after."""
    curves = {} if fit is None else {"before": reliability(fit.before), "after": reliability(fit.after)}
    return {"name": name, "fit": fit, "curves": curves}
