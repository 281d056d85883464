"""`rank`: rank pictures and folders of pictures by one query or several; each picture is encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from reranker.api import Reranker
from reranker.cli.console import CommandError, argument_text, printable, reranker_of
from reranker.cli.inputs import candidates_at, is_path, read_queries, with_texts
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
from reranker.cli.outputs import (
    DEFAULT_COPIES,
    check_empty,
    check_holds_several,
    check_output,
    copy_best,
    render,
    summarize,
    write_output,
)
from reranker.cli.progress import rank_with_progress
from reranker.core.scores import filter_by_score
from reranker.core.types import Candidate, Query
from reranker.export.file_names import DEFAULT_TEMPLATE, check_template

QueryArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="QUERY",
        help='What the pictures should show, in Chinese, English or both: "a woman in a red dress", "海边的房子". '
        "Omit it with `--queries`; with `--like` you may.",
    ),
]
PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH",
        help="Pictures, or folders of pictures. In a folder, files with the extension of a picture count (.jpg, .png, "
        ".webp, .heic, ...), except hidden ones; a file that is named is always read.",
    ),
]
QueriesOption = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help="Instead of QUERY: a text file with one query a line, or `-` for stdin. Each picture is encoded once for "
        "all of them; the result is one `table`, `json`, `csv` or `zip`, which has a folder for each.",
    ),
]
LikeOption = Annotated[
    Path | None,
    typer.Option(
        "--like",
        metavar="FILE",
        help="A picture that the others should be like, instead of QUERY or beside it. The first argument is then a "
        "QUERY unless it names a file or folder. The toybox was not trained with examples, and refuses them.",
    ),
]
TextOption = Annotated[
    Path | None,
    typer.Option(
        "--text",
        metavar="FILE.csv",
        help="Texts that are scored together with the pictures, such as product titles: a CSV file with the columns "
        "path and text.",
    ),
]
ThresholdOption = Annotated[
    float,
    typer.Option(min=0, max=10, metavar="SCORE", help="Leave out pictures with a score below this, from 0 to 10."),
]
CopyTopOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Also copy the best pictures into this new or empty folder, named in order: as many as `--top-k`, or "
        f"{DEFAULT_COPIES} by default. With `--queries`, each query has a folder in it.",
    ),
]
NameTemplateOption = Annotated[
    str,
    typer.Option(
        "--name-template",
        metavar="TEXT",
        help="Names of the pictures of `--format zip` and `--copy-top`, with the fields {rank}, {score}, {name}, "
        "{stem} (the name without its extension) and {query}. The extension stays, and equal names are numbered.",
    ),
]
RecursiveOption = Annotated[bool, typer.Option("--recursive", help="Also search the subfolders of a folder.")]


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """Checked queries, at least one, and the pictures to rank."""

    queries: list[Query]
    candidates: list[Candidate]

    @property
    def files(self) -> list[Path]:
        """The pictures that are files."""
        return [candidate.source for candidate in self.candidates if isinstance(candidate.source, Path)]


def rank(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    query: QueryArgument = None,
    paths: PathsArgument = None,
    *,
    queries: QueriesOption = None,
    not_: NotOption = "",
    like: LikeOption = None,
    model: ModelOption = None,
    top_k: TopKOption = None,
    threshold: ThresholdOption = 0.0,
    revision: RevisionOption = None,
    precision: PrecisionOption = None,
    scoring: ScoringOption = None,
    instruction: InstructionOption = None,
    text: TextOption = None,
    detail: DetailOption = None,
    format_: FormatOption = "table",
    output: OutputOption = None,
    copy_top: CopyTopOption = None,
    name_template: NameTemplateOption = DEFAULT_TEMPLATE,
    recursive: RecursiveOption = False,
) -> int:
    """Rank pictures by how well each matches a sentence, a picture or both, best first; or each of several sentences.

    Each picture gets a score from 0 to 10. A picture that cannot be scored is listed last, with the reason. Exit code:
    0 if a picture was ranked, 1 if none could be, 2 for a mistake in the call.

    ```sh
    python -m reranker rank "a woman in a red dress" assets/gallery
    python -m reranker rank "一只黑猫" assets --recursive --copy-top best
    python -m reranker rank --like assets/gallery/white_cat_window_sill.png assets/gallery --model lychee
    printf "a cat\\na boat" | python -m reranker rank --queries - assets/gallery
    ```
    """
    model_options = {"model": model, "revision": revision, "precision": precision}
    settings = settings_of(**model_options, scoring=scoring, instruction=instruction, detail=detail)
    reranker, several = reranker_of(context, settings), queries is not None
    # Mistakes are reported before the model is loaded, which takes a while.
    inputs = _inputs(
        query,
        paths or (),
        queries,
        like,
        reranker,
        exclude=argument_text(not_),
        recursive=recursive,
        text=text,
    )
    check_output(output, [*inputs.files, *(file for file in (queries, like, text) if file is not None)])
    check_empty(copy_top)
    check_template(name_template)
    if several:
        check_holds_several(format_)
    rankings = rank_with_progress(reranker, inputs.queries, inputs.candidates, top_k)
    filtered = [filter_by_score(ranking, threshold) for ranking in rankings]
    write_output(render(filtered, format_, reranker, several=several, template=name_template), output)
    if copy_top is not None:
        count = top_k or DEFAULT_COPIES
        copy_best(filtered, count, copy_top, reranker.limits, several=several, template=name_template)
    return summarize(rankings, reranker.info.relevance_threshold, threshold)


def _inputs(
    query: str | None,
    paths: Sequence[str],
    queries: Path | None,
    like: Path | None,
    reranker: Reranker,
    *,
    exclude: str,
    recursive: bool,
    text: Path | None,
) -> _Inputs:
    """Read and check what is ranked. Without a query, the first argument is a path, too. Raises `CommandError`."""
    arguments = [argument for argument in (query, *paths) if argument is not None]
    if queries is not None:
        texts = read_queries(queries, reranker)
    elif like is not None and (not arguments or is_path(arguments[0])):
        texts = [""]
    elif arguments:
        texts = [argument_text(arguments.pop(0))]
    else:
        raise CommandError("Missing argument 'QUERY'.")
    checked = _queries(texts, like, exclude, reranker)
    if not arguments:
        raise CommandError("Missing argument 'PATH'.")
    if queries is not None and not is_path(arguments[0]):
        raise CommandError(f"“{printable(arguments[0])}” is not a picture or folder; with --queries, omit QUERY.")
    candidates = candidates_at(arguments, recursive)
    return _Inputs(queries=checked, candidates=candidates if text is None else with_texts(candidates, text))


def _queries(texts: Sequence[str], like: Path | None, exclude: str, reranker: Reranker) -> list[Query]:
    """Return the queries with these texts, of which one may be empty if there is an example, which is read once."""
    if like is None:
        return [reranker.query(text, exclude) for text in texts]
    shown = reranker.query("", exclude, example=Candidate(name=str(like), source=like))
    return [replace(reranker.query(text, exclude), example=shown.example) if text else shown for text in texts]
