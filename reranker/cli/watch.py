"""`watch`: rank the pictures of a folder while another program writes them there."""

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from reranker.api import Reranker
from reranker.cli.console import CommandError, argument_text, printable, reranker_of, say
from reranker.cli.options import (
    DetailOption,
    FormatOption,
    InstructionOption,
    ModelOption,
    NotOption,
    OutputOption,
    PrecisionOption,
    RevisionOption,
    ScoringOption,
    TopKOption,
    settings_of,
)
from reranker.cli.outputs import check_output, is_same_file, render, summarize, write_output
from reranker.cli.progress import announce, report_load_warnings
from reranker.core.scores import shown_score
from reranker.core.types import Candidate, Failed, Query, Ranking, Scored
from reranker.i18n.error_messages import sentence
from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key
from reranker.pipelines.rerank import best_first, sort_events

FolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="Folder that another program writes pictures into. Pictures that are there already are ranked first; "
        "subfolders are not searched.",
    ),
]
QueryArgument = Annotated[str, typer.Argument(metavar="QUERY", help="What the pictures should show, as for `rank`.")]
IntervalOption = Annotated[
    float,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="Time between two checks of the folder. A picture is complete, and is scored, if it did not change "
        "between two checks.",
    ),
]

_State = tuple[int, int, int]


def watch(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    folder: FolderArgument,
    query: QueryArgument,
    *,
    not_: NotOption = "",
    interval: IntervalOption = 1.0,
    model: ModelOption = None,
    top_k: TopKOption = None,
    revision: RevisionOption = None,
    precision: PrecisionOption = None,
    scoring: ScoringOption = None,
    instruction: InstructionOption = None,
    detail: DetailOption = None,
    format_: FormatOption = "table",
    output: OutputOption = None,
) -> int:
    """Rank pictures while another program writes them into a folder; Ctrl-C stops and writes the ranking.

    Each picture has a line on stderr with its rank so far, once it is complete. A picture that cannot be read is tried
    again when it changes. Exit code: as for `rank`.

    ```sh
    python -m reranker watch assets/gallery "a red fire truck"
    python -m reranker watch renders "海边的房子" --interval 5 --output best.txt
    python -m reranker watch renders "a boat" --format zip --output boats.zip
    ```
    """
    model_options = {"model": model, "revision": revision, "precision": precision}
    settings = settings_of(**model_options, scoring=scoring, instruction=instruction, detail=detail)
    reranker = reranker_of(context, settings)
    checked = reranker.query(argument_text(query), argument_text(not_))
    _check_readable(folder)
    _check_output(output, folder)
    announce(reranker)
    ranking = rank_arrivals(reranker, checked, arrivals(folder, partial(sleep, interval)))
    write_output(render([replace(ranking, scored=ranking.scored[:top_k])], format_, reranker), output)
    return summarize([ranking], reranker.info.relevance_threshold)


def _check_output(output: Path | None, folder: Path) -> None:
    """Raise `CommandError` if the result could not be written, or might replace a picture that is there or arrives."""
    check_output(output, (file for file in folder.iterdir() if is_picture(file.name)))
    if output is not None and is_picture(output.name) and is_same_file(output.parent, folder):
        shown = printable(output.name)
        raise CommandError(f"The result would be one of the pictures that are watched, “{shown}”; name another file.")


def _check_readable(folder: Path) -> None:
    """Raise `CommandError` if the folder cannot be listed."""
    try:
        any(folder.iterdir())
    except OSError as error:
        shown = f"“{printable(str(folder))}” cannot be watched: {error.strerror}"
        raise CommandError(f"{shown}; name a folder that can be read.") from error


def arrivals(folder: Path, wait: Callable[[], object]) -> Iterator[list[Path]]:
    """Yield the pictures of a folder that are complete: each once, and again after it changed.

    A picture is complete if its size and time are the same in two checks. wait: called between two checks. The iterator
    does not end; a folder that cannot be read is checked again.
    """
    previous: dict[Path, _State] = {}
    yielded: dict[Path, _State] = {}
    while True:
        current = _picture_states(folder)
        complete = {path: state for path, state in current.items() if previous.get(path) == state != yielded.get(path)}
        yielded |= complete
        if complete:
            yield sorted(complete, key=natural_key)
        previous = current
        wait()


def _picture_states(folder: Path) -> dict[Path, _State]:
    """Return the size in bytes, the time of the last change in nanoseconds, and the inode of each picture.

    Another file that takes the place of one, such as by `mv`, may have the same size and time.
    """
    states = {}
    with suppress(OSError):
        resolved = folder.resolve()
        for path in folder.iterdir():
            with suppress(OSError, RuntimeError):  # deleted meanwhile, or a loop of links
                status = path.stat()
                if is_picture(path.name) and stat.S_ISREG(status.st_mode) and not _is_link_inside(path, resolved):
                    states[path] = status.st_size, status.st_mtime_ns, status.st_ino
    return states


def _is_link_inside(path: Path, folder: Path) -> bool:
    """Return whether a path is a link to another picture of the same folder, which counts on its own."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return target.parent == folder and is_picture(target.name)


def rank_arrivals(reranker: Reranker, query: str | Query, arrived: Iterable[Sequence[Path]]) -> Ranking:
    """Rank pictures as they arrive until Ctrl-C, with a line on stderr for each. Returns the ranking of all of them.

    A picture that arrives again is scored again.
    """
    partial_ranking = _PartialRanking(reranker.rank(query, ()))
    report_load_warnings(reranker.info)
    say("Watching the folder; Ctrl-C ends it and writes the ranking.")
    with suppress(KeyboardInterrupt):
        for paths in arrived:
            candidates = [Candidate(name=str(path), source=path) for path in paths]
            with closing(reranker.rank_stream(query, candidates)) as stream:
                for event in stream:
                    if not isinstance(event, Ranking):
                        say(partial_ranking.add(event))
    return partial_ranking.ranking


class _PartialRanking:
    """The latest event of every picture so far. empty: a ranking without pictures."""

    def __init__(self, empty: Ranking) -> None:
        self._empty, self._positions = empty, count()
        self._events: dict[Path | bytes, Scored | Failed] = {}
        self._keys: dict[Path | bytes, tuple[int, float, int]] = {}

    def add(self, event: Scored | Failed) -> str:
        """Add an event, and return a line about it: the rank so far and the score, or why there is none."""
        name, source = event.candidate.name, event.candidate.source
        self._events[source] = event = replace(event, position=next(self._positions))
        self._keys.pop(source, None)
        if isinstance(event, Failed):
            return f"{'failed':>14}  {sentence(event.error, 'en')}"
        key = self._keys[source] = best_first(event)
        rank = 1 + sum(other < key for other in self._keys.values())
        score = shown_score(event.score.log_odds, self._empty.temperature)
        return f"{f'#{rank} of {len(self._keys)}':>14}  {score:4.1f}  {printable(Path(name).name)}"

    @property
    def ranking(self) -> Ranking:
        """The ranking of all pictures so far."""
        scored, failed = sort_events(self._events.values())
        return replace(self._empty, scored=scored, failed=failed)
