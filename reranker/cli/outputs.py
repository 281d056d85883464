"""Write the outputs of a command: rankings in each format, copies of the best pictures, a summary on stderr."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Final

from reranker.api import Reranker
from reranker.cli.console import DONE, FAILED, CommandError, as_bytes, print_bytes, printable, say
from reranker.cli.options import Format
from reranker.cli.streams import check_stdout
from reranker.core.scores import filter_by_score, none_relevant, score_texts
from reranker.core.types import Ranking
from reranker.export.archive import write_archive, write_archive_of_several, write_folder
from reranker.export.contact_sheet import as_html
from reranker.export.file_names import DEFAULT_TEMPLATE, folder_names
from reranker.export.rows import Row, as_csv, as_json, rankings_as_csv, rankings_as_json, rows
from reranker.i18n.error_messages import sentence
from reranker.images.limits import Limits
from reranker.pipelines.rerank import unfit_precision
from reranker.storage.atomic_write import write_atomically

DEFAULT_COPIES: Final = 10


def check_output(file: Path | None, inputs: Iterable[Path] = ()) -> None:
    """Raise `CommandError` if the result could not be written into this file, or would replace an input.

    None is stdout.
    """
    if file is None:
        check_stdout()
        return
    if any(is_same_file(file, each) for each in inputs):
        raise CommandError(
            f"The result would replace “{printable(str(file))}”, which is one of the inputs; name another file."
        )
    shown = f"The result cannot be written to “{printable(str(file))}”"
    try:
        if file.is_dir():
            raise CommandError(f"{shown}, which is a folder; name a file.")
    except OSError as error:  # longer than a name can be, for example
        raise CommandError(f"{shown}: {error.strerror}; name another file.") from error
    if not file.parent.is_dir():
        folder = printable(str(file.parent))
        raise CommandError(f"There is no folder “{folder}” to write the result into; create it first.")


def is_same_file(file: Path, other: Path) -> bool:
    """Return whether two paths lead to one file that exists."""
    try:
        return file.samefile(other)
    except (OSError, ValueError):
        return False


def write_output(data: bytes, file: Path | None) -> None:
    """Write the result into the file, or to stdout if it is None. Raises `CommandError`."""
    if file is None:
        print_bytes(data)
        return
    try:
        write_atomically(data, file)
    except OSError as error:
        message = f"The result could not be written to “{printable(str(file))}”: {error.strerror}."
        raise CommandError(message, FAILED) from error


def check_holds_several(format_: Format) -> None:
    """Raise `CommandError` for a format that holds one ranking only."""
    if format_ == "html":
        raise CommandError("The format html holds one ranking; with --queries, choose table, json, csv or zip.")


def render(
    rankings: Sequence[Ranking],
    format_: Format,
    reranker: Reranker,
    *,
    several: bool = False,
    template: str = DEFAULT_TEMPLATE,
) -> bytes:
    """Return the rankings in a format. several: the result of several queries, which HTML does not hold.

    template: of the names in a ZIP file. Reports pictures that no longer exist on stderr.
    """
    if format_ == "zip":
        return _archive(rankings, reranker, template, several=several)
    return _render_all(rankings, format_, reranker) if several else _render_one(rankings[0], format_, reranker)


def _render_all(rankings: Sequence[Ranking], format_: Format, reranker: Reranker) -> bytes:
    if format_ == "json":
        return as_bytes(rankings_as_json(rankings, judged_by=reranker.judged_by()))
    if format_ == "csv":
        return as_bytes(rankings_as_csv(rankings))
    return as_bytes(_tables(rankings))


def _render_one(ranking: Ranking, format_: Format, reranker: Reranker) -> bytes:
    if format_ == "json":
        return as_bytes(as_json(ranking, judged_by=reranker.judged_by()))
    if format_ == "csv":
        return as_bytes(as_csv(ranking))
    if format_ == "html":
        return as_bytes(as_html(ranking, model=reranker.model_name, limits=reranker.limits))
    return as_bytes(_table(ranking))


def _archive(rankings: Sequence[Ranking], reranker: Reranker, template: str, *, several: bool) -> bytes:
    """Return the pictures; of several queries, in a folder for each."""
    file = BytesIO()
    if several:
        failures = write_archive_of_several(rankings, file, reranker.limits, template=template)
    else:
        failures = write_archive(rankings[0], file, reranker.limits, template=template)
    for failed in failures:
        say(sentence(failed.error, "en"))
    return file.getvalue()


def _tables(rankings: Sequence[Ranking]) -> str:
    """Return the best picture for each query, then a table for each query."""
    numbered = list(enumerate(rankings, start=1))
    best = ["query  score      best picture", *(_best(number, ranking) for number, ranking in numbered)]
    tables = (f"\n{number}. {printable(ranking.query.title)}\n{_table(ranking)}" for number, ranking in numbered)
    return "\n".join(best) + "\n" + "".join(tables)


def _best(number: int, ranking: Ranking) -> str:
    ranked = rows(ranking)
    score, name = (_aligned_scores(ranked)[0], ranked[0].path) if ranking.scored else (" -", "none")
    return f"{number:>5}  {score:9}  {printable(ranking.query.title)} → {printable(name)}"


def _table(ranking: Ranking) -> str:
    """Return a line for each picture; names last, since their lengths vary most."""
    ranked = rows(ranking)
    scores = _aligned_scores(ranked)
    lines = ["rank  score      picture"]
    for row, score in zip(ranked, scores, strict=False):
        lines.append(f"{row.rank:>4}  {score:9}  {printable(row.path)}")
    for row in ranked[len(scores) :]:
        lines.append(f"   -  failed     {printable(row.path)}: {row.error}")
    return "\n".join(lines) + "\n"


def _aligned_scores(ranked: Sequence[Row]) -> list[str]:
    """Return the scores with their decimal points below each other."""
    texts = score_texts([row.score for row in ranked if row.score is not None])
    return [" " * (2 - text.index(".")) + text for text in texts]


def check_empty(folder: Path | None) -> None:
    """Raise `CommandError` unless the folder is empty or does not exist; nothing is ever overwritten."""
    if folder is None:
        return
    shown = f"“{printable(str(folder))}”"
    try:
        if any(folder.iterdir()):
            raise CommandError(f"The folder {shown} for the copies is not empty; empty it, or name a new one.")
    except FileNotFoundError:
        return
    except OSError as error:
        raise CommandError(f"Pictures cannot be copied into {shown}: {error.strerror}.") from error


def copy_best(
    rankings: Sequence[Ranking],
    count: int,
    folder: Path,
    limits: Limits,
    *,
    several: bool,
    template: str = DEFAULT_TEMPLATE,
) -> None:
    """Copy the best `count` pictures of each ranking, named in order; of several rankings, into a folder for each.

    template: of their names. Reports pictures that no longer exist on stderr. Raises `CommandError` if the folder
    cannot be written.
    """
    names = folder_names([ranking.query.title for ranking in rankings]) if several else [""]
    shown = printable(str(folder))
    try:
        copied = sum(
            _copy(ranking, count, folder / name, limits, template)
            for ranking, name in zip(rankings, names, strict=True)
        )
    except OSError as error:
        raise CommandError(f"The pictures could not be copied into “{shown}”: {error.strerror}.", FAILED) from error
    say(f"Pictures copied into “{shown}”: {copied}.")


def _copy(ranking: Ranking, count: int, folder: Path, limits: Limits, template: str) -> int:
    """Return the number of pictures copied."""
    best = replace(ranking, scored=ranking.scored[:count])
    failures = write_folder(best, folder, limits, template=template)
    for failed in failures:
        say(sentence(failed.error, "en"))
    return len(best.scored) - len(failures)


def summarize(rankings: Sequence[Ranking], relevance_threshold: float | None, min_score: float = 0.0) -> int:
    """Write what applies to each ranking as a whole to stderr, and return the exit code.

    relevance_threshold: the score from which a picture matches its query. min_score: pictures below it are left out.
    """
    for number, ranking in enumerate(rankings, start=1):
        for line in _summary(ranking, relevance_threshold, min_score):
            say(line if len(rankings) == 1 else f"Query {number}: {line}")
    return DONE if any(ranking.scored for ranking in rankings) else FAILED


def _summary(ranking: Ranking, relevance_threshold: float | None, min_score: float) -> Iterator[str]:
    if not ranking.scored:
        unsuitable = unfit_precision(ranking)
        yield sentence(unsuitable, "en") if unsuitable else _why_empty(ranking)
    log_odds = [scored.score.log_odds for scored in ranking.scored]
    if none_relevant(log_odds, ranking.temperature, relevance_threshold):
        yield f"No picture matches: none scores {relevance_threshold:g} of 10 or more."
    if left_out := len(ranking.scored) - len(filter_by_score(ranking, min_score).scored):
        yield f"Left out, since they score less than {min_score:g} of 10: {left_out} of {len(ranking.scored)} pictures."


def _why_empty(ranking: Ranking) -> str:
    if ranking.failed:
        return "No picture could be scored; the result has the reason for each."
    return "No picture arrived, so there is nothing to rank."
