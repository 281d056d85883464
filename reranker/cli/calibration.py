"""What becomes of the temperatures and lines of "fits" that an evaluation found."""

from reranker.cli.console import FAILED, Refused, say
from reranker.evaluation.results import Evaluated, Evaluation
from reranker.storage.calibrations import Calibration, CalibrationStore


def keep_calibrations(evaluation: Evaluation) -> None:
    """Those that make the scores of the other half truer; of several details of one model the first. Says so."""
    first = {one.calibration_key: one for one in reversed(evaluation.evaluated)}
    for one in reversed(first.values()):
        _keep(evaluation.dataset.name, one)


def _keep(dataset: str, one: Evaluated) -> None:
    configuration, fit = one.configuration, one.fit
    way = f"{configuration.model} {configuration.precision} {configuration.scoring}"
    if fit is None:
        say(f"{way}: too few sets to calibrate by; ten are needed, with right and wrong pictures in each half.")
    elif fit.loss_after >= fit.loss_before or fit.right_over <= fit.wrong_over:
        say(f"{way}: not calibrated, as the sets that were held out are told no better.")
    else:
        about = {"model": configuration.model, "precision": configuration.precision, "scoring": configuration.scoring}
        _stored(
            one,
            Calibration(temperature=fit.temperature, relevance_threshold=fit.relevance_threshold),
            about | {"dataset": dataset, "sets": fit.sets},
        )
        say(
            f"{way}: scores are shown at T = {fit.temperature:.3f} from now on, "
            f"and fit from {fit.relevance_threshold:.1f} of 10."
        )


def _stored(one: Evaluated, calibration: Calibration, about: dict[str, object]) -> None:
    try:
        CalibrationStore.for_user().put(one.calibration_key, calibration, about)
    except OSError as error:
        raise Refused(f"The calibration could not be kept: {error.strerror}.", FAILED) from error


def forget_calibrations(evaluation: Evaluation) -> None:
    """Those of the combinations; their scores are shown as the model has it."""
    for name in {one.calibration_key for one in evaluation.evaluated}:
        try:
            CalibrationStore.for_user().delete(name)
        except OSError as error:
            raise Refused(f"The calibration could not be forgotten: {error.strerror}.", FAILED) from error
    say("Scores are shown as the models have it.")
