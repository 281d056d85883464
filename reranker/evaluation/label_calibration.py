"""Calibrate labels: fit on every other picture, and test on those in between.

Platt scaling turns log-odds into confidences, sigmoid(slope * log-odds + intercept), with the targets of Platt
(Probabilistic Outputs for Support Vector Machines, 1999), which keep the slope finite if no pair is on the wrong side.
A default threshold maximises micro F1 of the fitted half. A label gets a threshold of its own if both halves agree.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from reranker.core.types import LabelCalibration
from reranker.evaluation.label_metrics import Mask, best_threshold, calibration_error, f1_of
from reranker.evaluation.label_results import LabelFit, LabelScores
from reranker.evaluation.significance import Values
from reranker.vocabulary.labels import Vocabulary, depth_first

MIN_PICTURES: Final = 20  # with a label, and without it, for a threshold of its own
SLOPE_BOUNDS: Final = (0.01, 100.0)
INTERCEPT_BOUNDS: Final = (-50.0, 50.0)
LOG_ODDS_BOUNDS: Final = (-700.0, 36.0)  # beyond, confidences in float64 are 0 and 1
THRESHOLD_MARGIN: Final = 1e-6  # between a threshold and 0 or 1


def fit_label_calibration(scores: LabelScores, vocabulary: Vocabulary, current: LabelCalibration) -> LabelFit | None:
    """Fit on every other picture, and test on those in between.

    current: what made the confidences and labels of `scores` out of log-odds. Returns None if one of the halves has no
    judged pair that is present, or none that is absent.
    """
    halves = [scores.of(slice(start, None, 2)) for start in (0, 1)]
    if not all((each.judged & each.present).any() and (each.judged & each.absent).any() for each in halves):
        return None
    fitted, tested = halves
    slope, intercept = fit_platt(log_odds_of(fitted.confidences[fitted.judged], current), fitted.present[fitted.judged])
    refitted, retested = (_rescaled(each, current, slope, intercept) for each in halves)
    found = best_threshold(
        refitted.confidences[fitted.judged],
        fitted.present[fitted.judged],
        missed=int((fitted.present & ~fitted.judged).sum()),
    )
    assert found is not None, "the fitted half has pairs that are present"
    calibration = LabelCalibration(slope=slope, intercept=intercept, threshold=_inside(found[0]))
    calibration = replace(calibration, thresholds=_own_thresholds(refitted, retested, vocabulary, calibration))
    chosen = chosen_by(retested.confidences, vocabulary, calibration)
    return LabelFit(
        calibration=calibration,
        tested=len(tested.present),
        f1_before=f1_of(tested.chosen, tested.present, tested.annotated),
        f1_after=f1_of(chosen, tested.present, tested.annotated),
        error_before=calibration_error(tested.confidences[tested.judged], tested.present[tested.judged]),
        error_after=calibration_error(retested.confidences[tested.judged], tested.present[tested.judged]),
    )


def log_odds_of(confidences: Values, calibration: LabelCalibration) -> Values:
    """Return the log-odds that a calibration has made confidences of; NaN stays.

    The confidence of a parent is the highest one of its children, so its log-odds are the highest ones, too.
    """
    scaled = np.clip(special.logit(confidences), *LOG_ODDS_BOUNDS)
    return np.asarray((scaled - calibration.intercept) / calibration.slope)


def fit_platt(log_odds: Values, present: Mask) -> tuple[float, float]:
    """Return the slope, above 0, and the intercept with the least log loss of sigmoid(slope * log-odds + intercept)."""
    positives, negatives = np.count_nonzero(present), np.count_nonzero(~present)
    targets = np.where(present, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope = np.exp(parameters[0])
        scaled = slope * log_odds + parameters[1]
        gaps = special.expit(scaled) - targets
        gradient = np.array([slope * np.mean(gaps * log_odds), np.mean(gaps)])
        return float(np.mean(np.logaddexp(0, scaled) - targets * scaled)), gradient

    bounds = [tuple(np.log(SLOPE_BOUNDS)), INTERCEPT_BOUNDS]
    result = optimize.minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(np.exp(result.x[0])), float(result.x[1])


def chosen_by(confidences: Values, vocabulary: Vocabulary, calibration: LabelCalibration) -> Mask:
    """Return which labels each picture gets, (pictures, labels), as `chosen_labels` does; NaN is never chosen."""
    thresholds = np.array([calibration.threshold_of(label.key) for label in vocabulary])
    chosen: Mask = np.nan_to_num(confidences, nan=-1.0) >= thresholds
    columns = {label.key: column for column, label in enumerate(vocabulary)}
    for key in depth_first(vocabulary, list(columns)):
        parent = vocabulary.by_key[key].parent
        if parent is not None:
            chosen[:, columns[parent]] |= chosen[:, columns[key]]
    return chosen


def _rescaled(scores: LabelScores, current: LabelCalibration, slope: float, intercept: float) -> LabelScores:
    confidences = special.expit(slope * log_odds_of(scores.confidences, current) + intercept)
    return replace(scores, confidences=confidences)


def _own_thresholds(
    fitted: LabelScores, tested: LabelScores, vocabulary: Vocabulary, calibration: LabelCalibration
) -> tuple[tuple[str, float], ...]:
    """Return thresholds of labels that have enough pictures to fit them, and gain F1 on the other half by them."""
    found = []
    for column, label in enumerate(vocabulary):
        judged, present = fitted.judged[:, column], fitted.present[:, column]
        if min(present.sum(), fitted.absent[:, column].sum()) < MIN_PICTURES:
            continue
        missed = int((present & ~judged).sum())
        best = best_threshold(fitted.confidences[judged, column], present[judged], missed)
        if best is None:
            continue
        own = _inside(best[0])
        confidences = np.nan_to_num(tested.confidences[:, column], nan=-1.0)
        known = tested.present[:, column], tested.annotated[:, column]
        if f1_of(confidences >= own, *known) > f1_of(confidences >= calibration.threshold, *known):
            found.append((label.key, own))
    return tuple(found)


def _inside(threshold: float) -> float:
    return min(max(threshold, THRESHOLD_MARGIN), 1 - THRESHOLD_MARGIN)
