"""`search`: find pictures of a library by a sentence, in two stages."""

from pathlib import Path
from typing import Annotated

import typer

from reranker.cli.console import CommandError, argument_text, reranker_of, silence_transformers
from reranker.cli.options import (
    EncoderOption,
    FormatOption,
    LibraryOption,
    ModelOption,
    NotOption,
    OutputOption,
    PrecisionOption,
    TopKOption,
    settings_of,
)
from reranker.cli.outputs import check_output, render, summarize, write_output
from reranker.cli.progress import rank_with_progress
from reranker.core.types import Candidate
from reranker.library import DEFAULT_ENCODER, DEFAULT_NAME, RECALL, Library

QueryArgument = Annotated[str, typer.Argument(metavar="QUERY", help="What the pictures should show, as for `rank`.")]
RecallOption = Annotated[
    int, typer.Option(min=1, metavar="K", help="Pictures that the first stage recalls, and the second one ranks.")
]


def search(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    query: QueryArgument,
    *,
    library: LibraryOption = DEFAULT_NAME,
    encoder: EncoderOption = DEFAULT_ENCODER,
    recall: RecallOption = RECALL,
    not_: NotOption = "",
    model: ModelOption = None,
    precision: PrecisionOption = None,
    top_k: TopKOption = 10,
    format_: FormatOption = "table",
    output: OutputOption = None,
) -> int:
    """Search the pictures that `index` has indexed: a dual encoder recalls some, and the reranker ranks those.

    Exit code: 0 if a picture was ranked, 1 if none could be, 2 for a mistake in the call.

    ```sh
    python -m reranker index assets/gallery
    python -m reranker search "一只 black cat 在窗台上" --top-k 5
    ```
    """
    reranker = reranker_of(context, settings_of(model=model, precision=precision))
    checked = reranker.query(argument_text(query), argument_text(not_))
    silence_transformers()
    recalled = Library(library, encoder=encoder, reranker=reranker).recall(checked.text, recall)
    if not recalled:
        raise CommandError(f"The library “{library}” has no pictures; add some with: python -m reranker index DIR")
    candidates = [Candidate(name=str(each.path), source=each.path) for each in recalled]
    check_output(output, [Path(candidate.name) for candidate in candidates])
    (ranking,) = rank_with_progress(reranker, [checked], candidates, top_k)
    write_output(render([ranking], format_, reranker, several=False), output)
    return summarize([ranking], reranker.info.relevance_threshold, 0.0)
