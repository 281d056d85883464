"""`rank`: pictures and folders of them by a sentence, as a table, a file for programs, or the pictures in order."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Final, Literal, assert_never

import typer
from tqdm import tqdm

from reranker.archive import write_archive
from reranker.commands.console import (
    DONE,
    FAILED,
    Output,
    Refused,
    as_bytes,
    check_target,
    deliver,
    opened,
    printable,
    redrawn_every_s,
    say,
    silence_transformers,
    stopped,
)
from reranker.commands.document_texts import with_texts
from reranker.contact_sheet import as_html
from reranker.export import as_csv, as_json, rows
from reranker.ranking import unfit_precision
from reranker.reranker import Reranker
from reranker.scores import memory_text, none_fits, score_texts
from reranker.sentences import remark_sentence, sentence
from reranker.settings import Precision, Scoring, Settings
from reranker.types import Candidate, Ranking

Format = Literal["table", "json", "csv", "html", "zip"]

SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
BAR: Final = "{bar:20} {n_fmt}/{total_fmt} · {rate_noinv_fmt} · {remaining} left {desc}"

WHY_THE_TOYBOX: Final = {
    "no card": "Judged by the toybox, which knows drawings and not photographs: there is no CUDA card for lychee.",
    "not downloaded": "Judged by the toybox, which knows drawings and not photographs: lychee is not on this machine; "
    "fetch it by: python -m reranker download lychee",
}

QueryText = Annotated[
    str,
    typer.Argument(
        metavar="QUERY",
        help='What the pictures should show, in Chinese, English or both: "a woman in a red dress", "海边的房子".',
    ),
]
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Pictures, or folders of pictures. In a folder, pictures are known by their extension (.jpg, .png, .webp, "
        ".heic, ...) and hidden files are left out; a file that is named is always looked at.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|PATH",
        help="What judges: `toybox`, which comes with the program and knows drawings, not photographs; `lychee` "
        "(vec-ai/lychee-rerank-mm) or `lychee-3b`; `qwen2.5-vl-7b` or `-3b`; an id of the hub; or a folder with a "
        "Qwen2.5-VL checkpoint. `auto`: lychee where there is a CUDA card and its files are here, else the toybox. "
        "Without it: what RERANKER_MODEL says, else `auto`. Nothing is fetched: see `download`.",
    ),
]
Revision = Annotated[str | None, typer.Option(metavar="NAME", help="Of a model of the hub: a branch, tag or commit.")]
Detail = Annotated[
    str | None,
    typer.Option(
        metavar="low|usual|high|auto|N",
        help="How closely to look: as the model has it, or at N visual tokens a picture. `auto` looks at all pictures "
        "at the lowest detail, then at the best of them at the highest.",
    ),
]
Scored = Annotated[
    Scoring | None,
    typer.Option(
        "--scoring",
        help="`yes-no`, as rerankers are taught; `rating`: the model writes “Score: X.X”, for models that are not.",
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option(
        metavar="photo|product|document|remote-sensing|web|TEXT",
        help="For yes-no: what the pictures are searched for, or a sentence of your own; `photo` unless the model says "
        "otherwise.",
    ),
]
ChosenPrecision = Annotated[
    Precision | None, typer.Option("--precision", help="Of the weights; `auto`: what the device is good at.")
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
TopK = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Keep the N best; pictures that failed are listed all the same.")
]
ChosenFormat = Annotated[
    Format,
    typer.Option(
        "--format",
        help="`table` for reading, `json` for programs (every digit), `csv` for spreadsheets, `html` for a contact "
        "sheet that opens anywhere, `zip` for the pictures themselves, named in order.",
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Also look into the folders of a folder.")]


def rank(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    query: QueryText,
    paths: Paths,
    *,
    model: Model = None,
    top_k: TopK = None,
    revision: Revision = None,
    precision: ChosenPrecision = None,
    scoring: Scored = None,
    instruction: Instruction = None,
    text: Texts = None,
    detail: Detail = None,
    format_: ChosenFormat = "table",
    output: Output = None,
    recursive: Recursive = False,
) -> int:
    """Rank pictures by a sentence, best first.

    Every picture gets a score from 0 to 10; one that cannot be judged costs only itself, and is listed last with the
    reason. Exit code: 0 when something was ranked, 1 when nothing could be, 2 for a mistake in the call.

    `python -m reranker rank "a woman in a red dress" assets/gallery`

    `python -m reranker rank "一只 black cat 在窗台上" ~/photos --recursive --top-k 10 --format csv --output best.csv`
    """
    given = {
        "model": model,
        "revision": revision,
        "precision": precision,
        "scoring": scoring,
        "instruction": instruction,
        "detail": detail,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    reranker = opened(context, replace(Settings.from_environment(), **chosen))
    reranker.query(query)  # mistakes are told before the model is loaded, which takes a while
    candidates = [candidate for path in paths for candidate in _candidates(path, recursive)]
    if text is not None:
        candidates = with_texts(candidates, text)
    if output is not None:
        check_target(output)
    if reranker.choice.name == "toybox" and reranker.choice.reason != "asked":
        say(WHY_THE_TOYBOX[reranker.choice.reason])
    ranking = _watched(reranker, query, candidates, top_k)
    deliver(_rendered(ranking, format_, reranker), output)
    return _told(ranking, reranker.load().fits)


def _told(ranking: Ranking, line: float | None) -> int:
    """What there is to say of a ranking as a whole, and the exit code; line: the score from which a picture fits."""
    if (unfit := unfit_precision(ranking)) is not None:
        return stopped(sentence(unfit, "en"), FAILED)
    if none_fits([one.judgement.log_odds for one in ranking.scored], ranking.temperature, line):
        say(f"Nothing here fits: no picture has {line:g} of 10.")
    if not ranking.scored:
        return stopped("Nothing could be ranked; the result names the reason for each picture.", FAILED)
    return DONE


def _candidates(path: str, recursive: bool) -> list[Candidate]:
    """What a path on the command line stands for, named as it was typed; pictures of a folder in natural order."""
    if not _is_folder(path):
        return [Candidate(name=path, source=Path(path))]
    found = sorted(_pictures_in(path, recursive), key=_natural)
    if not found:
        where = "in it or in its folders" if recursive else "in it; add --recursive to look into its folders too"
        raise Refused(f"The folder “{printable(path)}” has no pictures {where}.")
    return [Candidate(name=str(file), source=file) for file in found]


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # whatever hinders us, reading the picture will say it
        return False


def _pictures_in(folder: str, recursive: bool) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        closed = f"The folder “{printable(str(error.filename))}” cannot be opened"
        if error.filename == folder:
            raise Refused(f"{closed}; check its permissions.")
        say(f"{closed} and was left out.")

    for here, folders, files in os.walk(folder, onerror=complain):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(here, name)


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Sorts as people count: img2 before img10, capitals beside small letters, a folder's files together."""
    return [_words_and_numbers(part.casefold()) for part in path.parts], str(path)


def _words_and_numbers(text: str) -> list[str | int]:
    """Words at even places and numbers at odd ones, so that like meets like."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", text))]


def _watched(reranker: Reranker, query: str, candidates: Sequence[Candidate], top_k: int | None) -> Ranking:
    """Run, with the progress on stderr: redrawn on a terminal, a line now and then in a log."""
    if sys.stderr.isatty():
        typer.echo("Loading the model ...\r", err=True, nl=False)
    silence_transformers()
    with (
        closing(reranker.rank_stream(query, candidates, top_k=top_k)) as stream,
        tqdm(
            total=len(candidates),
            unit=" pictures",
            bar_format=BAR,
            mininterval=redrawn_every_s(),
            miniters=1,
            dynamic_ncols=True,
        ) as bar,
    ):
        scorer = reranker.load()
        for remark in scorer.remarks:
            bar.write(remark_sentence(remark, "en"), file=sys.stderr)
        if reranker.settings.detail == "auto":
            bar.set_description_str("· a rough look at all of them first")
        for item in stream:
            if isinstance(item, Ranking):
                bar.set_description_str("", refresh=False)
                return item
            memory = scorer.card_memory
            name = printable(Path(item.candidate.name).name)
            bar.set_description_str(f"· {memory_text(*memory)} · {name}" if memory else f"· {name}", refresh=False)
            bar.update()
    raise AssertionError("a run ends with its ranking")


def _rendered(ranking: Ranking, format_: Format, reranker: Reranker) -> bytes:
    model = reranker.choice.name
    if format_ == "json":
        return as_bytes(as_json(ranking, judged_by=reranker.judged_by()))
    if format_ == "csv":
        return as_bytes(as_csv(ranking))
    if format_ == "html":
        return as_bytes(as_html(ranking, model=Path(model).name, limits=reranker.limits))
    if format_ == "zip":
        return _archive(ranking, reranker)
    if format_ == "table":
        return as_bytes(_table(ranking))
    assert_never(format_)


def _archive(ranking: Ranking, reranker: Reranker) -> bytes:
    file = BytesIO()
    for gone in write_archive(ranking, file, reranker.limits):
        say(sentence(gone.error, "en"))
    return file.getvalue()


def _table(ranking: Ranking) -> str:
    """A line a picture, for reading: points of the scores below each other, names last since they vary most."""
    result = rows(ranking)
    texts = score_texts([row.score for row in result if row.score is not None])
    lines = ["rank  score      picture"]
    for row, text in zip(result, texts, strict=False):
        score = " " * (2 - text.index(".")) + text
        lines.append(f"{row.rank:>4}  {score:9}  {printable(row.path)}")
    for row in result[len(texts) :]:
        lines.append(f"   -  failed     {printable(row.path)}: {row.error}")
    return "\n".join(lines) + "\n"
