"""A `Ranking` as rows, and the rows as JSON and CSV: the same words in every file, whichever door asks for it."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from typing import Any, Literal

from reranker.core.errors import PictureUnrated
from reranker.core.scores import shown_score
from reranker.core.types import Failed, Ranking, Scored
from reranker.i18n.error_messages import Language, sentence

# What makes a spreadsheet read a cell as a formula, the full-width forms of East Asian keyboards among them.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture of a result; the fields are the columns of every file, in this order.

    rank: from 1, None where it failed. path: the candidate's name. score: 0 to 10, as people see it.
    log_odds: natural logarithm. words: what a model that was asked for a rating wrote. text: what was judged with the
    picture, None where nothing was.
    error: one sentence, None where it was scored.
    """

    rank: int | None
    path: str
    status: Literal["scored", "failed"]
    score: float | None
    log_odds: float | None
    words: str | None
    text: str | None
    error: str | None


COLUMNS = tuple(field.name for field in fields(Row))


def rows(ranking: Ranking, language: Language = "en") -> list[Row]:
    """The scored ones in their order, then the failed ones, with their reasons in `language`."""
    scored = [_scored_row(rank, one, ranking.temperature) for rank, one in enumerate(ranking.scored, start=1)]
    return scored + [_failed_row(one, language) for one in ranking.failed]


def as_json(ranking: Ranking, *, judged_by: Mapping[str, Any], language: Language = "en") -> str:
    """One object: query, model, fingerprint, how it was judged, and results; every digit of every number.

    judged_by: as `Reranker.judged_by` has it.
    """
    return _json(_whole(ranking, judged_by, language))


def each_as_json(rankings: Sequence[Ranking], *, judged_by: Mapping[str, Any], language: Language = "en") -> str:
    """One object whose `queries` are, in order, the very objects that `as_json` makes of one ranking."""
    return _json({"queries": [_whole(ranking, judged_by, language) for ranking in rankings]})


def as_csv(ranking: Ranking, *, language: Language = "en") -> str:
    """A header and one line a picture, by RFC 4180. No text is a formula to a spreadsheet; what is None is empty."""
    return _csv(COLUMNS, (asdict(row).values() for row in rows(ranking, language)))


def each_as_csv(rankings: Sequence[Ranking], *, language: Language = "en") -> str:
    """As `as_csv`, one ranking after the other, with a first column `query`."""
    cells = ([ranking.query.text, *asdict(row).values()] for ranking in rankings for row in rows(ranking, language))
    return _csv(("query", *COLUMNS), cells)


def _whole(ranking: Ranking, judged_by: Mapping[str, Any], language: Language) -> dict[str, Any]:
    return {
        "query": ranking.query.text,
        "model": judged_by["model"],
        "fingerprint": ranking.fingerprint,
        "judged_by": judged_by,
        "results": [asdict(row) for row in rows(ranking, language)],
    }


def _json(whole: dict[str, Any]) -> str:
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _csv(header: Sequence[str], lines: Iterable[Iterable[Any]]) -> str:
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(map(spreadsheet_cell, line) for line in lines)
    return text.getvalue()


def _scored_row(rank: int, one: Scored, temperature: float) -> Row:
    log_odds = one.score.log_odds
    score = shown_score(log_odds, temperature)
    return Row(
        rank=rank,
        path=one.candidate.name,
        status="scored",
        score=score,
        log_odds=log_odds,
        words=one.score.generated_text,
        text=one.candidate.text or None,
        error=None,
    )


def _failed_row(one: Failed, language: Language) -> Row:
    reason = sentence(one.error, language)
    words = one.error.generated_text if isinstance(one.error, PictureUnrated) else None
    return Row(
        rank=None,
        path=one.candidate.name,
        status="failed",
        score=None,
        log_odds=None,
        words=words,
        text=one.candidate.text or None,
        error=reason,
    )


def spreadsheet_cell(value: str | float | None) -> str | float | None:
    """A text that would be a formula is marked as text, by the apostrophe that spreadsheets know; numbers stay."""
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
