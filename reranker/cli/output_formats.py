"""Rankings in the formats of `--format`: a table for reading, a file for programs, or the pictures in order."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import assert_never

from reranker.api import Reranker
from reranker.cli.console import Refused, as_bytes, printable, say
from reranker.cli.options import Format
from reranker.core.scores import score_texts
from reranker.core.types import Ranking
from reranker.export.archive import write_archive
from reranker.export.contact_sheet import as_html
from reranker.export.rows import Row, as_csv, as_json, each_as_csv, each_as_json, rows
from reranker.i18n.error_messages import sentence


def rendered(rankings: Sequence[Ranking], format_: Format, reranker: Reranker, *, several: bool = False) -> bytes:
    """The one ranking, or all where they are of several queries, which only a table, JSON or CSV can hold."""
    return _all(rankings, format_, reranker) if several else _one(rankings[0], format_, reranker)


def _all(rankings: Sequence[Ranking], format_: Format, reranker: Reranker) -> bytes:
    if format_ == "json":
        return as_bytes(each_as_json(rankings, judged_by=reranker.judged_by()))
    if format_ == "csv":
        return as_bytes(each_as_csv(rankings))
    return as_bytes(_tables(rankings))


def _one(ranking: Ranking, format_: Format, reranker: Reranker) -> bytes:
    if format_ == "json":
        return as_bytes(as_json(ranking, judged_by=reranker.judged_by()))
    if format_ == "csv":
        return as_bytes(as_csv(ranking))
    if format_ == "html":
        return as_bytes(as_html(ranking, model=Path(reranker.choice.name).name, limits=reranker.limits))
    if format_ == "zip":
        return _archive(ranking, reranker)
    if format_ == "table":
        return as_bytes(_table(ranking))
    assert_never(format_)


def check_holds_several(format_: Format) -> None:
    """Raises `Refused` for a format of one ranking alone."""
    if format_ in {"html", "zip"}:
        raise Refused(f"A file of the format {format_} holds one ranking; with --queries choose table, json or csv.")


def _archive(ranking: Ranking, reranker: Reranker) -> bytes:
    file = BytesIO()
    for gone in write_archive(ranking, file, reranker.limits):
        say(sentence(gone.error, "en"))
    return file.getvalue()


def _tables(rankings: Sequence[Ranking]) -> str:
    """The best picture for each query, then a table a query."""
    numbered = list(enumerate(rankings, start=1))
    best = ["query  score      best picture", *(_best(number, ranking) for number, ranking in numbered)]
    tables = (f"\n{number}. {_asked(ranking)}\n{_table(ranking)}" for number, ranking in numbered)
    return "\n".join(best) + "\n" + "".join(tables)


def _best(number: int, ranking: Ranking) -> str:
    result = rows(ranking)
    score, name = (_aligned_scores(result)[0], result[0].path) if ranking.scored else (" -", "none")
    return f"{number:>5}  {score:9}  {_asked(ranking)} → {printable(name)}"


def _asked(ranking: Ranking) -> str:
    return printable(ranking.query.text)


def _table(ranking: Ranking) -> str:
    """A line a picture, for reading; names last since they vary most."""
    result = rows(ranking)
    scores = _aligned_scores(result)
    lines = ["rank  score      picture"]
    for row, score in zip(result, scores, strict=False):
        lines.append(f"{row.rank:>4}  {score:9}  {printable(row.path)}")
    for row in result[len(scores) :]:
        lines.append(f"   -  failed     {printable(row.path)}: {row.error}")
    return "\n".join(lines) + "\n"


def _aligned_scores(result: Sequence[Row]) -> list[str]:
    """Of the scored ones, with their points below each other."""
    texts = score_texts([row.score for row in result if row.score is not None])
    return [" " * (2 - text.index(".")) + text for text in texts]
