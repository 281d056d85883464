"""`verify`: score the pictures of a result again, and say what moved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reranker.cli.console import (
    DONE,
    FAILED,
    Refused,
    as_bytes,
    opened,
    print_bytes,
    printable,
    say,
    silence_transformers,
)
from reranker.config.settings import Settings
from reranker.core.types import Candidate, Ranking
from reranker.export.rows import Row, rows

SAME: Final = 1e-3  # of a log-odds; other batches move it by less in float32
KEPT: Final = ("model", "revision", "precision", "scoring", "instruction", "detail")  # names of settings

Result = Annotated[Path, typer.Argument(metavar="RESULT.json", help="What `rank --format json` wrote.")]


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A result of before; of each picture its rank and log-odds, None where it failed, and the text beside it."""

    query: str
    fingerprint: str
    judged_by: dict[str, Any]
    pictures: dict[str, tuple[int | None, float | None, str]]


def verify(context: typer.Context, result: Result) -> int:
    """Score the pictures of a result again, with the same model and settings, and say which moved.

    Pictures are looked for where the result names them, from the current folder. Exit code: 0 where all is as it was to
    0.001 of a log-odds, 1 where something moved.

    ```sh
    python -m reranker rank "a boat" assets/gallery --format json > boats.json
    python -m reranker verify boats.json
    ```
    """
    results = _read(result)
    settings = Settings.from_environment().override(score_store_mb=0, **results[0].judged_by)
    reranker = opened(context, settings)
    silence_transformers()
    rankings = [reranker.rank(earlier.query, _candidates(earlier)) for earlier in results]
    if any(now.fingerprint != earlier.fingerprint for earlier, now in zip(results, rankings, strict=True)):
        say("Weights, prompt or settings are others than those of the result: its fingerprint differs.")
    lines = _all_moved(results, rankings)
    count = sum(len(earlier.pictures) for earlier in results)
    pictures = f"{count} pictures" if len(results) == 1 else f"{count} pictures of {len(results)} queries"
    if not lines:
        print_bytes(as_bytes(f"All {pictures} are as they were.\n"))
        return DONE
    print_bytes(as_bytes("\n".join([f"{len(lines)} of {pictures} moved:", *lines]) + "\n"))
    return FAILED


def _candidates(earlier: Earlier) -> list[Candidate]:
    return [Candidate(name=path, source=Path(path), text=text) for path, (_, _, text) in earlier.pictures.items()]


def _all_moved(results: Sequence[Earlier], rankings: Sequence[Ranking]) -> list[str]:
    """A line for each picture that moved, of several queries with the number of each."""
    lines = []
    for number, (earlier, ranking) in enumerate(zip(results, rankings, strict=True), start=1):
        query = "" if len(results) == 1 else f"query {number}  "
        lines += [query + line for row in rows(ranking) if (line := _moved(earlier, row)) is not None]
    return lines


def _moved(earlier: Earlier, row: Row) -> str | None:
    rank, log_odds, _ = earlier.pictures[row.path]
    if log_odds is None and row.log_odds is None:
        return None
    if log_odds is None or row.log_odds is None:
        return f"{'failed now' if row.log_odds is None else 'failed then'}  {printable(row.path)}"
    if rank == row.rank and abs(log_odds - row.log_odds) <= SAME:
        return None
    return f"#{rank} -> #{row.rank}  log-odds {row.log_odds - log_odds:+.4f}  {printable(row.path)}"


def _read(path: Path) -> list[Earlier]:
    """The results of a file, one a query and at least one. Raises `Refused`."""
    shown = printable(str(path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        results = [_earlier(each, shown) for each in content.get("queries", [content])]
    except OSError as error:
        raise Refused(f"The result “{shown}” cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"The file “{shown}” is no result that `rank --format json` wrote.") from error
    if not results:
        raise Refused(f"The result “{shown}” has no queries, so there is nothing to verify.")
    return results


def _earlier(content: dict[str, Any], shown: str) -> Earlier:
    found = [(row["path"], (row["rank"], row["log_odds"], row["text"] or "")) for row in content["results"]]
    earlier = Earlier(
        query=content["query"],
        fingerprint=content["fingerprint"],
        judged_by={name: content["judged_by"][name] for name in KEPT},
        pictures=dict(found),
    )
    if len(earlier.pictures) < len(found):
        raise Refused(f"The result “{shown}” names a picture twice, so what moved cannot be told.")
    return earlier
