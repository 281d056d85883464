"""What becomes of the temperatures and lines of "fits" that an evaluation found."""

from reranker.calibrations import Calibration, Calibrations
from reranker.commands.console import FAILED, Refused, say
from reranker.evaluation.outcome import Evaluated, Evaluation


def keep_calibrations(evaluation: Evaluation) -> None:
    """Those that make the scores of the other half truer; of several details of one model the first. Says so."""
    first = {one.calibrated_as: one for one in reversed(evaluation.evaluated)}
    for one in reversed(first.values()):
        _keep(evaluation.dataset.name, one)


def _keep(dataset: str, one: Evaluated) -> None:
    combination, fit = one.combination, one.fit
    way = f"{combination.model} {combination.precision} {combination.scoring}"
    if fit is None:
        say(f"{way}: too few sets to calibrate by; ten are needed, with right and wrong pictures in each half.")
    elif fit.loss_after >= fit.loss_before or fit.right_over <= fit.wrong_over:
        say(f"{way}: not calibrated, as the sets that were held out are told no better.")
    else:
        about = {"model": combination.model, "precision": combination.precision, "scoring": combination.scoring}
        _stored(
            one, Calibration(temperature=fit.temperature, fits=fit.fits), about | {"dataset": dataset, "sets": fit.sets}
        )
        say(f"{way}: scores are shown at T = {fit.temperature:.3f} from now on, and fit from {fit.fits:.1f} of 10.")


def _stored(one: Evaluated, calibration: Calibration, about: dict[str, object]) -> None:
    try:
        Calibrations.of_this_person().put(one.calibrated_as, calibration, about)
    except OSError as error:
        raise Refused(f"The calibration could not be kept: {error.strerror}.", FAILED) from error


def forget_calibrations(evaluation: Evaluation) -> None:
    """Those of the combinations; their scores are shown as the model has it."""
    for name in {one.calibrated_as for one in evaluation.evaluated}:
        try:
            Calibrations.of_this_person().forget(name)
        except OSError as error:
            raise Refused(f"The calibration could not be forgotten: {error.strerror}.", FAILED) from error
    say("Scores are shown as the models have it.")
