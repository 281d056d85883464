"""Read qrels and runs in the formats of trec_eval and BEIR: each line is about one document for one query.

Columns are separated by tabs if the line has any, so that ids may contain spaces, and else by spaces.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reranker.core.errors import FaultReason
from reranker.evaluation.datasets.faults import Faults
from reranker.storage.text_files import numbered_lines, read_text


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of qrels or of a run. value: in qrels the gain, an integer from 0; in a run the score."""

    file: Path
    line: int
    query: str
    document: str
    value: float


def _parse_gain(text: str) -> int | None:
    """Return the gain, or None if it is not an integer. As in trec_eval, negative values count as irrelevant."""
    return max(0, int(text)) if re.fullmatch("[+-]?[0-9]{1,9}", text) else None


def _parse_score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) else None


@dataclass(frozen=True, kw_only=True)
class _Format:
    """The columns of a format; the query is the first one.

    columns: their names. document, value: their indices. value_fault, duplicate_fault: the reasons if a value cannot be
    parsed, and if a document comes twice for a query.
    """

    columns: str
    document: int
    value: int
    parse_value: Callable[[str], float | None]
    value_fault: FaultReason
    duplicate_fault: FaultReason


_BEIR: Final = _Format(
    columns="query-id corpus-id score",
    document=1,
    value=2,
    parse_value=_parse_gain,
    value_fault="relevance",
    duplicate_fault="labelled twice",
)
_TREC: Final = _Format(
    columns="query 0 document relevance",
    document=2,
    value=3,
    parse_value=_parse_gain,
    value_fault="relevance",
    duplicate_fault="labelled twice",
)
_RUN: Final = _Format(
    columns="query Q0 document rank score tag",
    document=2,
    value=4,
    parse_value=_parse_score,
    value_fault="score",
    duplicate_fault="picture twice",
)


def read_qrels(file: Path, faults: Faults) -> list[Row]:
    """Read BEIR's three columns, with or without its header, or TREC's four columns."""
    lines = list(numbered_lines(read_text(file, faults)))
    if lines and lines[0][1].startswith("query-id"):
        return _parse_rows(file, lines[1:], _BEIR, faults)
    is_trec = lines and len(_split_columns(lines[0][1])) == len(_TREC.columns.split())
    return _parse_rows(file, lines, _TREC if is_trec else _BEIR, faults)


def read_run(file: Path, faults: Faults) -> list[Row]:
    """Read TREC's six columns. Returns the rows by descending score; equal scores keep the order of the file."""
    lines = list(numbered_lines(read_text(file, faults)))
    return sorted(_parse_rows(file, lines, _RUN, faults), key=lambda row: -row.value)


def _parse_rows(file: Path, lines: Sequence[tuple[int, str]], format_: _Format, faults: Faults) -> list[Row]:
    rows: dict[tuple[str, str], Row] = {}
    for line, text in lines:
        cells = _split_columns(text)
        if len(cells) != len(format_.columns.split()) or not all(cells):
            faults.add(file, line, "columns", format_.columns)
            continue
        query, document, value = cells[0], cells[format_.document], format_.parse_value(cells[format_.value])
        if value is None:
            faults.add(file, line, format_.value_fault, cells[format_.value])
        elif (query, document) in rows:
            faults.add(file, line, format_.duplicate_fault, document)
        else:
            rows[query, document] = Row(file=file, line=line, query=query, document=document, value=value)
    return list(rows.values())


def _split_columns(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
