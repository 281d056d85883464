"""`search`: find pictures of a library by sentences and examples, in two stages."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from reranker.cli.console import (
    DONE,
    CommandError,
    argument_text,
    as_bytes,
    printable,
    reranker_of,
    say,
    silence_transformers,
)
from reranker.cli.extras import require_extra
from reranker.cli.options import (
    BackendOption,
    EncoderOption,
    FormatOption,
    LibraryOption,
    ModelOption,
    NotOption,
    OutputOption,
    PrecisionOption,
    RecallOption,
    TopKOption,
    settings_of,
)
from reranker.cli.outputs import check_holds_several, check_output, render, summarize, write_output
from reranker.cli.progress import rank_with_progress
from reranker.core.types import Ranking
from reranker.export.recall_rows import recall_as_csv, recall_as_json, recall_rows
from reranker.export.rows import csv_text
from reranker.library import DEFAULT_NAME, RECALL, Library
from reranker.pipelines.library_search import Recall
from reranker.storage.picture_filter import PictureFilter

QueriesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="QUERY...", help="What the pictures should show, as for `rank`. Several are searched at once."
    ),
]
LikeOption = Annotated[
    list[Path] | None,
    typer.Option("--like", metavar="PICTURE", help="A picture that the others should be like; may be repeated."),
]
LikeWeightOption = Annotated[
    float,
    typer.Option(min=0, max=1, metavar="SHARE", help="Weight of --like in the first stage; the sentence has the rest."),
]
FolderOption = Annotated[
    list[Path] | None, typer.Option("--in", metavar="DIR", help="Only pictures in this folder; may be repeated.")
]
SinceOption = Annotated[
    str, typer.Option(metavar="DATE", help="Only pictures taken, or else changed, on this date or later: 2024-05-01.")
]
UntilOption = Annotated[str, typer.Option(metavar="DATE", help="Only pictures of this date or earlier: 2024, 2024-05.")]
FormatsOption = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE", help="Only JPEG, PNG, HEIF and so on; may be repeated.")
]
LeastOption = Annotated[
    int, typer.Option("--min-px", min=0, metavar="PX", help="Only pictures whose shorter side has this many pixels.")
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Only pictures with this label of `tag --library`, in any language; may be repeated."
    ),
]
RerankOption = Annotated[
    bool, typer.Option("--rerank/--no-rerank", help="Rank what was recalled, or keep the order of the first stage.")
]


def search(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    queries: QueriesArgument = None,
    *,
    library: LibraryOption = DEFAULT_NAME,
    encoder: EncoderOption = None,
    backend: BackendOption = None,
    recall: RecallOption = RECALL,
    like: LikeOption = None,
    like_weight: LikeWeightOption = 0.5,
    not_: NotOption = "",
    in_: FolderOption = None,
    since: SinceOption = "",
    until: UntilOption = "",
    type_: FormatsOption = None,
    min_px: LeastOption = 0,
    label: LabelOption = None,
    rerank: RerankOption = True,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    top_k: TopKOption = 10,
    format_: FormatOption = "table",
    output: OutputOption = None,
) -> int:
    """Search the pictures that `index` has indexed: a dual encoder recalls some, and the reranker ranks those.

    Exit code: 0 if a picture was found, 1 if none could be ranked, 2 for a mistake in the call.

    ```sh
    python -m reranker index assets/gallery
    python -m reranker search "一只 black cat 在窗台上" --top-k 5
    python -m reranker search --like assets/gallery/white_cat_window_sill.png --not "a window"
    ```
    """
    require_extra("library", "`search`")
    where = PictureFilter.of(folders=in_ or (), since=since, until=until, formats=type_ or (), least_px=min_px)
    texts = [argument_text(query) for query in queries or ()]
    if not texts and not like and not label:
        raise CommandError("Write a sentence, or name a picture with --like, or a label with --label.")
    if len(texts) > 1:
        check_holds_several(format_)
    silence_transformers()
    opened = Library(
        library,
        encoder=encoder,
        backend=backend,
        reranker=reranker_of(context, settings_of(model=model, precision=precision)),
    )
    if label:
        where = replace(where, labels=opened.label_keys(map(argument_text, label)))
    if not texts and not like:
        return _labelled(opened, where, top_k or RECALL, format_, output)
    checked = [
        opened.query(text, argument_text(not_), like=like or (), example_weight=like_weight) for text in texts or [""]
    ]
    recalled = opened.recall_each(checked, recall, where)
    found = [Recall(query=query, recalled=each) for query, each in zip(checked, recalled, strict=True)]
    check_output(output, [file.path for each in found for picture in each.recalled for file in picture.files])
    if not any(each.recalled for each in found):
        raise CommandError(_why_nothing(opened, where))
    ranked_by = [opened.rerank_query(query) for query in checked] if rerank else [None]
    if None in ranked_by:
        if rerank:
            say("The model does not know examples, so the order is that of the first stage.")
        shown = [replace(each, recalled=each.recalled[:top_k]) for each in found]
        write_output(as_bytes(_recall_text(shown, format_, opened)), output)
        return DONE
    rankings: list[Ranking] = []
    for each, query in zip(found, ranked_by, strict=True):
        if query is not None:
            rankings += rank_with_progress(opened.reranker, [query], each.candidates, top_k)
    write_output(render(rankings, format_, opened.reranker, several=len(texts) > 1), output)
    return summarize(rankings, opened.reranker.info.relevance_threshold, 0.0)


def _labelled(library: Library, where: PictureFilter, count: int, format_: str, output: Path | None) -> int:
    """Write the pictures with labels, most confident first."""
    found = library.labelled(where, count)
    if not found:
        raise CommandError(_why_nothing(library, where))
    check_output(output, [picture.path for picture, _ in found])
    rows = [
        {"path": str(picture.path), "confidence": confidence, "date": picture.date, "sha256": picture.content_hash}
        for picture, confidence in found
    ]
    if format_ == "json":
        text = json.dumps({"labels": where.labels, "results": rows}, ensure_ascii=False, indent=2) + "\n"
    elif format_ == "csv":
        text = csv_text(rows[0], (row.values() for row in rows))
    elif format_ == "table":
        lines = [f"{confidence:10.0%}  {printable(str(picture.path))}\n" for picture, confidence in found]
        text = "confidence  name\n" + "".join(lines)
    else:
        raise CommandError(f"The format {format_} holds a ranking; give a sentence.")
    write_output(as_bytes(text), output)
    return DONE


def _why_nothing(library: Library, where: PictureFilter) -> str:
    if where != PictureFilter() and library.recall_each([library.query("a")], 1)[0]:
        return "No picture of the library passes the filters."
    return f"The library “{library.name}” has no pictures; add some with: python -m reranker index DIR"


def _recall_text(found: list[Recall], format_: str, library: Library) -> str:
    """Return what was recalled for the first query, or a table for each."""
    if format_ in ("html", "zip"):
        raise CommandError(f"The format {format_} holds a ranking; leave out --no-rerank, or give a sentence.")
    if len(found) > 1 and format_ != "table":
        raise CommandError(f"Without reranking, the format {format_} holds one query.")
    recalled = found[0].recalled
    if format_ == "json":
        return recall_as_json(found[0].query.text, library.encoder_name, recalled)
    if format_ == "csv":
        return recall_as_csv(recalled)
    return "\n".join(map(_table, found))


def _table(found: Recall) -> str:
    lines = [f"{row.rank:>4}  {row.similarity:6.3f}  {printable(row.path)}\n" for row in recall_rows(found.recalled)]
    return "rank  cosine  name\n" + "".join(lines)
