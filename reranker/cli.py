"""The command line: parse, build, call, show.

The result goes to stdout or into a file, everything else to stderr. Exit codes: 0 something was ranked, 1 nothing could
be, 2 a mistake in the call, said in one sentence, 130 interrupted.
"""

import json
import logging
import os
import re
import secrets
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal, assert_never

import typer
from tqdm import tqdm

from reranker import __version__
from reranker.errors import RerankerError
from reranker.export import as_csv, as_json, rows
from reranker.reranker import Reranker
from reranker.scores import score_texts
from reranker.sentences import sentence
from reranker.settings import Device, Precision, Settings
from reranker.types import Candidate, Ranking

_log = logging.getLogger(__name__)

Format = Literal["table", "json", "csv"]
OpenReranker = Callable[[Settings], Reranker]

RANKED, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130
PROGRAM: Final = "python -m reranker"
SUFFIXES: Final = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
BAR: Final = "{bar:20} {n_fmt}/{total_fmt} · {rate_noinv_fmt} · {remaining} left {desc}"
BAR_REDRAWN_EVERY_S, LOG_LINE_EVERY_S = 0.1, 10.0

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
        metavar="toybox|PATH",
        help="What judges: `toybox`, which comes with the program and knows drawings, not photographs; or a folder "
        "with a Qwen2.5-VL checkpoint such as lychee-rerank-mm. Without it: what RERANKER_MODEL says, else `toybox`.",
    ),
]
Detail = Annotated[
    str | None,
    typer.Option(
        metavar="low|usual|high|auto|N",
        help="How closely to look: as the model has it, or at N visual tokens a picture. `auto` looks at all pictures "
        "at the lowest detail, then at the best of them at the highest.",
    ),
]
TopK = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Keep the N best; pictures that failed are listed all the same.")
]
ChosenFormat = Annotated[
    Format,
    typer.Option("--format", help="`table` for reading, `json` for programs (every digit), `csv` for spreadsheets."),
]
Output = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the result into this file, whole or not at all, instead of to stdout."),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="Also look into the folders of a folder.")]
Version = Annotated[bool, typer.Option("--version", help="Say which version this is.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Also write the program's log to stderr.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


class Refused(Exception):
    """What only the command line knows of: a call that cannot be carried out, and why, in one sentence."""

    def __init__(self, text: str, code: int = MISTAKE) -> None:
        super().__init__(text)
        self.code = code


def main(arguments: Sequence[str] | None = None, *, open_reranker: OpenReranker | None = None) -> int:
    """Run the command line and return its exit code.

    arguments: those of the process where None. open_reranker: how settings become a `Reranker`, for tests.
    """
    try:
        code = int(app(arguments, prog_name=PROGRAM, standalone_mode=False, obj=open_reranker))
    except typer.TyperException as error:
        return _stopped(error.format_message(), MISTAKE)
    except Refused as error:
        return _stopped(str(error), error.code)
    except RerankerError as error:
        return _stopped(sentence(error, "en"), MISTAKE)
    except Exception:
        _log.exception("Not foreseen")
        return _stopped(sentence(RerankerError(), "en"), FAILED)
    return _stopped("Stopped.", code) if code == INTERRUPTED else code


def _stopped(text: str, code: int) -> int:
    _say(text)
    return code


@app.callback(invoke_without_command=True)
def program(context: typer.Context, *, version: Version = False, verbose: Verbose = False) -> None:
    """Rank pictures by how well each fits a sentence, with a Qwen2.5-VL cross-encoder. Nothing leaves this machine."""
    _set_up_log(verbose)
    if version:
        typer.echo(f"reranker {__version__}")
        raise typer.Exit(RANKED)
    if context.invoked_subcommand is None:
        with redirect_stdout(sys.stderr):
            typer.echo(context.get_help())
        raise typer.Exit(MISTAKE)


@app.command()
def rank(
    context: typer.Context,
    query: QueryText,
    paths: Paths,
    *,
    model: Model = None,
    top_k: TopK = None,
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
    settings = Settings.from_environment()
    if detail is not None:
        settings = replace(settings, detail=detail)
    reranker = (context.obj or _open)(settings if model is None else replace(settings, model=model))
    reranker.query(query)  # mistakes are told before the model is loaded, which takes a while
    candidates = [candidate for path in paths for candidate in _candidates(path, recursive)]
    if output is not None:
        _check_target(output)
    ranking = _watched(reranker, query, candidates, top_k)
    _deliver(_rendered(ranking, format_, reranker.settings.model), output)
    if not ranking.scored:
        return _stopped("Nothing could be ranked; the result names the reason for each picture.", FAILED)
    return RANKED


@app.command()
def benchmark(
    *,
    geometry: Annotated[
        str,
        typer.Option(
            metavar="toybox|3b|7b|LAYERSxWIDTH|PATH",
            help="What judges. 3b and 7b are lychee-rerank-mm's shapes with random weights, LAYERSxWIDTH any other.",
        ),
    ] = "toybox",
    visual_tokens: Annotated[int, typer.Option(min=0, help="How closely to look; 0: the model's own choice.")] = 0,
    images: Annotated[int, typer.Option(min=2, help="How many pictures, of mixed sizes; they are made.")] = 50,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is gone.")] = 3,
    ways: Annotated[str, typer.Option(help="Which ways, with commas; all where empty.")] = "",
    precision: Annotated[Precision, typer.Option(help="auto: bf16 on a card that has it, fp32 on the CPU.")] = "auto",
    device: Annotated[Device, typer.Option(help="auto: the first card where there is one.")] = "auto",
    vision_memory_mb: Annotated[int, typer.Option(min=0, help="Host memory for what was seen.")] = 1024,
    memory: Annotated[bool, typer.Option(help="On the CPU: each way once more by itself, for its memory.")] = True,
    output: Output = None,
) -> int:
    """Measure this program against the usual ways of scoring pictures, on the same model and the same pictures.

    The ways: `articles` (one by one, eight tokens generated, the cache emptied), `pairwise` (one forward pass a pair),
    `padded` (batches with a mask), `sentence_transformers` (its CrossEncoder, where that is installed), `ours`,
    `ours_known` (another query about the same pictures), `language_tower` (what `ours_known` cannot be faster than). A
    table goes to stdout; with --output, every figure into a JSON file.
    """
    from reranker.measure.benchmark import Options, as_table  # noqa: PLC0415 - torch takes seconds
    from reranker.measure.benchmark import benchmark as measured  # noqa: PLC0415

    if output is not None:
        _check_target(output)
    _silence_transformers()
    options = Options(
        geometry=geometry,
        ways=_known_ways(ways),
        images=images,
        rounds=rounds,
        visual_tokens=visual_tokens,
        precision=precision,
        device=device,
        vision_memory_mb=vision_memory_mb,
        own_processes=memory,
    )
    result = measured(options, _say)
    _print(as_table(result).encode())
    if output is not None:
        _deliver(json.dumps(result, indent=2) + "\n", output)
    return RANKED


def _known_ways(names: str) -> tuple[str, ...]:
    from reranker.measure.ways import WAYS, left_out  # noqa: PLC0415

    chosen, impossible = [name for name in names.split(",") if name], left_out()
    for name in chosen:
        if name not in WAYS:
            raise Refused(f"There is no way “{_printable(name)}”; there are {', '.join(WAYS)}.")
        if name in impossible:
            raise Refused(f"The way “{name}” cannot be gone here: {impossible[name]}")
    if not chosen:
        for name, reason in impossible.items():
            _say(f"The way “{name}” is left out: {reason}")
    return tuple(name for name in WAYS if name in chosen or (not chosen and name not in impossible))


def _open(settings: Settings) -> Reranker:
    return Reranker(settings=settings)


def _set_up_log(verbose: bool) -> None:
    """Only who asks for it sees what libraries have to say; a handler of our own keeps Python's last resort silent."""
    if verbose:
        logging.basicConfig(level=logging.INFO)
        return
    logging.basicConfig(handlers=[logging.NullHandler()])
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _candidates(path: str, recursive: bool) -> list[Candidate]:
    """What a path on the command line stands for, named as it was typed; pictures of a folder in natural order."""
    if not _is_folder(path):
        return [Candidate(name=path, source=Path(path))]
    found = sorted(_pictures_in(path, recursive), key=_natural)
    if not found:
        where = "in it or in its folders" if recursive else "in it; add --recursive to look into its folders too"
        raise Refused(f"The folder “{_printable(path)}” has no pictures {where}.")
    return [Candidate(name=str(file), source=file) for file in found]


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # whatever hinders us, reading the picture will say it
        return False


def _pictures_in(folder: str, recursive: bool) -> Iterator[Path]:
    def complain(error: OSError) -> None:
        closed = f"The folder “{_printable(str(error.filename))}” cannot be opened"
        if error.filename == folder:
            raise Refused(f"{closed}; check its permissions.")
        _say(f"{closed} and was left out.")

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
    terminal = sys.stderr.isatty()
    if terminal:
        typer.echo("Loading the model ...\r", err=True, nl=False)
    _silence_transformers()
    redrawn_every_s = BAR_REDRAWN_EVERY_S if terminal else LOG_LINE_EVERY_S
    with (
        closing(reranker.rank_stream(query, candidates, top_k=top_k)) as stream,
        tqdm(
            total=len(candidates),
            unit=" pictures",
            bar_format=BAR,
            mininterval=redrawn_every_s,
            miniters=1,
            dynamic_ncols=True,
        ) as bar,
    ):
        if reranker.settings.detail == "auto":
            bar.set_description_str("· a rough look at all of them first")
        for item in stream:
            if isinstance(item, Ranking):
                bar.set_description_str("", refresh=False)
                return item
            bar.set_description_str(f"· {_printable(Path(item.candidate.name).name)}", refresh=False)
            bar.update()
    raise AssertionError("a run ends with its ranking")


def _silence_transformers() -> None:
    """No bar while weights are loaded, no advice: the progress here is of pictures."""
    from transformers.utils import logging as noise  # noqa: PLC0415 - takes a second

    if not _log.isEnabledFor(logging.INFO):
        noise.set_verbosity_error()
    noise.disable_progress_bar()


def _rendered(ranking: Ranking, format_: Format, model: str) -> str:
    if format_ == "json":
        return as_json(ranking, model=model)
    if format_ == "csv":
        return as_csv(ranking)
    if format_ == "table":
        return _table(ranking)
    assert_never(format_)


def _table(ranking: Ranking) -> str:
    """A line a picture, for reading: points of the scores below each other, names last since they vary most."""
    result = rows(ranking)
    texts = score_texts([row.score for row in result if row.score is not None])
    lines = ["rank  score      picture"]
    for row, text in zip(result, texts, strict=False):
        score = " " * (2 - text.index(".")) + text
        lines.append(f"{row.rank:>4}  {score:9}  {_printable(row.path)}")
    for row in result[len(texts) :]:
        lines.append(f"   -  failed     {_printable(row.path)}: {row.error}")
    return "\n".join(lines) + "\n"


def _deliver(text: str, output: Path | None) -> None:
    # A name may hold bytes that are no text: they show escaped, which is also how JSON writes them.
    data = text.encode(errors="backslashreplace")
    if output is None:
        _print(data)
        return
    try:
        _write(data, output)
    except OSError as error:
        reason = f"The result could not be written to “{_printable(str(output))}”: {error.strerror}."
        raise Refused(reason, FAILED) from error


def _print(data: bytes) -> None:
    """To stdout, in UTF-8 whatever the terminal's own encoding; who closed the pipe has read enough."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        _log.debug("Nobody read the whole result")
    except OSError as error:
        raise Refused(f"The result could not be written: {error.strerror}.", FAILED) from error


def _check_target(output: Path) -> None:
    if output.is_dir():
        raise Refused(f"The result cannot be written to “{_printable(str(output))}”, which is a folder; name a file.")
    if not output.parent.is_dir():
        raise Refused(f"There is no folder “{_printable(str(output.parent))}” to write the result into; make it first.")


def _write(data: bytes, output: Path) -> None:
    """Beside its place first, then moved there, so that nobody ever reads half a result."""
    if output.exists() and not output.is_file():  # a pipe or a device is written to, never replaced
        output.write_bytes(data)
        return
    target = output.resolve()
    beside = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        beside.write_bytes(data)
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _printable(name: str) -> str:
    """On one line, and nothing that a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)
