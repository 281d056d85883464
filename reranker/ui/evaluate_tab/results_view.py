"""What the page shows of an evaluation: the table, what differs by more than chance, and which queries went wrong.

Knows neither gradio nor torch.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reranker.config.settings import DETAILS
from reranker.evaluation.datasets.labelled import LabelledSet
from reranker.evaluation.metrics import best_first
from reranker.evaluation.results import Comparison, Configuration, Difference, Evaluated, Evaluation, JudgedSet
from reranker.evaluation.tables import COLUMNS, COMPARED, Cell, main_rows, number_text
from reranker.evaluation.worst_sets import place_of_right
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase, phrases

FIGURES: Final = frozenset(
    {"first", "within_3", "mrr", "ndcg_at_10", "recall_at_5", "score_std", "separation", "ms_a_picture"}
)
FEW_SETS: Final = 30  # below, only large differences are more than chance

Names = Mapping[Configuration, str]


def evaluation_board(
    evaluation: Evaluation, details: Sequence[int], thumbnail_of: Callable[[Path], Path], language: Language
) -> dict[str, Any]:
    """The value of the component that shows it all. details: visual tokens at the lowest, usual and highest detail."""
    names = {one.configuration: way_name(one.configuration, details, language) for one in evaluation.evaluated}
    titles, meanings = phrases("figure_", language), phrases("meaning_", language)
    columns = [column.figure for column in COLUMNS if column.figure in FIGURES]
    verdicts = [_verdict(pair, names, len(evaluation.dataset.sets), language) for pair in evaluation.comparisons]
    return {
        "labels": phrases("evaluation_", language),
        "caption": _caption(evaluation, language),
        "heads": [{"title": titles[figure], "meaning": meanings[figure]} for figure in columns],
        "rows": _rows(evaluation.evaluated, names, language),
        "verdicts": verdicts,
        "by_chance": phrase("by_chance", language, count=sum(not one["real"] for one in verdicts)),
        "wrong": _wrong(evaluation, thumbnail_of, language),
        "ways": list(names.values()),
        "notes": _notes(evaluation, names, language),
    }


def way_name(configuration: Configuration, details: Sequence[int], language: Language) -> str:
    """`yes or no · usual (49 tokens)`."""
    by_tokens = {tokens: detail for detail, tokens in reversed([*zip(DETAILS, details, strict=False)])}
    detail = by_tokens.get(configuration.visual_tokens, "own")
    asked = phrase(f"method_{configuration.scoring}", language)
    return f"{asked} · {phrase(f'method_{detail}', language, tokens=configuration.visual_tokens)}"


def _caption(evaluation: Evaluation, language: Language) -> str:
    first = evaluation.evaluated[0]
    sets, pictures = first.figures.sets, first.figures.pictures
    judged_by = f"{first.configuration.model} · {first.configuration.precision}"
    return f"{judged_by} · {phrase('measured', language, count=sets, pictures=f'{pictures:,}')}"


def _rows(evaluated: Sequence[Evaluated], names: Names, language: Language) -> list[dict[str, Any]]:
    rows = main_rows([names[one.configuration] for one in evaluated], [one.figures for one in evaluated])
    return [
        {
            "name": row.name,
            "cells": [
                _cell(column.figure, cell, one, language)
                for column, cell in zip(COLUMNS, row.cells, strict=True)
                if column.figure in FIGURES
            ],
        }
        for row, one in zip(rows, evaluated, strict=True)
    ]


def _cell(figure: str, cell: Cell, one: Evaluated, language: Language) -> dict[str, Any]:
    """Of the intervals only that of the first place: this is what people look at first."""
    note = ""
    if figure == "first":
        low, high = (
            f"{100 * end:.0f}" for end in (one.figures.intervals[figure].low, one.figures.intervals[figure].high)
        )
        note = phrase("no_range" if low == high else "between", language, low=low, high=high)
    return {"text": cell.text, "note": note, "best": cell.is_best}


def _real(pair: Comparison) -> list[str]:
    """The figures that differ by more than chance."""
    return [figure for figure in COMPARED if pair.differences[figure].is_real]


def _verdict(pair: Comparison, names: Names, sets: int, language: Language) -> dict[str, Any]:
    real = _real(pair)
    is_second = pair.differences[(real or ["first"])[0]].value >= 0
    better, worse = (pair.second, pair.first) if is_second else (pair.first, pair.second)
    told = (_difference(figure, pair.differences[figure], is_second, language) for figure in real or ["first"])
    values = {"better": names[better], "worse": names[worse], "figures": phrase("and", language).join(told)}
    text = phrase("real" if real else "chance", language, **values)
    changed = phrase("changed_first", language, changed=pair.changed_first, sets=sets)
    return {"text": f"{text} {changed}", "real": bool(real)}


def _difference(figure: str, difference: Difference, is_second: bool, language: Language) -> str:
    """Of the better one from the other, with its interval."""
    sign = 1 if is_second else -1
    ends = sorted(sign * end for end in (difference.interval.low, difference.interval.high))
    texts = [_signed(figure, end) for end in (sign * difference.value, *ends)]
    values = dict(zip(("value", "low", "high"), texts, strict=True))
    return phrase(f"difference_{figure}", language, **values)


def _signed(figure: str, value: float) -> str:
    text = number_text(100 * value, 0) if figure == "first" else number_text(value, 3)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def _wrong(evaluation: Evaluation, thumbnail_of: Callable[[Path], Path], language: Language) -> list[dict[str, Any]]:
    """The queries for which at least one way did not put a right picture first, and what each way did."""
    rows = []
    for number, labelled in enumerate(evaluation.dataset.sets):
        places = [place_of_right(labelled, one.judged[number]) for one in evaluation.evaluated]
        if any(place != 1 for place in places):
            judged = (one.judged[number] for one in evaluation.evaluated)
            cells = [
                _outcome(labelled, said, place, thumbnail_of, language)
                for said, place in zip(judged, places, strict=True)
            ]
            rows.append({"query": labelled.query, "cells": cells})
    return rows


def _outcome(
    labelled: LabelledSet,
    judged: JudgedSet,
    place: int | None,
    thumbnail_of: Callable[[Path], Path],
    language: Language,
) -> dict[str, Any]:
    """The place of the first right picture, and the wrong one that came first in its stead."""
    order = best_first(labelled, judged)
    text = phrase("not_found", language) if place is None else f"#{place}"
    if place == 1 or not order:
        return {"text": text, "right": place == 1, "src": None, "title": ""}
    first = labelled.pictures[order[0]]
    src = str(thumbnail_of(first.source)) if isinstance(first.source, Path) else None
    return {"text": text, "right": False, "src": src, "title": phrase("came_first", language, name=first.name)}


def _notes(evaluation: Evaluation, names: Names, language: Language) -> list[str]:
    sets = len(evaluation.dataset.sets)
    notes = [phrase("few_sets", language, enough=FEW_SETS)] if sets < FEW_SETS else []
    failed = ((names[one.configuration], one.figures.failures) for one in evaluation.evaluated if one.figures.failures)
    return [*notes, *(phrase("unscored", language, method=name, count=count) for name, count in failed)]
