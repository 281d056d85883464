"""`tag`: write what pictures show, by a vocabulary, each label with a confidence."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from reranker.api import Reranker
from reranker.cli.console import DONE, FAILED, CommandError, argument_text, as_bytes, printable, reranker_of, say
from reranker.cli.extras import require_extra
from reranker.cli.index import INDEXING_BAR
from reranker.cli.inputs import candidates_at
from reranker.cli.options import (
    DetailOption,
    GroupsOption,
    InstructionOption,
    LabelsOption,
    ModelOption,
    OutputOption,
    PrecisionOption,
    ProposedOption,
    RerankLabelsOption,
    TaggingEncoderOption,
    settings_of,
)
from reranker.cli.outputs import check_output, write_output
from reranker.cli.progress import RANKING_BAR, announce, progress_bar, report_load_warnings
from reranker.core.types import Candidate, Failed
from reranker.export.label_rows import label_object, labels_as_csv, labels_as_json, labels_as_json_lines
from reranker.i18n.error_messages import sentence
from reranker.library import Library
from reranker.pipelines.label_proposals import PROPOSED
from reranker.pipelines.tag import Tagged
from reranker.tagger import AUTO, NO_ENCODER, Tagger
from reranker.vocabulary.labels import LabelLanguage

LabelFormat = Literal["table", "json", "jsonl", "csv"]
WRITERS: Final = {"json": labels_as_json, "jsonl": labels_as_json_lines, "csv": labels_as_csv}

PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH...", help="Pictures, or folders of pictures, as for `rank`. Omit it with `--library`."
    ),
]
LibraryOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Label the pictures of a library, which `search --label` then finds; later calls label what is new. "
        "Without `--labels`, they are labelled as before.",
    ),
]
LanguageOption = Annotated[LabelLanguage, typer.Option("--lang", help="Language of the labels in the result.")]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="CONFIDENCE",
        help="Least confidence of a label, from 0 to 1. Default: as calibrated.",
    ),
]
TopKOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Most labels of a picture. Default: all.")]
FormatOption = Annotated[
    LabelFormat, typer.Option("--format", help="`table` for reading, `json` or `jsonl` for programs, `csv`.")
]
RecursiveOption = Annotated[bool, typer.Option("--recursive", help="Also search the subfolders of a folder.")]


def tag(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    paths: PathsArgument = None,
    *,
    library: LibraryOption = None,
    labels: LabelsOption = None,
    lang: LanguageOption = "en",
    threshold: ThresholdOption = None,
    top_k: TopKOption = None,
    group: GroupsOption = None,
    encoder: TaggingEncoderOption = AUTO,
    candidates: ProposedOption = PROPOSED,
    rerank: RerankLabelsOption = True,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    instruction: InstructionOption = None,
    detail: DetailOption = None,
    format_: FormatOption = "table",
    output: OutputOption = None,
    recursive: RecursiveOption = False,
) -> int:
    """Label pictures: a dual encoder proposes labels for each, and the reranker judges those.

    Scores are stored, so a call that was stopped goes on. A picture that cannot be read is listed with the reason. Exit
    code: 0 if a picture was judged, 1 if none could be, 2 for a mistake in the call.

    ```sh
    python -m reranker tag assets/gallery --lang both
    python -m reranker tag photos --labels mine.csv --format jsonl
    ```
    """
    if (library is None) == (not paths):
        raise CommandError("Name pictures, or a library with --library.")
    settings = settings_of(model=model, precision=precision, instruction=instruction, detail=detail)
    reranker = reranker_of(context, settings)
    options: dict[str, Any] = {
        "threshold": threshold,
        "top_k": top_k,
        "groups": [argument_text(each) for each in group or ()],
        "proposed": candidates or PROPOSED,
        "rerank": rerank,
    }
    chosen = None if labels is None else argument_text(labels)
    if library is not None:
        objects = _of_library(library, chosen, options, reranker, lang, output)
    else:
        tagger = Tagger(chosen or AUTO, encoder=encoder if candidates else NO_ENCODER, reranker=reranker, **options)
        objects = _of_pictures(candidates_at(paths or (), recursive), tagger, lang, output)
    write_output(as_bytes(_table(objects) if format_ == "table" else WRITERS[format_](objects)), output)
    return DONE if any(each["error"] is None for each in objects) else FAILED


def _of_pictures(
    pictures: Sequence[Candidate], tagger: Tagger, lang: LabelLanguage, output: Path | None
) -> list[dict[str, Any]]:
    """Label pictures, and return their objects."""
    check_output(output, [each.source for each in pictures if isinstance(each.source, Path)])
    announce(tagger.reranker)
    with closing(tagger.tag_stream(pictures)) as stream:
        if tagger.is_reranked:
            report_load_warnings(tagger.reranker.load())
        if tagger.is_relative:
            say("The confidences only compare the labels of a picture; this dual encoder judges no label by itself.")
        return [label_object(result, lang) for result in _with_progress(stream, len(pictures))]


def _of_library(
    name: str, labels: str | None, options: dict[str, Any], reranker: Reranker, lang: LabelLanguage, output: Path | None
) -> list[dict[str, Any]]:
    """Label the pictures of a library that have no labels yet, and return the objects of all."""
    require_extra("library", "`tag --library`")
    check_output(output)
    announce(reranker)
    opened = Library(name, reranker=reranker)
    given = options if labels is not None else {}
    with progress_bar(0, INDEXING_BAR, unit=" pictures") as bar:
        for progress in opened.tag(labels, **given):
            bar.total = progress.total
            bar.update(progress.done - bar.n)
            for error in progress.errors:
                say(sentence(error, "en"))
    return [label_object(tagged, lang) for tagged in opened.tagged()]


def _with_progress(stream: Iterable[Tagged | Failed], total: int) -> Iterable[Tagged | Failed]:
    with progress_bar(total, RANKING_BAR, unit=" pictures") as bar:
        for result in stream:
            yield result
            bar.set_description_str(f"· {printable(Path(result.candidate.name).name)}", refresh=False)
            bar.update()
        bar.set_description_str("", refresh=False)


def _table(objects: Iterable[dict[str, Any]]) -> str:
    """Return a line for each picture, with its labels or its error."""
    return "".join(f"{printable(each['path'])}: {_line(each)}\n" for each in objects)


def _line(picture: dict[str, Any]) -> str:
    if picture["error"]:
        return f"failed: {picture['error']}"
    labels = (f"{printable(each['label'])} {each['confidence']:.0%}" for each in picture["labels"])
    return ", ".join(labels) or "nothing recognised"
