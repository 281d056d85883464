"""`watch`: pictures of a folder, ranked as another program writes them there."""

from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from reranker.api import Reranker
from reranker.cli.console import Output, Refused, check_target, deliver, opened, printable, say
from reranker.cli.folder_watcher import arrivals
from reranker.cli.options import (
    ChosenFormat,
    ChosenPrecision,
    ChosenScoring,
    Detail,
    Instruction,
    Model,
    Revision,
    TopK,
    chosen_settings,
)
from reranker.cli.output_formats import rendered
from reranker.cli.progress import announce, tell_remarks
from reranker.cli.ranking_summary import told
from reranker.core.scores import shown_score
from reranker.core.types import Candidate, Failed, Ranking, Scored
from reranker.i18n.error_messages import sentence
from reranker.pipelines.rerank import best_first, sort_events

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="The folder that another program writes pictures into. Those that are there already are ranked first; "
        "folders in it are not looked into.",
    ),
]
QueryText = Annotated[str, typer.Argument(metavar="QUERY", help="What the pictures should show, as for `rank`.")]
Interval = Annotated[
    float,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="Between two looks into the folder; a picture that is the same in both is complete, and is judged.",
    ),
]


def watch(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    folder: Folder,
    query: QueryText,
    *,
    interval: Interval = 1.0,
    model: Model = None,
    top_k: TopK = None,
    revision: Revision = None,
    precision: ChosenPrecision = None,
    scoring: ChosenScoring = None,
    instruction: Instruction = None,
    detail: Detail = None,
    format_: ChosenFormat = "table",
    output: Output = None,
) -> int:
    """Rank pictures as another program writes them into a folder; Ctrl-C ends it and gives the ranking so far.

    Each picture has a line on stderr with its rank so far, once it has stopped growing; one that cannot be read yet is
    tried again when it changes. Exit code: as of `rank`.

    ```sh
    python -m reranker watch assets/gallery "a red fire truck"
    python -m reranker watch renders "海边的房子" --interval 5 --output best.txt
    python -m reranker watch renders "a boat" --format zip --output boats.zip
    ```
    """
    settings = chosen_settings(
        model=model,
        revision=revision,
        precision=precision,
        scoring=scoring,
        instruction=instruction,
        detail=detail,
    )
    reranker = opened(context, settings)
    reranker.query(query)
    _check_readable(folder)
    check_target(output)
    announce(reranker)
    ranking = ranked_as_they_come(reranker, query, arrivals(folder, partial(sleep, interval)))
    deliver(rendered([replace(ranking, scored=ranking.scored[:top_k])], format_, reranker), output)
    return told([ranking], reranker.load().info.relevance_threshold)


def _check_readable(folder: Path) -> None:
    """Raises `Refused` for what cannot be looked into, now at least."""
    try:
        any(folder.iterdir())
    except OSError as error:
        shown = f"“{printable(str(folder))}” cannot be watched: {error.strerror}"
        raise Refused(f"{shown}; name a folder that can be read.") from error


def ranked_as_they_come(reranker: Reranker, query: str, looks: Iterable[Sequence[Path]]) -> Ranking:
    """The ranking of all pictures so far, once Ctrl-C ends it; a line on stderr for each as it is judged.

    looks: pictures that are complete, as they come; one that comes again is judged again.
    """
    so_far = _SoFar(reranker.rank(query, ()))
    tell_remarks(reranker.load())
    say("Watching; Ctrl-C ends it and gives the ranking.")
    with suppress(KeyboardInterrupt):
        for paths in looks:
            candidates = [Candidate(name=str(path), source=path) for path in paths]
            with closing(reranker.rank_stream(query, candidates)) as stream:
                for event in stream:
                    if not isinstance(event, Ranking):
                        say(so_far.note(event))
    return so_far.ranking


class _SoFar:
    """Every picture that came, once, as it was judged last.

    empty: the ranking of none.
    """

    def __init__(self, empty: Ranking) -> None:
        self._empty, self._positions = empty, count()
        self._events: dict[str, Scored | Failed] = {}
        self._keys: dict[str, tuple[int, float, int]] = {}

    def note(self, event: Scored | Failed) -> str:
        """Take one in. Returns a line about it: its rank so far and its score, or why it has none."""
        name = event.candidate.name
        self._events[name] = event = replace(event, position=next(self._positions))
        self._keys.pop(name, None)
        if isinstance(event, Failed):
            return f"{'failed':>14}  {sentence(event.error, 'en')}"
        key = self._keys[name] = best_first(event)
        rank = 1 + sum(other < key for other in self._keys.values())
        score = shown_score(event.score.log_odds, self._empty.temperature)
        return f"{f'#{rank} of {len(self._keys)}':>14}  {score:4.1f}  {printable(Path(name).name)}"

    @property
    def ranking(self) -> Ranking:
        """Of all so far."""
        scored, failed = sort_events(self._events.values())
        return replace(self._empty, scored=scored, failed=failed)
