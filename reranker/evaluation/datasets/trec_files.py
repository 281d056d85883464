"""Relevance judgements (qrels) and runs, as trec_eval and BEIR have them: a line says something of a query's document.

Columns are separated by tabulators where a line has any, as ids may then hold spaces, else by blanks.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reranker.core.errors import FaultReason
from reranker.evaluation.datasets.reading import Faults, numbered_lines, read_text


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of such a file; number: its relevance, a whole one of at least 0, or its score."""

    file: Path
    line: int
    query: str
    document: str
    number: float


def _relevance(text: str) -> int | None:
    """What is below 0 marks documents that are worse than wrong; trec_eval counts them as wrong."""
    return max(0, int(text)) if re.fullmatch("[+-]?[0-9]{1,9}", text) else None


def _score(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True, kw_only=True)
class _Form:
    """Names of the columns, and where document and number stand among them; the query is the first.

    misfit, twice: the reasons where the number is none, and where a document stands there twice.
    """

    columns: str
    document: int
    number: int
    parsed: Callable[[str], float | None]
    misfit: FaultReason
    twice: FaultReason


_BEIR: Final = _Form(
    columns="query-id corpus-id score",
    document=1,
    number=2,
    parsed=_relevance,
    misfit="relevance",
    twice="labelled twice",
)
_TREC: Final = _Form(
    columns="query 0 document relevance",
    document=2,
    number=3,
    parsed=_relevance,
    misfit="relevance",
    twice="labelled twice",
)
_RUN: Final = _Form(
    columns="query Q0 document rank score tag",
    document=2,
    number=4,
    parsed=_score,
    misfit="score",
    twice="picture twice",
)


def read_qrels(file: Path, faults: Faults) -> list[Row]:
    """Three columns, with BEIR's header or without, or TREC's four."""
    lines = list(numbered_lines(read_text(file, faults)))
    if lines and lines[0][1].startswith("query-id"):
        return _rows(file, lines[1:], _BEIR, faults)
    is_trec = lines and len(_cells(lines[0][1])) == len(_TREC.columns.split())
    return _rows(file, lines, _TREC if is_trec else _BEIR, faults)


def read_run(file: Path, faults: Faults) -> list[Row]:
    """TREC's six columns; the larger score first, and else as the file has them."""
    lines = list(numbered_lines(read_text(file, faults)))
    return sorted(_rows(file, lines, _RUN, faults), key=lambda row: -row.number)


def _rows(file: Path, lines: Sequence[tuple[int, str]], form: _Form, faults: Faults) -> list[Row]:
    rows: dict[tuple[str, str], Row] = {}
    for line, text in lines:
        cells = _cells(text)
        if len(cells) != len(form.columns.split()) or not all(cells):
            faults.add(file, line, "columns", form.columns)
            continue
        query, document, number = cells[0], cells[form.document], form.parsed(cells[form.number])
        if number is None:
            faults.add(file, line, form.misfit, cells[form.number])
        elif (query, document) in rows:
            faults.add(file, line, form.twice, document)
        else:
            rows[query, document] = Row(file=file, line=line, query=query, document=document, number=number)
    return list(rows.values())


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
