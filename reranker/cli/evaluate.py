"""`evaluate`: how well models, precisions and ways to ask rank labelled pictures, side by side."""

import re
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, cast, get_args

import typer
from tqdm import tqdm

from reranker.api import Reranker, limits_of
from reranker.cli.calibration import forget_calibrations, keep_calibrations
from reranker.cli.console import (
    DONE,
    FAILED,
    Refused,
    as_bytes,
    opened,
    print_bytes,
    printable,
    redrawn_every_s,
    say,
)
from reranker.cli.extras import require_extra
from reranker.cli.options import Instruction, Revision, chosen_settings
from reranker.cli.progress import announce, tell_remarks
from reranker.config.settings import Settings, is_token_count
from reranker.core.errors import DatasetInvalid, QueryTooLong
from reranker.core.types import Scoring
from reranker.evaluation.datasets.labelled import Dataset
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.results import Evaluation
from reranker.evaluation.results_log import ResultsLog
from reranker.evaluation.text_table import as_table
from reranker.i18n.error_messages import fault_sentence, sentence
from reranker.images.limits import Limits

JUDGED: Final = "scores.jsonl"
BAR: Final = "{bar:20} {n_fmt}/{total_fmt} {desc}"
DETAILS: Final = ("low", "usual", "high")

DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="What is judged: a .jsonl file of ours (`label` writes one); a folder with a sub-folder a query; a folder "
        "of TREC or BEIR files; a file of captions as COCO, Flickr8k or Flickr30k have it; or `toybox`. Behind "
        "captions, folders and the toybox, `:SETS:CANDIDATES:SEED` says how many sets of how many pictures are drawn.",
    ),
]
Models = Annotated[str | None, typer.Option("--model", metavar="NAME|PATH,...", help="As `rank` has it, or several.")]
Precisions = Annotated[
    str | None, typer.Option("--precision", metavar="fp32,bf16,fp16,int8,nf4", help="Of the weights; one or several.")
]
Scorings = Annotated[
    str | None, typer.Option("--scoring", metavar="yes-no,rating", help="How the model is asked; one or both.")
]
Details = Annotated[
    str | None, typer.Option("--detail", metavar="low,usual,high,N", help="How closely to look; one or several.")
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        help="Write report.html, results.json, results.csv, TREC runs and all scores into this folder. What is in it "
        "already is not judged again: a call that was stopped goes on when it is made again.",
    ),
]
Calibrate = Annotated[
    bool | None,
    typer.Option(
        "--calibrate/--uncalibrate",
        help="Show scores from now on by the temperature and the line of “fits” that were found, where they are better "
        "on the sets that they were not found on; or as the model has it again. No order ever changes.",
        show_default=False,
    ),
]


def evaluate(
    context: typer.Context,
    dataset: DatasetName,
    *,
    model: Models = None,
    revision: Revision = None,
    precision: Precisions = None,
    scoring: Scorings = None,
    detail: Details = None,
    instruction: Instruction = None,
    output: Folder = None,
    calibrate: Calibrate = None,
) -> int:
    """Measure how well labelled pictures are ranked: by each model, precision, way to ask and detail, on the same sets.

    A table goes to stdout: how often the right picture is first and within three, MRR, nDCG@10, recall, how far apart
    right and wrong are, with 95 % intervals; for each two combinations whether they differ by more than chance.

    ```sh
    python -m reranker evaluate toybox:127:15 --precision fp32,bf16,int8 --output toybox-figures
    python -m reranker evaluate labels.jsonl --scoring yes-no,rating
    python -m reranker evaluate captions_val2017.json:200:15 --model lychee --detail low,usual
    ```
    """
    require_extra("eval", "`evaluate`")
    settings = chosen_settings(revision=revision, instruction=instruction)
    scorings = _chosen("--scoring", scoring, settings.model.scoring, get_args(Scoring))
    details = _chosen(
        "--detail", detail, "usual" if settings.model.detail == "auto" else settings.model.detail, DETAILS
    )
    every = [
        settings.override(model=name, precision=cast(Any, bits), scoring="rating" if "rating" in scorings else "yes-no")
        for name, bits in product(_several(model, settings.model.name), _several(precision, settings.model.precision))
    ]
    if output is not None:
        _check_outside(output, dataset)
    opened_dataset = _dataset(dataset)
    _check_queries(opened_dataset, settings)
    results_log = None if output is None else _results_log(output)
    evaluation = _evaluated(context, opened_dataset, every, (scorings, details), results_log)
    if evaluation is None:
        return FAILED
    print_bytes(as_bytes("".join(f"{printable(line)}\n" for line in as_table(evaluation).splitlines())))
    if output is not None:
        _written(evaluation, output, limits_of(settings))
    if calibrate is not None:
        (keep_calibrations if calibrate else forget_calibrations)(evaluation)
    return DONE


def _several(given: str | None, otherwise: str) -> list[str]:
    """What stands between commas, each once."""
    return list(dict.fromkeys(part.strip() for part in (given or otherwise).split(",") if part.strip())) or [otherwise]


def _chosen(option: str, given: str | None, otherwise: str, possible: Sequence[str]) -> tuple[str, ...]:
    """Raises `Refused`."""
    found = _several(given, otherwise)
    for one in found:
        if one not in possible and not (possible is DETAILS and is_token_count(one)):
            number = " or a number of visual tokens" if possible is DETAILS else ""
            raise Refused(f"{option} “{printable(one)}” is none of {', '.join(possible)}{number}.")
    return tuple(found)


def _dataset(spec: str) -> Dataset:
    """Raises `Refused` with all that is wrong with it, and `DatasetError`."""
    if sys.stderr.isatty():  # the toybox draws some 170 pictures a second
        typer.echo("Reading the dataset ...\r", err=True, nl=False)
    try:
        return open_dataset(spec)
    except DatasetInvalid as error:
        faults = [fault_sentence(fault, "en") for fault in error.faults]
    raise Refused("\n".join(faults))


def _check_outside(folder: Path, spec: str) -> None:
    """Raises `Refused` where the results would lie among the folders of a dataset, and be taken for a query's."""
    dataset = Path(re.sub(r"(:\d+)+$", "", spec))
    if dataset.is_dir() and folder.resolve().is_relative_to(dataset.resolve()):
        shown = printable(str(folder))
        raise Refused(f"The folder “{shown}” lies in the dataset's, where it would be taken for a query; name another.")


def _check_queries(dataset: Dataset, settings: Settings) -> None:
    """Raises `Refused` where one is longer than a query may be."""
    most = settings.limits.max_query_length
    for labelled in dataset.sets:
        if len(labelled.query.strip()) > most:
            told = sentence(QueryTooLong(length=len(labelled.query.strip()), max_length=most), "en")
            raise Refused(f"Set “{printable(labelled.id)}” of {printable(dataset.name)}: {told}")


def _results_log(folder: Path) -> ResultsLog:
    """Of the folder, which is made. Raises `Refused`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ResultsLog(folder / JUDGED)
    except OSError as error:
        shown = printable(str(folder))
        raise Refused(f"Results cannot be written into “{shown}”: {error.strerror}; name another folder.") from error


def _evaluated(
    context: typer.Context,
    dataset: Dataset,
    every: Sequence[Settings],
    asked: tuple[tuple[str, ...], tuple[str, ...]],
    results_log: ResultsLog | None,
) -> Evaluation | None:
    """With the progress on stderr; None where no model could be loaded."""
    from reranker.evaluation.runner import LeftOut, ModelRun, Progress, evaluate_stream  # noqa: PLC0415 - torch takes long

    scorings, details = asked
    plans = [
        ModelRun(open=partial(_announced, context, settings), scorings=cast(Any, scorings), details=details)
        for settings in every
    ]
    bar = tqdm(bar_format=BAR, mininterval=redrawn_every_s(), miniters=1, dynamic_ncols=True, total=0)
    try:
        with bar, closing(evaluate_stream(dataset, plans, results_log=results_log)) as stream:
            for item in stream:
                if isinstance(item, Evaluation):
                    return item
                if isinstance(item, LeftOut):
                    say(sentence(item.error, "en"))
                elif isinstance(item, Progress):
                    _show(bar, item)
    except OSError as error:
        reason = f"What was judged could not be written into “{JUDGED}”: {error.strerror}; make room and call again."
        raise Refused(reason, FAILED) from error
    return None


def _announced(context: typer.Context, settings: Settings) -> Reranker:
    """Opened, and said which model judges where nobody named one, and how it had to be loaded."""
    reranker = opened(context, settings)
    announce(reranker)
    tell_remarks(reranker.load())
    return reranker


def _show(bar: Any, progress: Any) -> None:
    left = "" if progress.left_s is None else f"· {timedelta(seconds=round(progress.left_s))} left "
    bar.total = progress.total
    bar.set_description_str(f"{left}· {printable(progress.configuration.label)}", refresh=False)
    bar.update(progress.done - bar.n)


def _written(evaluation: Evaluation, folder: Path, limits: Limits) -> None:
    from reranker.evaluation.output_files import write_all  # noqa: PLC0415 - scipy takes a second

    try:
        write_all(evaluation, folder, limits)
    except OSError as error:
        reason = f"The results could not be written into “{printable(str(folder))}”: {error.strerror}."
        raise Refused(reason, FAILED) from error
    say(f"Written into “{printable(str(folder))}”; report.html shows it all.")
