"""`tag`: write what pictures show, by a vocabulary, each label with a confidence."""

from collections.abc import Iterable, Iterator, Sequence
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
from reranker.cli.outputs import check_empty, check_output, write_output
from reranker.cli.progress import RANKING_BAR, announce, progress_bar, report_load_warnings
from reranker.core.errors import PictureError, SidecarUnreadable
from reranker.core.types import Candidate, Failed
from reranker.export.label_folders import Mode, write_label_folders
from reranker.export.label_rows import label_object, labels_as_csv, labels_as_json, labels_as_json_lines
from reranker.i18n.error_messages import sentence
from reranker.library import Library
from reranker.pipelines.label_proposals import PROPOSED
from reranker.pipelines.tag import Tagged
from reranker.tagger import AUTO, NO_ENCODER, Tagger
from reranker.vocabulary.labels import LabelLanguage, Vocabulary

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
XmpOption = Annotated[
    bool,
    typer.Option(
        "--xmp",
        help="Also add the labels as keywords to the XMP sidecar of each picture (cat.jpg.xmp), where photo programs "
        "find them. Pictures are not changed, and what else is in a sidecar stays.",
    ),
]
FoldersOption = Annotated[
    Path | None,
    typer.Option(
        "--folders",
        metavar="DIR",
        help="Also make a folder for each label in this new or empty folder, with links to its pictures.",
    ),
]
CopyOption = Annotated[bool, typer.Option("--copy", help="Put copies into `--folders` instead of links.")]
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
    xmp: XmpOption = False,
    folders: FoldersOption = None,
    copy: CopyOption = False,
    recursive: RecursiveOption = False,
) -> int:
    """Label pictures: a dual encoder proposes labels for each, and the reranker judges those.

    Scores are stored, so a call that was stopped goes on. A picture that cannot be read is listed with the reason. Exit
    code: 0 if a picture was judged, 1 if none could be, 2 for a mistake in the call.

    ```sh
    python -m reranker tag assets/gallery --lang both
    python -m reranker tag photos --labels mine.csv --format jsonl
    python -m reranker tag photos --xmp --lang zh
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
    if xmp:
        require_extra("xmp", "`tag --xmp`")
    check_empty(folders)
    if library is not None:
        vocabulary, results = _of_library(library, chosen, options, reranker, output)
    else:
        tagger = Tagger(chosen or AUTO, encoder=encoder if candidates else NO_ENCODER, reranker=reranker, **options)
        vocabulary, results = tagger.vocabulary, _of_pictures(candidates_at(paths or (), recursive), tagger, output)
    kept: list[Tagged | Failed] = []
    sidecars = _Sidecars(vocabulary, lang)
    for result in results:
        kept.append(result)
        if xmp and isinstance(result, Tagged):
            sidecars.write(result)
    if xmp:
        sidecars.report()
    if folders is not None:
        _write_folders(kept, folders, lang, "copy" if copy else "link")
    objects = [label_object(result, lang) for result in kept]
    write_output(as_bytes(_table(objects) if format_ == "table" else WRITERS[format_](objects)), output)
    return DONE if any(isinstance(each, Tagged) for each in kept) else FAILED


def _of_pictures(pictures: Sequence[Candidate], tagger: Tagger, output: Path | None) -> Iterator[Tagged | Failed]:
    """Label pictures, and yield their results."""
    check_output(output, [each.source for each in pictures if isinstance(each.source, Path)])
    announce(tagger.reranker)
    with closing(tagger.tag_stream(pictures)) as stream:
        if tagger.is_reranked:
            report_load_warnings(tagger.reranker.info)
        if tagger.is_relative:
            say("The confidences only compare the labels of a picture; this dual encoder judges no label by itself.")
        yield from _with_progress(stream, len(pictures))


def _of_library(
    name: str, labels: str | None, options: dict[str, Any], reranker: Reranker, output: Path | None
) -> tuple[Vocabulary, Iterator[Tagged | Failed]]:
    """Label the pictures of a library that have no labels yet, and return the labels of all."""
    require_extra("library", "`tag --library`")
    check_output(output)
    announce(reranker)
    opened = Library(name, reranker=reranker)
    errors: list[PictureError] = []
    with progress_bar(0, INDEXING_BAR, unit=" pictures") as bar:
        for progress in opened.tag(labels, **(options if labels is not None else {})):
            bar.total = progress.total
            bar.update(progress.done - bar.n)
            errors += progress.errors
    for error in errors:
        say(sentence(error, "en"))
    vocabulary = opened.vocabulary
    assert vocabulary is not None, "its pictures were labelled"
    return vocabulary, opened.tagged()


class _Sidecars:
    """Writes keywords while pictures are labelled, so that a run that is stopped has written those of its pictures."""

    def __init__(self, vocabulary: Vocabulary, lang: LabelLanguage) -> None:
        self._vocabulary, self._lang = vocabulary, lang
        self._written, self._problems = 0, list[str]()

    def write(self, tagged: Tagged) -> None:
        """Write the labels of a picture, which is a file."""
        from reranker.export.xmp import write_keywords  # noqa: PLC0415 - of the extra `xmp`

        source, labels = tagged.candidate.source, [each.label for each in tagged.labels]
        assert isinstance(source, Path), "it was typed"
        try:
            self._written += bool(labels) and write_keywords(source, labels, self._vocabulary, self._lang) is not None
        except SidecarUnreadable as error:
            self._problems.append(sentence(error, "en"))
        except OSError as error:
            name = printable(tagged.candidate.name)
            self._problems.append(f"The sidecar of “{name}” could not be written: {error.strerror}.")

    def report(self) -> None:
        """Write how many sidecars have changed, and why others could not, to stderr."""
        for problem in self._problems:
            say(problem)
        say(f"Sidecars with new keywords: {self._written}.")


def _write_folders(results: Iterable[Tagged | Failed], folder: Path, lang: LabelLanguage, mode: Mode) -> None:
    """Raises `CommandError` if the folder cannot be written."""
    tagged = [each for each in results if isinstance(each, Tagged)]
    unlabelled = "无标签" if lang == "zh" else "no label"
    shown = printable(str(folder))
    try:
        failures = write_label_folders(tagged, folder, lang, unlabelled=unlabelled, mode=mode)
    except OSError as error:
        raise CommandError(f"The folders could not be made in “{shown}”: {error.strerror}.", FAILED) from error
    for failed in failures:
        say(sentence(failed.error, "en"))
    say(f"Pictures in folders by label: {len(tagged) - len(failures)}, in “{shown}”.")


def _with_progress(stream: Iterable[Tagged | Failed], total: int) -> Iterator[Tagged | Failed]:
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
