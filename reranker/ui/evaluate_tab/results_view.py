"""Prepare an evaluation for the page: the metrics, the significant differences, and the queries with mistakes.

Imports neither Gradio nor torch.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reranker.config.settings import DETAILS
from reranker.evaluation.datasets.types import LabelledSet
from reranker.evaluation.metrics import ranked_indices
from reranker.evaluation.report_tables import COLUMNS, Cell, main_rows, number_text
from reranker.evaluation.results import (
    COMPARED_METRICS,
    Comparison,
    Configuration,
    Difference,
    Evaluation,
    EvaluationResult,
    ScoredSet,
)
from reranker.evaluation.worst_sets import first_relevant_rank
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases

MAIN_RANKS: Final = {"hit_at_1": 1, "hit_at_3": 3}  # shown at once, as shares of the sentences; the rest is folded
METRICS: Final = frozenset({"hit_at_1", "mrr", "ndcg_at_10", "recall_at_5", "score_std", "separation", "ms_a_picture"})
MIN_QUERIES: Final = 30  # with fewer, only large differences are significant

Names = Mapping[Configuration, str]
IdOf = Callable[[Path], str | None]  # returns the id of a picture, if it is still in the session


def evaluation_value(
    evaluation: Evaluation, detail_levels: Sequence[int], id_of: IdOf, language: Language
) -> dict[str, Any]:
    """Return the value of the component with the results, for `evaluation.js`.

    detail_levels: the numbers of visual tokens at the lowest, usual and highest detail.
    """
    names = {
        each.configuration: method_name(each.configuration, detail_levels, language) for each in evaluation.results
    }
    columns = [column.metric for column in COLUMNS if column.metric in METRICS]
    verdicts = [_verdict(pair, names, len(evaluation.dataset.sets), language) for pair in evaluation.comparisons]
    return {
        "labels": phrases("evaluation_", language),
        "headlines": _headlines(evaluation, names, language),
        "main": {
            "heads": _heads(list(MAIN_RANKS), "plain_", language),
            "rows": [_main_row(evaluation, each, names) for each in evaluation.results],
        },
        "caption": _caption(evaluation, language),
        "heads": _heads(columns, "meaning_", language),
        "rows": _rows(evaluation.results, names, language),
        "verdicts": verdicts,
        "by_chance": phrase("by_chance", language, count=sum(not verdict["real"] for verdict in verdicts)),
        "wrong": _mistakes(evaluation, id_of, language),
        "methods": list(names.values()),
        "notes": _notes(evaluation, names, language),
    }


def _heads(metrics: Sequence[str], meanings: str, language: Language) -> list[dict[str, str]]:
    titles, texts = phrases("figure_", language), phrases(meanings, language)
    return [{"title": titles[metric], "meaning": texts[metric]} for metric in metrics]


def _hits(evaluation: Evaluation, result: EvaluationResult, worst_rank: int) -> int:
    """Return for how many queries a relevant picture is ranked so high."""
    pairs = zip(evaluation.dataset.sets, result.scored_sets, strict=True)
    ranks = (first_relevant_rank(labelled, scored_set) for labelled, scored_set in pairs)
    return sum(rank is not None and rank <= worst_rank for rank in ranks)


def _headlines(evaluation: Evaluation, names: Names, language: Language) -> list[str]:
    """Return a plain sentence for each method."""
    has_several = any(
        sum(picture.is_relevant for picture in labelled.pictures) > 1 for labelled in evaluation.dataset.sets
    )
    key = "a_relevant_first" if has_several else "the_relevant_first"
    sentences = {
        each.configuration: phrase(key, language, hits=_hits(evaluation, each, 1), count=len(evaluation.dataset.sets))
        for each in evaluation.results
    }
    if len(sentences) == 1:
        return list(sentences.values())
    return [
        phrase("of_method", language, method=names[each], text=text[:1].lower() + text[1:])
        for each, text in sentences.items()
    ]


def _main_row(evaluation: Evaluation, result: EvaluationResult, names: Names) -> dict[str, Any]:
    set_count = len(evaluation.dataset.sets)
    hits = [_hits(evaluation, result, rank) for rank in MAIN_RANKS.values()]
    cells = [{"text": f"{100 * each / set_count:.0f}%", "note": f"{each}/{set_count}"} for each in hits]
    return {"name": names[result.configuration], "cells": cells}


def method_name(configuration: Configuration, detail_levels: Sequence[int], language: Language) -> str:
    """Return `yes or no · usual (49 tokens)`."""
    by_tokens = {tokens: detail for detail, tokens in reversed([*zip(DETAILS, detail_levels, strict=False)])}
    detail = by_tokens.get(configuration.visual_tokens, "own")
    scoring = phrase(f"method_{configuration.scoring}", language)
    return f"{scoring} · {phrase(f'method_{detail}', language, tokens=configuration.visual_tokens)}"


def _caption(evaluation: Evaluation, language: Language) -> str:
    first = evaluation.results[0]
    sets, pictures = first.metrics.sets, first.metrics.pictures
    model = f"{first.configuration.model} · {first.configuration.precision}"
    return f"{model} · {phrase('measured', language, count=sets, pictures=f'{pictures:,}')}"


def _rows(results: Sequence[EvaluationResult], names: Names, language: Language) -> list[dict[str, Any]]:
    rows = main_rows([names[each.configuration] for each in results], [each.metrics for each in results])
    return [
        {
            "name": row.name,
            "cells": [
                _cell(column.metric, cell, each, language)
                for column, cell in zip(COLUMNS, row.cells, strict=True)
                if column.metric in METRICS
            ],
        }
        for row, each in zip(rows, results, strict=True)
    ]


def _cell(metric: str, cell: Cell, result: EvaluationResult, language: Language) -> dict[str, Any]:
    """Return a cell of the table. Only the share of right first places, the main metric, shows its interval."""
    note = ""
    if metric == "hit_at_1":
        interval = result.metrics.intervals[metric]
        low, high = f"{100 * interval.low:.0f}", f"{100 * interval.high:.0f}"
        note = phrase("no_range" if low == high else "between", language, low=low, high=high)
    return {"text": cell.text, "note": note, "best": cell.is_best}


def _significant_metrics(pair: Comparison) -> list[str]:
    return [metric for metric in COMPARED_METRICS if pair.differences[metric].is_significant]


def _verdict(pair: Comparison, names: Names, set_count: int, language: Language) -> dict[str, Any]:
    """Return a sentence about two methods, the better one first."""
    significant = _significant_metrics(pair)
    is_second_better = pair.differences[(significant or ["hit_at_1"])[0]].value >= 0
    better, worse = (pair.second, pair.first) if is_second_better else (pair.first, pair.second)
    differences = (
        _difference_text(metric, pair.differences[metric], is_second_better, language)
        for metric in significant or ["hit_at_1"]
    )
    values = {"better": names[better], "worse": names[worse], "figures": phrase("and", language).join(differences)}
    text = phrase("real" if significant else "chance", language, **values)
    changed = phrase("changed_first", language, changed=pair.changed_first, sets=set_count)
    return {"text": text + ("" if language == "zh" else " ") + changed, "real": bool(significant)}


def _difference_text(metric: str, difference: Difference, is_second_better: bool, language: Language) -> str:
    """Return by how much the better method differs from the other, with the interval."""
    sign = 1 if is_second_better else -1
    ends = sorted(sign * end for end in (difference.interval.low, difference.interval.high))
    texts = [_signed(metric, value) for value in (sign * difference.value, *ends)]
    values = dict(zip(("value", "low", "high"), texts, strict=True))
    return phrase(f"difference_{metric}", language, **values)


def _signed(metric: str, value: float) -> str:
    text = number_text(100 * value, 0) if metric == "hit_at_1" else number_text(value, 3)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def _mistakes(evaluation: Evaluation, id_of: IdOf, language: Language) -> list[dict[str, Any]]:
    """Return the queries for which a method did not rank a relevant picture first, with the outcome of each method."""
    rows = []
    for index, labelled in enumerate(evaluation.dataset.sets):
        scored_sets = [result.scored_sets[index] for result in evaluation.results]
        ranks = [first_relevant_rank(labelled, scored_set) for scored_set in scored_sets]
        if any(rank != 1 for rank in ranks):
            cells = [
                _outcome(labelled, scored_set, rank, id_of, language)
                for scored_set, rank in zip(scored_sets, ranks, strict=True)
            ]
            rows.append({"query": labelled.query, "cells": cells})
    return rows


def _outcome(
    labelled: LabelledSet,
    scored_set: ScoredSet,
    rank: int | None,
    id_of: IdOf,
    language: Language,
) -> dict[str, Any]:
    """Return the rank of the first relevant picture, and the wrong picture that was ranked first, if any."""
    order = ranked_indices(labelled, scored_set)
    text = phrase("not_found", language) if rank is None else f"#{rank}"
    if rank == 1 or not order:
        return {"text": text, "right": rank == 1, "picture": None, "title": ""}
    first = labelled.pictures[order[0]]
    picture = id_of(first.source) if isinstance(first.source, Path) else None
    return {"text": text, "right": False, "picture": picture, "title": phrase("came_first", language, name=first.name)}


def _notes(evaluation: Evaluation, names: Names, language: Language) -> list[str]:
    notes = [phrase("few_sets", language, enough=MIN_QUERIES)] if len(evaluation.dataset.sets) < MIN_QUERIES else []
    for result in evaluation.results:
        if count := result.metrics.failures:
            name = names[result.configuration]
            notes.append(phrase("unscored", language, method=name, count=count))
    return notes
