"""`evaluate`: measure how well models, precisions, scoring methods and details rank labelled pictures."""

import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, cast, get_args

import typer
from tqdm import tqdm

from reranker.api import Reranker, limits_of
from reranker.cli.console import (
    DONE,
    FAILED,
    CommandError,
    as_bytes,
    print_bytes,
    printable,
    reranker_of,
    say,
)
from reranker.cli.evaluate_labels import (
    CandidatesOption,
    EncoderOption,
    GroupsOption,
    LabelChoice,
    LabelsOption,
    RerankOption,
    evaluate_labels,
    one_value,
)
from reranker.cli.extras import require_extra
from reranker.cli.options import InstructionOption, RevisionOption, settings_of
from reranker.cli.outputs import is_same_file
from reranker.cli.progress import announce, progress_bar, report_load_warnings
from reranker.cli.streams import check_stdout
from reranker.config.settings import Settings, is_token_count
from reranker.core.errors import DatasetInvalid, QueryTooLong
from reranker.core.types import Scoring
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.datasets.types import Dataset
from reranker.evaluation.label_output_files import FILE_NAMES as LABEL_FILES
from reranker.evaluation.results import Evaluation, EvaluationResult
from reranker.evaluation.results_log import ResultsLog
from reranker.evaluation.text_table import as_table
from reranker.i18n.error_messages import fault_sentence, sentence
from reranker.images.limits import Limits
from reranker.storage.calibrations import Calibration, CalibrationStore

RESULTS_LOG: Final = "scores.jsonl"
EVALUATION_BAR: Final = "{bar:20} {n_fmt}/{total_fmt} {desc}"
DETAILS: Final = ("low", "usual", "high")

DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="Labelled pictures: a .jsonl file (`label` writes one); a folder with one sub-folder of pictures for each "
        "query; a folder in TREC or BEIR format; a file of captions in COCO, Karpathy or Flickr format; or `toybox`, "
        "which draws its own. After captions, folders and the toybox, `:SETS:CANDIDATES:SEED` is the number of sets to "
        "draw, the number of pictures in each, and the seed. A set is a query with its pictures.",
    ),
]
ModelsOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME|PATH,...", help="One model or several, named as for `rank`.")
]
PrecisionsOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="fp32,bf16,fp16,int8,nf4",
        help="Number format of the weights; one or several. Default: the best that the device computes fast.",
    ),
]
ScoringsOption = Annotated[
    str | None,
    typer.Option("--scoring", metavar="yes-no,rating", help="Scoring method, one or both. Default: `yes-no`."),
]
DetailsOption = Annotated[
    str | None,
    typer.Option(
        "--detail",
        metavar="low,usual,high,N",
        help="Resolution at which pictures are encoded, or N visual tokens; one or several. Default: `usual`.",
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        help="Write report.html, results.json, results.csv, TREC runs and all scores into this folder. Scores that it "
        "already has are not computed again, so the same call resumes an evaluation that was stopped. With --labels: "
        "labels.json and labels.csv.",
    ),
]
CalibrateOption = Annotated[
    bool | None,
    typer.Option(
        "--calibrate/--uncalibrate",
        help="Fit the temperature and the relevance threshold of the scores that people see on half of the sets, and "
        "store them if they improve the scores of the other half; or remove what is stored. No order ever changes. "
        "With --labels: the confidences and thresholds of labels, on half of the pictures.",
        show_default=False,
    ),
]


def evaluate(  # noqa: PLR0913 - the options of a command
    context: typer.Context,
    dataset: DatasetArgument,
    *,
    labels: LabelsOption = None,
    group: GroupsOption = None,
    encoder: EncoderOption = None,
    candidates: CandidatesOption = None,
    rerank: RerankOption = True,
    model: ModelsOption = None,
    revision: RevisionOption = None,
    precision: PrecisionsOption = None,
    scoring: ScoringsOption = None,
    detail: DetailsOption = None,
    instruction: InstructionOption = None,
    output: FolderOption = None,
    calibrate: CalibrateOption = None,
) -> int:
    """Measure how well labelled pictures are ranked by each model, precision, scoring method and detail.

    The table on stdout has: how often a relevant picture is first and among the first three, MRR, nDCG@10, recall, and
    the separation of right and wrong pictures, with 95 % intervals; and which configurations differ significantly. With
    `--labels` it is how right the labels of pictures are: precision, recall, F1, mAP and the calibration error.

    ```sh
    python -m reranker evaluate toybox:127:15 --precision fp32,bf16,int8 --output toybox-figures
    python -m reranker evaluate labels.jsonl --scoring yes-no,rating
    python -m reranker evaluate captions_val2017.json:200:15 --model lychee --detail low,usual
    python -m reranker evaluate instances_val2017.json --labels general
    ```
    """
    require_extra("eval", "`evaluate`")
    check_stdout()
    settings = settings_of(revision=revision, instruction=instruction)
    choice = LabelChoice(groups=group, encoder=encoder, candidates=candidates, rerank=rerank)
    if labels is not None:
        several = {"model": model, "precision": precision, "scoring": scoring, "detail": detail}
        single = {key: one_value(f"--{key}", value) for key, value in several.items()}
        given = {key: value for key, value in single.items() if value is not None}
        tagger = choice.tagger(labels, context, settings.override(**given))
        if output is not None:
            _check_keeps(output, dataset, LABEL_FILES)
        return evaluate_labels(tagger, choice, dataset, output, calibrate)
    choice.check_unused()
    grid = _grid(settings, model, precision, scoring, detail)
    if output is not None:
        _check_keeps(output, dataset, _file_names())
    labelled = _open_dataset(dataset)
    _check_queries(labelled, settings)
    evaluation = _run(context, labelled, grid, None if output is None else _open_results_log(output))
    if evaluation is None:
        return FAILED
    print_bytes(as_bytes("".join(f"{printable(line)}\n" for line in as_table(evaluation).splitlines())))
    if output is not None:
        _write(evaluation, output, limits_of(settings))
    if calibrate is not None:
        (_store_calibrations if calibrate else _remove_calibrations)(evaluation)
    return DONE


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The configurations to evaluate: each model, with its precision, by each scoring method at each detail."""

    models: list[Settings]
    scorings: tuple[str, ...]
    details: tuple[str, ...]


def _grid(
    settings: Settings, models: str | None, precisions: str | None, scorings: str | None, details: str | None
) -> _Grid:
    """Read the options that take several values between commas. Raises `CommandError` and `SettingInvalid`."""
    usual = settings.model
    chosen_scorings = _choices("--scoring", scorings, usual.scoring, get_args(Scoring))
    chosen_details = _choices("--detail", details, "usual" if usual.detail == "auto" else usual.detail, DETAILS)
    # A model that is loaded for ratings can score by yes-no, too.
    settings = settings.override(scoring="rating" if "rating" in chosen_scorings else "yes-no")
    pairs = product(_split(models, usual.name), _split(precisions, usual.precision))
    return _Grid(
        models=[settings.override(model=name, precision=precision) for name, precision in pairs],
        scorings=chosen_scorings,
        details=chosen_details,
    )


def _split(values: str | None, default: str) -> list[str]:
    """Return the values between commas, each once."""
    return list(dict.fromkeys(part.strip() for part in (values or default).split(",") if part.strip())) or [default]


def _choices(option: str, values: str | None, default: str, possible: Sequence[str]) -> tuple[str, ...]:
    """Return the values between commas. Raises `CommandError` if one is not possible."""
    chosen = _split(values, default)
    for value in chosen:
        if value not in possible and not (possible is DETAILS and is_token_count(value)):
            number = " or a number of visual tokens" if possible is DETAILS else ""
            raise CommandError(f"{option} “{printable(value)}” is not one of {', '.join(possible)}{number}.")
    return tuple(chosen)


def _open_dataset(spec: str) -> Dataset:
    """Raises `CommandError` with all faults of the dataset, and `DatasetError`."""
    if sys.stderr.isatty():  # the toybox draws some 170 pictures a second
        typer.echo("Reading the dataset ...\r", err=True, nl=False)
    try:
        return open_dataset(spec)
    except DatasetInvalid as error:
        faults = [fault_sentence(fault, "en") for fault in error.faults]
    raise CommandError("\n".join(faults))


def _file_names() -> tuple[str, ...]:
    from reranker.evaluation.output_files import FILE_NAMES  # noqa: PLC0415 - scipy takes a second

    return (*FILE_NAMES, RESULTS_LOG)


def _check_keeps(folder: Path, spec: str, names: Iterable[str]) -> None:
    """Raise `CommandError` if the results would replace the dataset, or be read as a part of it.

    names: of the files of the results.
    """
    dataset = Path(re.sub(r"(:\d+)+$", "", spec))
    if any(is_same_file(folder / name, dataset) for name in names):
        raise CommandError(f"The results would replace the dataset “{printable(str(dataset))}”; name another folder.")
    if dataset.is_dir() and folder.resolve().is_relative_to(dataset.resolve()):
        shown = printable(str(folder))
        raise CommandError(
            f"The folder “{shown}” is inside the dataset, where it would be read as a part of it; name another."
        )


def _check_queries(dataset: Dataset, settings: Settings) -> None:
    """Raise `CommandError` if a query is longer than the limit."""
    limit = settings.limits.max_query_length
    for labelled in dataset.sets:
        length = len(labelled.query.strip())
        if length > limit:
            message = sentence(QueryTooLong(length=length, max_length=limit), "en")
            raise CommandError(f"Set “{printable(labelled.id)}” of {printable(dataset.name)}: {message}")


def _open_results_log(folder: Path) -> ResultsLog:
    """Create the folder, and open the log in it. Raises `CommandError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return ResultsLog(folder / RESULTS_LOG)
    except OSError as error:
        shown = printable(str(folder))
        raise CommandError(
            f"Results cannot be written into “{shown}”: {error.strerror}; name another folder."
        ) from error


def _run(context: typer.Context, dataset: Dataset, grid: _Grid, results_log: ResultsLog | None) -> Evaluation | None:
    """Evaluate, with the progress on stderr. Returns None if no model could be loaded."""
    from reranker.evaluation.runner import ModelRun, Progress, SkippedRun, evaluate_stream  # noqa: PLC0415 - loads torch

    runs = [
        ModelRun(open=partial(_open_model, context, settings), scorings=cast(Any, grid.scorings), details=grid.details)
        for settings in grid.models
    ]
    bar = progress_bar(0, EVALUATION_BAR)
    try:
        with bar, closing(evaluate_stream(dataset, runs, results_log=results_log)) as stream:
            for item in stream:
                if isinstance(item, Evaluation):
                    return item
                if isinstance(item, SkippedRun):
                    say(sentence(item.error, "en"))
                elif isinstance(item, Progress):
                    _show(bar, item)
    except OSError as error:
        message = f"Scores could not be written into “{RESULTS_LOG}”: {error.strerror}; free some space and call again."
        raise CommandError(message, FAILED) from error
    return None


def _open_model(context: typer.Context, settings: Settings) -> Reranker:
    reranker = reranker_of(context, settings)
    announce(reranker)
    report_load_warnings(reranker.info)
    return reranker


def _show(bar: tqdm, progress: Any) -> None:
    left = "" if progress.left_s is None else f"· {timedelta(seconds=round(progress.left_s))} left "
    bar.total = progress.total
    bar.set_description_str(f"{left}· {printable(progress.configuration.label)}", refresh=False)
    bar.update(progress.done - bar.n)


def _write(evaluation: Evaluation, folder: Path, limits: Limits) -> None:
    """Write all files of the evaluation. Raises `CommandError`."""
    from reranker.evaluation.output_files import write_all  # noqa: PLC0415 - scipy takes a second

    shown = printable(str(folder))
    try:
        write_all(evaluation, folder, limits)
    except OSError as error:
        raise CommandError(f"The results could not be written into “{shown}”: {error.strerror}.", FAILED) from error
    say(f"Results written into “{shown}”; open report.html to see them.")


def _store_calibrations(evaluation: Evaluation) -> None:
    """Store what was fitted for each model, precision and scoring method, at its first detail. Says so on stderr."""
    first = {each.calibration_key: each for each in reversed(evaluation.results)}
    for evaluated in reversed(first.values()):
        say(_store_calibration(evaluation.dataset.name, evaluated))


def _store_calibration(dataset: str, evaluated: EvaluationResult) -> str:
    """Store a calibration if it improves the scores of the sets that were held out. Returns a line about it."""
    configuration, fit = evaluated.configuration, evaluated.fit
    name = f"{configuration.model} {configuration.precision} {configuration.scoring}"
    if fit is None:
        return f"{name}: not calibrated, too few sets; 10 are needed, with right and wrong pictures in each half."
    if fit.loss_after >= fit.loss_before or fit.relevant_above_threshold <= fit.irrelevant_above_threshold:
        return f"{name}: not calibrated, since the scores of the sets that were held out did not improve."
    about = {"model": configuration.model, "precision": configuration.precision, "scoring": configuration.scoring}
    calibration = Calibration(temperature=fit.temperature, relevance_threshold=fit.relevance_threshold)
    try:
        CalibrationStore.for_user().put(
            evaluated.calibration_key, calibration, about | {"dataset": dataset, "sets": fit.sets}
        )
    except OSError as error:
        raise CommandError(f"The calibration could not be stored: {error.strerror}.", FAILED) from error
    return (
        f"{name}: calibrated; scores are shown with the temperature {fit.temperature:.3f}, "
        f"and pictures match from {fit.relevance_threshold:.1f} of 10."
    )


def _remove_calibrations(evaluation: Evaluation) -> None:
    """Remove what is stored for each model, precision and scoring method."""
    for key in {evaluated.calibration_key for evaluated in evaluation.results}:
        try:
            CalibrationStore.for_user().delete(key)
        except OSError as error:
            raise CommandError(f"The calibration could not be removed: {error.strerror}.", FAILED) from error
    say("The calibration was removed; scores are shown as the checkpoint defines them.")
