"""An evaluation as files: JSON and CSV for what plots and computes, TREC's runs and qrels for other measures.

results.json   one object a combination, every digit
results.csv    one line a combination, the same figures in flat columns
report.html    for people; see `reranker.evaluation.report`
qrels.trec     which pictures are right, and how much
runs/          the order of each combination, by the names of the pictures
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from reranker.engine.batching import float32
from reranker.evaluation.datasets.labelled import Dataset
from reranker.evaluation.metrics import best_first
from reranker.evaluation.report import as_html
from reranker.evaluation.results import Comparison, Configuration, Evaluated, Evaluation, Figures, Fit, Share
from reranker.export.rows import spreadsheet_cell
from reranker.images.limits import Limits
from reranker.storage.atomic_write import write_atomically

_NOT_IN_FILE_NAMES: Final = '<>:"/\\|?*'
_FIT_NUMBERS: Final = tuple(field.name for field in fields(Fit) if field.name not in {"before", "after"})
_LEAST_NORMAL: Final = np.finfo(np.float32).tiny


def write_all(evaluation: Evaluation, folder: Path, limits: Limits) -> None:
    """Write all files, each whole or not at all, into a folder that is made where it is missing. Raises OSError.

    What an earlier evaluation wrote there by the same names is replaced. limits: of the pictures that the report shows.
    """
    texts = {
        "results.json": as_json(evaluation),
        "results.csv": as_csv(evaluation),
        "qrels.trec": as_qrels(evaluation.dataset),
        "report.html": as_html(evaluation, limits=limits),
    }
    for one in evaluation.evaluated:
        texts[f"runs/{_run_name(one.configuration)}.trec"] = as_trec_run(one, evaluation.dataset)
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        # A name may hold bytes that are no text: they are written escaped, which is also how JSON writes them.
        write_atomically(text.encode(errors="backslashreplace"), folder / name)


def as_json(evaluation: Evaluation) -> str:
    """A list with one object a combination, in their order. Raises ValueError where a figure is no finite number."""
    results = [_result(one, evaluation) for one in evaluation.evaluated]
    return json.dumps(results, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def as_csv(evaluation: Evaluation) -> str:
    """A header and one line a combination, by RFC 4180; what nobody knows is empty, and no text is a formula."""
    lines = [_line(one, evaluation) for one in evaluation.evaluated]
    columns = dict.fromkeys(column for line in lines for column in line)
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_trec_run(evaluated: Evaluated, dataset: Dataset) -> str:
    """`query-id Q0 picture rank score tag`, a line a judged picture, in the order that the figures are of.

    So trec_eval finds in it what results.json says: of equal scores the wrong picture's is lowered less.
    """
    tag = _run_name(evaluated.configuration)
    lines = []
    for labelled, judged in zip(dataset.sets, evaluated.judged, strict=True):
        order = best_first(labelled, judged)
        falling = _strictly_falling([float32(odds) for index in order if (odds := judged.log_odds[index]) is not None])
        for rank, (index, score) in enumerate(zip(order, falling, strict=True), start=1):
            picture = _word(labelled.pictures[index].name)
            lines.append(f"{_word(labelled.id)} Q0 {picture} {rank} {score!r} {tag}\n")
    return "".join(lines)


def as_qrels(dataset: Dataset) -> str:
    """`query-id 0 picture gain`, a line a picture, by the same ids as the runs."""
    return "".join(
        f"{_word(labelled.id)} 0 {_word(picture.name)} {picture.gain}\n"
        for labelled in dataset.sets
        for picture in labelled.pictures
    )


def _result(one: Evaluated, evaluation: Evaluation) -> dict[str, Any]:
    figures = one.figures
    return {
        **asdict(one.configuration),
        **_single_figures(figures),
        "intervals": {name: [each.low, each.high] for name, each in sorted(figures.intervals.items())},
        "languages": _shares(figures.languages),
        "kinds": _shares(figures.kinds),
        "fit": one.fit and {name: getattr(one.fit, name) for name in _FIT_NUMBERS},
        "dataset": evaluation.dataset.name,
        "fingerprint": one.fingerprint,
        "compared": [_compared(each) for each in evaluation.comparisons if each.second == one.configuration],
    }


def _single_figures(figures: Figures) -> dict[str, Any]:
    """Those that are one number, or None."""
    values = {field.name: getattr(figures, field.name) for field in fields(figures)}
    return {name: value for name, value in values.items() if not isinstance(value, Mapping)}


def _shares(shares: Mapping[str, Share]) -> dict[str, Any]:
    return {name: asdict(share) for name, share in sorted(shares.items())}


def _compared(comparison: Comparison) -> dict[str, Any]:
    """What this combination is compared with, and the differences from it."""
    differences = {
        name: {**asdict(each), "interval": [each.interval.low, each.interval.high]}
        for name, each in sorted(comparison.differences.items())
    }
    return {
        "with": comparison.first.label,
        "differences": differences,
        "kendall_tau": comparison.kendall_tau,
        "changed_first": comparison.changed_first,
    }


def _line(one: Evaluated, evaluation: Evaluation) -> dict[str, Any]:
    """By column; those of intervals, languages and kinds are there where this combination has them."""
    figures = one.figures
    cells = {"dataset": evaluation.dataset.name, **asdict(one.configuration), **_single_figures(figures)}
    for name, interval in sorted(figures.intervals.items()):
        cells |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    cells |= {f"first_{name}": share.value for name, share in sorted(figures.languages.items())}
    cells |= {f"pairs_{name}": share.value for name, share in sorted(figures.kinds.items())}
    cells |= {f"fit_{name}": getattr(one.fit, name, None) for name in _FIT_NUMBERS}
    return {name: spreadsheet_cell(value) for name, value in {**cells, "fingerprint": one.fingerprint}.items()}


def _strictly_falling(scores: Sequence[float]) -> Iterator[float]:
    """Scores in order, lowered where they are no lower than the one before, by as little as float32 can tell.

    trec_eval sorts by the score, in float32, and turns equal ones by their ids: only so does it find our order again.
    """
    before = float("inf")
    for score in scores:
        before = min(score, _next_lower(before))
        yield before


def _next_lower(value: float) -> float:
    """In float32, and below 0 a normal number at once: some processors take subnormal ones for 0."""
    number = np.float32(value)
    return float(min(np.nextafter(number, np.float32(-np.inf)), number - _LEAST_NORMAL))


def _run_name(configuration: Configuration) -> str:
    """The label as one word that is also the name of a file; no two combinations have the same."""
    model = _word(configuration.model, _NOT_IN_FILE_NAMES)
    return f"{model}_{configuration.precision}_{configuration.scoring}_{configuration.visual_tokens}"


def _word(text: str, unwanted: str = "") -> str:
    """Without white space or what cannot be printed: that is percent-quoted, so that no two texts become one."""
    return "".join(
        quote(letter, safe="", errors="surrogatepass")
        if letter.isspace() or not letter.isprintable() or letter in f"%{unwanted}"
        else letter
        for letter in text
    )
