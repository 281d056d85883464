"""`verify`: score the pictures of a saved result again, and list those whose rank or score changed."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reranker.api import Reranker
from reranker.cli.console import (
    DONE,
    FAILED,
    CommandError,
    as_bytes,
    print_bytes,
    printable,
    reranker_of,
    say,
    silence_transformers,
)
from reranker.cli.streams import check_stdout
from reranker.config.settings import Settings
from reranker.core.text import well_formed
from reranker.core.types import Candidate, Query, Ranking
from reranker.export.rows import Row, rows

TOLERANCE: Final = 1e-3  # log-odds; other batches change a score by less in float32
SETTINGS: Final = ("model", "revision", "precision", "scoring", "instruction", "detail")  # taken from the result
ADDED_SETTINGS: Final = ("rescore_near_ties",)  # which results of 0.2.0 and before do not have

ResultArgument = Annotated[
    Path, typer.Argument(metavar="RESULT.json", help="File that `rank --format json` wrote.", show_default=False)
]


@dataclass(frozen=True, kw_only=True)
class SavedPicture:
    """One picture of a saved result. rank, log_odds: None if it failed."""

    rank: int | None
    log_odds: float | None
    text: str


@dataclass(frozen=True, kw_only=True)
class SavedResult:
    """A saved result for one query. settings: by their keys; pictures: by their paths.

    example: the path of the query's picture; empty if it has none.
    """

    query: str
    exclude: str
    example: str
    fingerprint: str
    settings: dict[str, Any]
    pictures: dict[str, SavedPicture]


def verify(context: typer.Context, result: ResultArgument) -> int:
    """Score the pictures of a saved result again, with the same model and settings, and list those that moved.

    Paths in the result are relative to the current folder. Exit code: 0 if every rank is the same and every score is
    the same to 0.001 log-odds, 1 if a picture moved.

    ```sh
    python -m reranker rank "a boat" assets/gallery --format json > boats.json
    python -m reranker verify boats.json
    ```
    """
    check_stdout()
    results = _read_results(result)
    settings = Settings.from_environment().override(score_store_mb=0, **results[0].settings)
    reranker = reranker_of(context, settings)
    silence_transformers()
    rankings = [reranker.rank(_query(saved, reranker), _candidates(saved)) for saved in results]
    if any(ranking.fingerprint != saved.fingerprint for saved, ranking in zip(results, rankings, strict=True)):
        say("The fingerprint differs from that of the result: the weights, the prompt or the settings have changed.")
    lines = _moved_lines(results, rankings)
    count = sum(len(saved.pictures) for saved in results)
    pictures = f"{count} pictures" if len(results) == 1 else f"{count} pictures of {len(results)} queries"
    if not lines:
        print_bytes(as_bytes(f"All {pictures} have the same rank and score.\n"))
        return DONE
    print_bytes(as_bytes("\n".join([f"{len(lines)} of {pictures} moved:", *lines]) + "\n"))
    return FAILED


def _query(saved: SavedResult, reranker: Reranker) -> Query:
    picture = Candidate(name=saved.example, source=_file_of(saved.example)) if saved.example else None
    return reranker.query(saved.query, saved.exclude, example=picture)


def _candidates(saved: SavedResult) -> list[Candidate]:
    return [Candidate(name=path, source=_file_of(path), text=picture.text) for path, picture in saved.pictures.items()]


def _file_of(path: str) -> Path:
    """Return the file that a result names, also if bytes of its name are not text and are shown as U+FFFD."""
    try:
        file = Path(os.fsdecode(path.encode(errors="surrogateescape")))  # also in a locale without UTF-8
    except UnicodeEncodeError:  # a surrogate that stands for no byte, so it is in no name
        return Path(well_formed(path))
    if "\ufffd" not in path or file.exists():
        return file
    parent = _file_of(str(file.parent)) if "\ufffd" in well_formed(str(file.parent)) else file.parent
    try:
        matching = [each for each in parent.iterdir() if well_formed(each.name) == well_formed(file.name)]
    except OSError:
        return file
    return matching[0] if len(matching) == 1 else parent / file.name


def _moved_lines(results: Sequence[SavedResult], rankings: Sequence[Ranking]) -> list[str]:
    """Return a line for each picture that moved, with the number of its query if there are several."""
    lines = []
    for number, (saved, ranking) in enumerate(zip(results, rankings, strict=True), start=1):
        prefix = "" if len(results) == 1 else f"query {number}  "
        pictures = {well_formed(path): picture for path, picture in saved.pictures.items()}
        moved = (_moved_line(pictures[row.path], row) for row in rows(ranking))
        lines += [prefix + line for line in moved if line is not None]
    return lines


def _moved_line(saved: SavedPicture, row: Row) -> str | None:
    """Return how a picture moved; None if it did not."""
    if saved.log_odds is None and row.log_odds is None:
        return None
    if saved.log_odds is None or row.log_odds is None:
        return f"{'failed now' if row.log_odds is None else 'failed then'}  {printable(row.path)}"
    difference = row.log_odds - saved.log_odds
    if saved.rank == row.rank and abs(difference) <= TOLERANCE:
        return None
    return f"#{saved.rank} -> #{row.rank}  log-odds {difference:+.4f}  {printable(row.path)}"


def _read_results(path: Path) -> list[SavedResult]:
    """Return the results in a file, one for each query and at least one. Raises `CommandError`."""
    shown = printable(str(path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = [_saved_result(each, shown) for each in content.get("queries", [content])]
    except OSError as error:
        raise CommandError(f"The result “{shown}” cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise CommandError(f"The file “{shown}” is not a result that `rank --format json` wrote.") from error
    if not results:
        raise CommandError(f"The result “{shown}” has no queries, so there is nothing to verify.")
    return results


def _saved_result(content: dict[str, Any], shown: str) -> SavedResult:
    """Raises `KeyError`, `TypeError` and `OverflowError` if the content is not that of a result."""
    pictures = {row["path"]: _saved_picture(row) for row in content["results"]}
    # Results of 0.2.0 and before have neither.
    exclude, example = content.get("exclude", ""), content.get("example") or ""
    texts = content["query"], exclude, example, content["fingerprint"], *pictures
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    if len(pictures) < len(content["results"]):
        raise CommandError(f"The result “{shown}” lists a picture twice, so changes cannot be assigned.")
    return SavedResult(
        query=content["query"],
        exclude=exclude,
        example=example,
        fingerprint=content["fingerprint"],
        settings=_settings_of(content["judged_by"]),
        pictures=pictures,
    )


def _saved_picture(row: dict[str, Any]) -> SavedPicture:
    rank, log_odds, text = row["rank"], row["log_odds"], row["text"] or ""
    if not (isinstance(rank, int | None) and isinstance(log_odds, int | float | None) and isinstance(text, str)):
        raise TypeError
    return SavedPicture(rank=rank, log_odds=None if log_odds is None else float(log_odds), text=text)


def _settings_of(judged_by: dict[str, Any]) -> dict[str, Any]:
    added = [key for key in ADDED_SETTINGS if key in judged_by]
    return {key: judged_by[key] for key in (*SETTINGS, *added)}
