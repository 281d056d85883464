"""A `Ranking` as rows, as JSON and as CSV. All interfaces of the program write the same columns."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from io import StringIO
from typing import Any, Final, Literal

from reranker.core.scores import shown_score
from reranker.core.text import is_visible
from reranker.core.types import Failed, Ranking, Scored
from reranker.export.ranks import Ranks, ranks_of, with_ranks
from reranker.i18n.error_messages import Language, sentence

# Characters that start a formula in a spreadsheet, including the full-width forms of East Asian keyboards.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK: Final = "\ufeff"  # without it, spreadsheet programs misread Chinese


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture of a ranking. The fields are the columns of every file, in this order.

    rank: from 1; None if the picture failed. path: the name of the candidate. score: 0 to 10, as people see it.
    log_odds: natural logarithm. words: the text that the model generated, None if it generated none. text: the text
    that was scored with the picture, None if there was none. error: one sentence; None if the picture was scored.
    sha256: of the bytes of the picture's file, in hexadecimal; None if they were not read.
    """

    rank: int | None
    path: str
    status: Literal["scored", "failed"]
    score: float | None
    log_odds: float | None
    words: str | None
    text: str | None
    error: str | None
    sha256: str | None


COLUMNS = tuple(field.name for field in fields(Row))


def rows(ranking: Ranking, language: Language = "en", ranks: Ranks = None) -> list[Row]:
    """One row for each picture: scored pictures first, in their order, then failed ones. language: of the errors.

    ranks: see `Ranks`.
    """
    ranked = zip(ranks_of(ranking, ranks), ranking.scored, strict=True)
    scored_rows = [_scored_row(rank, scored, ranking.temperature) for rank, scored in ranked]
    return scored_rows + [_failed_row(failed, language) for failed in ranking.failed]


def as_json(
    ranking: Ranking,
    *,
    judged_by: Mapping[str, Any],
    language: Language = "en",
    ranks: Ranks = None,
) -> str:
    """A JSON object with query, exclude, model, fingerprint, `judged_by` and results. Numbers have all their digits.

    `example` is the name of the query's picture, or null. judged_by: see `Reranker.judged_by`. ranks: as in `rows`.
    Raises `ValueError` if a number is infinite or not a number.
    """
    return _json(_ranking_object(ranking, judged_by, language, ranks))


def rankings_as_json(
    rankings: Sequence[Ranking],
    *,
    judged_by: Mapping[str, Any],
    language: Language = "en",
    ranks: Sequence[Ranks] | None = None,
) -> str:
    """A JSON object whose `queries` are the objects that `as_json` writes for each ranking. ranks: those of each."""
    pairs = with_ranks(rankings, ranks)
    return _json({"queries": [_ranking_object(ranking, judged_by, language, each) for ranking, each in pairs]})


def as_csv(ranking: Ranking, *, language: Language = "en", ranks: Ranks = None) -> str:
    """CSV as in RFC 4180 after a byte order mark: a header and a line for each picture.

    ranks: as in `rows`. None is an empty cell; see `spreadsheet_cell`.
    """
    return csv_text(COLUMNS, (asdict(row).values() for row in rows(ranking, language, ranks)))


def rankings_as_csv(
    rankings: Sequence[Ranking], *, language: Language = "en", ranks: Sequence[Ranks] | None = None
) -> str:
    """The lines of `as_csv` for several rankings, with `query` and `exclude` as the first columns.

    ranks: those of each.
    """
    cells = (
        [ranking.query.text, ranking.query.exclude, *asdict(row).values()]
        for ranking, each in with_ranks(rankings, ranks)
        for row in rows(ranking, language, each)
    )
    return csv_text(("query", "exclude", *COLUMNS), cells)


def _ranking_object(ranking: Ranking, judged_by: Mapping[str, Any], language: Language, ranks: Ranks) -> dict[str, Any]:
    return {
        "query": ranking.query.text,
        "exclude": ranking.query.exclude,
        "example": ranking.query.example_name,
        "model": judged_by["model"],
        "fingerprint": ranking.fingerprint,
        "judged_by": judged_by,
        "results": [asdict(row) for row in rows(ranking, language, ranks)],
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def csv_text(header: Iterable[str], lines: Iterable[Iterable[Any]]) -> str:
    """CSV with a header, in the form of every CSV file of this program."""
    file = StringIO(newline="")
    file.write(BYTE_ORDER_MARK)
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(map(spreadsheet_cell, line) for line in lines)
    return file.getvalue()


def _scored_row(rank: int, scored: Scored, temperature: float) -> Row:
    log_odds = scored.score.log_odds
    return Row(
        rank=rank,
        path=scored.candidate.name,
        status="scored",
        score=shown_score(log_odds, temperature),
        log_odds=log_odds,
        words=scored.score.generated_text,
        text=scored.candidate.text or None,
        error=None,
        sha256=scored.content_hash,
    )


def _failed_row(failed: Failed, language: Language) -> Row:
    return Row(
        rank=None,
        path=failed.candidate.name,
        status="failed",
        score=None,
        log_odds=None,
        words=None,
        text=failed.candidate.text or None,
        error=sentence(failed.error, language),
        sha256=failed.content_hash,
    )


def spreadsheet_cell(value: str | float | None) -> str | float | None:
    """Put an apostrophe before a text that a spreadsheet would run as a formula. Numbers stay as they are.

    Spreadsheets ignore some of the characters that cannot be seen, so a formula may follow them, and a text that starts
    with one other than a space gets the apostrophe in any case (OWASP, "CSV Injection", names tab and carriage return).
    """
    if not isinstance(value, str) or not value:
        return value
    first_visible = next(filter(is_visible, value), "")
    is_harmless = value[0] == " " or is_visible(value[0])
    return value if is_harmless and first_visible not in _FORMULA_STARTS else f"'{value}"
