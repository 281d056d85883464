"""`rank`: pictures and folders of them by a sentence, or by several, each picture looked at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from reranker.api import Reranker
from reranker.cli.console import Output, Refused, check_target, deliver, opened, printable
from reranker.cli.copies import COPIED_UNLESS_TOLD, check_empty, copy_best
from reranker.cli.document_texts import with_texts
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
from reranker.cli.output_formats import check_holds_several, rendered
from reranker.cli.picture_paths import candidates_of, is_there
from reranker.cli.progress import watched
from reranker.cli.queries import read_queries
from reranker.cli.ranking_summary import told
from reranker.core.scores import at_least
from reranker.core.types import Candidate

QueryText = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY",
        help='What the pictures should show, in Chinese, English or both: "a woman in a red dress", "海边的房子". '
        "Left out where there are `--queries`.",
    ),
]
Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH",
        help="Pictures, or folders of pictures. In a folder, pictures are known by their extension (.jpg, .png, .webp, "
        ".heic, ...) and hidden files are left out; a file that is named is always looked at.",
    ),
]
Queries = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="In place of QUERY: a text file with a query a line, or `-` for stdin. Each picture is looked at once "
        "however many there are; the result is a `table`, `json` or `csv` of all.",
    ),
]
Texts = Annotated[
    Path | None,
    typer.Option(
        "--text",
        metavar="FILE.csv",
        help="Texts beside the pictures, such as product titles, judged with them: a CSV file with the columns path "
        "and text.",
    ),
]
Threshold = Annotated[
    float,
    typer.Option(min=0, max=10, metavar="SCORE", help="Leave pictures out that have less than this, of 10."),
]
CopyTop = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help=f"Also copy the best pictures, `--top-k` of them or {COPIED_UNLESS_TOLD}, into this new or empty folder, "
        "named in order; with `--queries`, a folder in it for each.",
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Also look into the folders of a folder.")]


def rank(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    query: QueryText = None,
    paths: Paths = None,
    *,
    queries: Queries = None,
    model: Model = None,
    top_k: TopK = None,
    threshold: Threshold = 0.0,
    revision: Revision = None,
    precision: ChosenPrecision = None,
    scoring: ChosenScoring = None,
    instruction: Instruction = None,
    text: Texts = None,
    detail: Detail = None,
    format_: ChosenFormat = "table",
    output: Output = None,
    copy_top: CopyTop = None,
    recursive: Recursive = False,
) -> int:
    """Rank pictures by a sentence, best first, or by each of several.

    Every picture gets a score from 0 to 10; one that cannot be judged costs only itself, and is listed last with the
    reason. Exit code: 0 when something was ranked, 1 when nothing could be, 2 for a mistake in the call.

    ```sh
    python -m reranker rank "a woman in a red dress" assets/gallery
    python -m reranker rank "一只黑猫" assets --recursive --copy-top best
    printf "a cat\\na boat" | python -m reranker rank --queries - assets/gallery
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
    reranker, several = opened(context, settings), queries is not None
    # Mistakes are told before the model is loaded, which takes a while.
    words = [word for word in (query, *(paths or ())) if word is not None]
    asked, places = _asked_of(words, queries, reranker)
    candidates = _candidates(places, recursive, text)
    check_target(output)
    check_empty(copy_top)
    if several:
        check_holds_several(format_)
    rankings = watched(reranker, asked, candidates, top_k)
    shown = [at_least(ranking, threshold) for ranking in rankings]
    deliver(rendered(shown, format_, reranker, several=several), output)
    if copy_top is not None:
        copy_best(shown, top_k or COPIED_UNLESS_TOLD, copy_top, reranker.limits, several=several)
    return told(rankings, reranker.load().info.relevance_threshold, threshold)


def _asked_of(words: Sequence[str], queries: Path | None, reranker: Reranker) -> tuple[list[str], Sequence[str]]:
    """The queries, checked, and the paths: the first word is the query unless a file has them. Raises `Refused`."""
    if queries is not None:
        asked, places = read_queries(queries, reranker), words
    elif words:
        asked, places = [reranker.query(words[0]).text], words[1:]
    else:
        raise Refused("Missing argument 'QUERY'.")
    if not places:
        raise Refused("Missing argument 'PATH'.")
    if queries is not None and not is_there(places[0]):
        raise Refused(
            f"“{printable(places[0])}” is no picture or folder, and with --queries there is no QUERY; leave it out."
        )
    return asked, places


def _candidates(places: Sequence[str], recursive: bool, text: Path | None) -> list[Candidate]:
    candidates = [candidate for place in places for candidate in candidates_of(place, recursive)]
    return candidates if text is None else with_texts(candidates, text)
