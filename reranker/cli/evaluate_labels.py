"""`evaluate --labels`: measure how right the labels of annotated pictures are."""

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reranker.cli.console import (
    DONE,
    FAILED,
    CommandError,
    argument_text,
    as_bytes,
    print_bytes,
    printable,
    reranker_of,
    say,
)
from reranker.cli.progress import RANKING_BAR, announce, progress_bar, report_load_warnings
from reranker.config.settings import Settings
from reranker.core.errors import DatasetInvalid
from reranker.core.types import Failed
from reranker.evaluation.label_datasets.loading import open_label_dataset
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.evaluation.label_output_files import FILE_NAMES, write_labels
from reranker.evaluation.label_results import LabelEvaluation, LabelFit
from reranker.evaluation.label_text_table import as_label_table, fit_text
from reranker.i18n.error_messages import fault_sentence, sentence
from reranker.pipelines.label_proposals import PROPOSED
from reranker.storage.calibrations import CalibrationStore
from reranker.tagger import AUTO, NO_ENCODER, Tagger
from reranker.version import __version__

UNKNOWN_SHOWN: Final = 5  # categories
FAILED_SHOWN: Final = 10  # pictures

LabelsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Measure labels instead of rankings: `general`, `aerial`, `toybox`, or a file, as for `tag`. DATASET is "
        "then a folder with a sub-folder of pictures for each label; instances in the format of COCO (.json); verified "
        "labels in the format of Open Images (.csv); a .jsonl file with `path`, `labels` and `absent` in each line; or "
        "`toybox:SCENES:SEED`.",
    ),
]
GroupsOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="With --labels: only labels of this group; may be repeated.")
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="With --labels: dual encoder that proposes labels, as for `tag`. Default: `auto`."
    ),
]
CandidatesOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="With --labels: labels of a picture that the dual encoder proposes, and the reranker judges; 0: it judges "
        f"all. Default: {PROPOSED}.",
    ),
]
RerankOption = Annotated[
    bool,
    typer.Option(
        "--rerank/--no-rerank",
        help="With --labels: let the reranker judge, or take the dual encoder's own confidences.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class LabelChoice:
    """The options that only labels have, as they were given."""

    groups: list[str] | None
    encoder: str | None
    candidates: int | None
    rerank: bool

    def check_unused(self) -> None:
        """Raise `CommandError` if one of them was given without `--labels`."""
        given = {
            "--group": bool(self.groups),
            "--encoder": self.encoder is not None,
            "--candidates": self.candidates is not None,
            "--no-rerank": not self.rerank,
        }
        option = next((option for option, is_given in given.items() if is_given), None)
        if option is not None:
            raise CommandError(f"{option} is for labels; add --labels, or leave it out.")

    def tagger(self, labels: str, context: typer.Context, settings: Settings) -> Tagger:
        """Return what finds the labels. Raises `VocabularyError` and `FilterInvalid`."""
        return Tagger(
            argument_text(labels),
            groups=[argument_text(each) for each in self.groups or ()],
            encoder=NO_ENCODER if self.candidates == 0 else self.encoder or AUTO,
            proposed=self.candidates or PROPOSED,
            rerank=self.rerank,
            reranker=reranker_of(context, settings),
        )


def one_value(option: str, value: str | None) -> str | None:
    """Return the value of an option that takes several only for rankings. Raises `CommandError`."""
    values = [part.strip() for part in (value or "").split(",") if part.strip()]
    if len(values) > 1:
        raise CommandError(f"{option} takes one value together with --labels; make a call for each.")
    return values[0] if values else None


def evaluate_labels(tagger: Tagger, choice: LabelChoice, spec: str, output: Path | None, calibrate: bool | None) -> int:
    """Measure the labels of a dataset: print the tables, write the files, and store or delete a calibration."""
    if calibrate is not None and not choice.rerank:
        raise CommandError("Only confidences of the reranker are calibrated; leave out --no-rerank.")
    dataset = _open(spec, tagger)
    if output is not None:
        _make(output)
    evaluation = _run(tagger, choice, dataset)
    if evaluation is None:
        return FAILED
    judged_by, fit = _judged_by(tagger, choice), _fit(evaluation) if calibrate else None
    table = as_label_table(evaluation, judged_by)
    print_bytes(as_bytes("".join(f"{printable(line)}\n" for line in table.splitlines())))
    if output is not None:
        _write(evaluation, output, judged_by, fit)
    if calibrate is not None:
        key = tagger.reranker.load().info.calibration_key
        say(_store(key, evaluation, judged_by, fit) if calibrate else _remove(key))
    return DONE


def _open(spec: str, tagger: Tagger) -> LabelDataset:
    """Return the dataset, and say what of it is left out. Raises `CommandError` with all faults, and `DatasetError`."""
    if sys.stderr.isatty():  # the toybox draws some 170 pictures a second
        typer.echo("Reading the dataset ...\r", err=True, nl=False)
    try:
        dataset = open_label_dataset(spec, tagger.vocabulary)
    except DatasetInvalid as error:
        raise CommandError("\n".join(fault_sentence(fault, "en") for fault in error.faults)) from error
    if unknown := dataset.unknown_categories:
        shown = ", ".join(f"“{printable(each)}”" for each in unknown[:UNKNOWN_SHOWN])
        more = " and others" if len(unknown) > UNKNOWN_SHOWN else ""
        say(f"Annotated, but not among the labels, and left out: {len(unknown):,}, namely {shown}{more}.")
    if dataset.missing_pictures:
        say(f"Annotated pictures that are not on this machine, and left out: {dataset.missing_pictures:,}.")
    return dataset


def _make(folder: Path) -> None:
    """Create the folder of the results. Raises `CommandError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        shown = printable(str(folder))
        raise CommandError(
            f"Results cannot be written into “{shown}”: {error.strerror}; name another folder."
        ) from error


def _run(tagger: Tagger, choice: LabelChoice, dataset: LabelDataset) -> LabelEvaluation | None:
    """Evaluate, with the progress on stderr. Returns None if no picture could be judged, and says so."""
    from reranker.evaluation.label_runner import evaluate_labels_stream  # noqa: PLC0415 - scipy takes a second

    if choice.rerank:
        announce(tagger.reranker)
        report_load_warnings(tagger.reranker.info)
    if tagger.is_relative:
        say("The confidences only compare the labels of a picture; this dual encoder judges no label by itself.")
    done, total = 0, len(dataset.pictures)
    bar = progress_bar(total, RANKING_BAR, unit=" pictures")
    failed: list[Failed] = []
    try:
        with bar, closing(evaluate_labels_stream(dataset, tagger)) as stream:
            for item in stream:
                if isinstance(item, LabelEvaluation):
                    return item
                done = item.done
                failed += [item.result] if isinstance(item.result, Failed) else []
                bar.set_description_str(f"· {printable(Path(item.result.candidate.name).name)}", refresh=False)
                bar.update()
    except KeyboardInterrupt:
        is_stored = choice.rerank and tagger.reranker.store is not None
        rest = "; their scores are stored, so the same call goes on from there" if is_stored else ""
        say(f"{done:,} of {total:,} pictures were judged{rest}.")
        raise
    say("No picture could be judged.")
    for each in failed[:FAILED_SHOWN]:
        say(sentence(each.error, "en"))
    return None


def _judged_by(tagger: Tagger, choice: LabelChoice) -> dict[str, Any]:
    """Return how labels are found, by the names of settings and options: for those who repeat a result."""
    encoder = tagger.encoder_shown
    by_encoder = {
        "rerank": choice.rerank,
        "encoder": encoder,
        "candidates": None if encoder is None or not choice.rerank else choice.candidates or PROPOSED,
        "groups": choice.groups or [],
    }
    return by_encoder | (tagger.reranker.judged_by() if choice.rerank else {"versions": {"reranker": __version__}})


def _write(evaluation: LabelEvaluation, folder: Path, judged_by: Mapping[str, Any], fit: LabelFit | None) -> None:
    """Write the files of the evaluation. Raises `CommandError`."""
    shown = printable(str(folder))
    try:
        write_labels(evaluation, folder, judged_by, fit)
    except OSError as error:
        raise CommandError(f"The results could not be written into “{shown}”: {error.strerror}.", FAILED) from error
    say(f"Results written into “{shown}”: {' and '.join(FILE_NAMES)}.")


def _fit(evaluation: LabelEvaluation) -> LabelFit | None:
    from reranker.evaluation.label_calibration import fit_label_calibration  # noqa: PLC0415 - scipy takes a second

    return fit_label_calibration(evaluation.scores, evaluation.vocabulary, evaluation.calibration)


def _store(key: str, evaluation: LabelEvaluation, judged_by: Mapping[str, Any], fit: LabelFit | None) -> str:
    """Store a calibration if it improves the labels of the pictures that were held out. Returns a line about it."""
    if fit is None:
        return "Nothing was stored: each half of the pictures needs labels that are there, and labels that are not."
    changes = f"In the {fit.tested:,} pictures that were held out, {fit_text(fit)}"
    if not fit.is_better:
        return f"Nothing was stored. {changes}."
    calibration = fit.calibration
    about = {name: judged_by[name] for name in ("model", "precision", "scoring")}
    about |= {"dataset": evaluation.dataset.name, "pictures": len(evaluation.scores.present)}
    try:
        CalibrationStore.for_user().put_labels(key, calibration, about)
    except OSError as error:
        raise CommandError(f"The calibration could not be stored: {error.strerror}.", FAILED) from error
    own = f", {len(calibration.thresholds):,} of them from thresholds of their own" if calibration.thresholds else ""
    return (
        f"Calibrated: confidences are sigmoid({calibration.slope:.3f} × log-odds {calibration.intercept:+.3f}), and "
        f"labels count from {calibration.threshold:.2f}{own}. {changes}."
    )


def _remove(key: str) -> str:
    """Delete the calibration of labels. Returns a line about it."""
    try:
        CalibrationStore.for_user().delete_labels(key)
    except OSError as error:
        raise CommandError(f"The calibration could not be removed: {error.strerror}.", FAILED) from error
    return "The calibration of labels was removed; confidences are as the checkpoint defines them."
