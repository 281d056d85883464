"""Platt scaling and thresholds recover what made the data, and change nothing for the worse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import expit

from reranker.core.scores import label_confidence
from reranker.core.types import LabelCalibration
from reranker.evaluation.label_calibration import chosen_by, fit_label_calibration, fit_platt, log_odds_of
from reranker.evaluation.label_results import LabelScores
from reranker.pipelines.tag import TagOptions, chosen_labels
from reranker.vocabulary.label_files import vocabulary_of
from reranker.vocabulary.labels import with_implied
from tests.support.label_datasets import VOCABULARY

PLAIN = LabelCalibration(slope=1.0, intercept=0.0, threshold=0.5)
NAMES = ("dog", "cat", "car")


def simulated(
    pictures: int, *, slope: float, intercept: float, current: LabelCalibration = PLAIN, seed: int = 0
) -> LabelScores:
    """Draw log-odds of three labels, of which sigmoid(slope * log-odds + intercept) are present."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(0, 3, (pictures, len(NAMES)))
    present = rng.random(log_odds.shape) < expit(slope * log_odds + intercept)
    confidences = expit(current.slope * log_odds + current.intercept)
    return LabelScores(
        confidences=confidences, chosen=confidences >= current.threshold, present=present, absent=~present
    )


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.4, -1.5), (2.5, 3.0)])
def test_the_slope_and_the_intercept_of_the_data_are_found(slope: float, intercept: float) -> None:
    scores = simulated(20_000, slope=slope, intercept=intercept)
    found = fit_platt(log_odds_of(scores.confidences.ravel(), PLAIN), scores.present.ravel())
    assert found == (pytest.approx(slope, rel=0.05), pytest.approx(intercept, abs=0.08))


@pytest.mark.parametrize("current", [PLAIN, LabelCalibration(slope=0.5, intercept=-2.0, threshold=0.3)])
def test_a_fit_depends_on_log_odds_and_not_on_the_calibration_in_use(current: LabelCalibration) -> None:
    fit = fit_label_calibration(
        simulated(8000, slope=0.7, intercept=-1.0, current=current), vocabulary_of(NAMES), current
    )
    assert fit is not None
    assert fit.calibration.slope == pytest.approx(0.7, rel=0.06)
    assert fit.calibration.intercept == pytest.approx(-1.0, abs=0.1)
    assert fit.tested == 4000
    assert fit.error_after < 0.02 < fit.error_before
    assert fit.is_better


def test_data_that_are_calibrated_already_gain_nothing_to_speak_of() -> None:
    fit = fit_label_calibration(simulated(8000, slope=1.0, intercept=0.0), vocabulary_of(NAMES), PLAIN)
    assert fit is not None
    assert abs(fit.f1_after - fit.f1_before) < 0.02
    assert abs(fit.error_after - fit.error_before) < 0.01


def test_the_slope_stays_finite_if_no_pair_is_on_the_wrong_side() -> None:
    log_odds = np.array([-5.0, -4.0, 4.0, 5.0] * 10)
    slope, _ = fit_platt(log_odds, log_odds > 0)
    assert 0 < slope < 2


def test_a_label_gets_a_threshold_of_its_own_if_both_halves_gain_by_it() -> None:
    """All labels have the same log-odds, but the car is there only from 3."""
    rng = np.random.default_rng(3)
    log_odds = rng.normal(0, 3, (2000, len(NAMES)))
    present = log_odds > np.array([0.0, 0.0, 3.0])
    confidences = expit(log_odds)
    scores = LabelScores(confidences=confidences, chosen=confidences >= 0.5, present=present, absent=~present)
    fit = fit_label_calibration(scores, vocabulary_of(NAMES), PLAIN)
    assert fit is not None
    assert fit.calibration.is_valid
    own = dict(fit.calibration.thresholds)
    assert own["car"] > fit.calibration.threshold
    assert fit.f1_after > 0.98 > fit.f1_before


def test_labels_of_few_pictures_get_no_threshold_of_their_own() -> None:
    """Nineteen pictures of the fitted half have a car, whose log-odds are above those of the others."""
    confidences = np.tile([[0.6], [0.6], [0.4], [0.4]], (50, 3))
    present = confidences > 0.5
    present[80:, 2] = False
    confidences[:, 2] = np.where(present[:, 2], 0.3, 0.2)
    for missing, is_fitted in ((0, True), (4, False)):
        scores = LabelScores(
            confidences=confidences[missing:],
            chosen=confidences[missing:] >= 0.5,
            present=present[missing:],
            absent=~present[missing:],
        )
        fit = fit_label_calibration(scores, vocabulary_of(NAMES), PLAIN)
        assert fit is not None
        assert ("car" in dict(fit.calibration.thresholds)) == is_fitted


@pytest.mark.parametrize("wrong", ["all present", "all absent", "half is unknown", "one picture"])
def test_too_few_pictures_are_not_fitted(wrong: str) -> None:
    scores = simulated(10, slope=1.0, intercept=0.0)
    if wrong == "one picture":
        scores = scores.of(slice(0, 1))
    elif wrong == "half is unknown":
        scores.present[::2], scores.absent[::2] = False, False
    else:
        scores.present[:], scores.absent[:] = wrong == "all present", wrong == "all absent"
    assert fit_label_calibration(scores, vocabulary_of(NAMES), PLAIN) is None


def test_labels_that_nobody_judged_stay_unjudged() -> None:
    scores = simulated(400, slope=1.0, intercept=0.0)
    scores.confidences[scores.confidences < 0.3] = np.nan
    fit = fit_label_calibration(scores, vocabulary_of(NAMES), PLAIN)
    assert fit is not None
    assert fit.calibration.is_valid


@given(st.floats(-30, 30), st.floats(0.1, 1.1), st.floats(-3, 3))
def test_log_odds_are_those_that_made_the_confidence(log_odds: float, slope: float, intercept: float) -> None:
    calibration = LabelCalibration(slope=slope, intercept=intercept, threshold=0.5)
    confidence = np.array([label_confidence(log_odds, calibration)])
    found = log_odds_of(confidence, calibration)
    if 1e-9 < confidence[0] < 1 - 1e-9:
        assert found[0] == pytest.approx(log_odds, abs=1e-4)
    assert np.isfinite(found[0])


@given(
    arrays.arrays(float, (len(VOCABULARY),), elements=st.sampled_from([float("nan"), 0.0, 0.3, 0.5, 0.7, 1.0])),
    st.dictionaries(st.sampled_from(sorted(VOCABULARY.by_key)), st.sampled_from([0.2, 0.5, 0.6, 0.9])),
)
def test_labels_are_chosen_as_by_the_tagger(confidences, thresholds) -> None:
    calibration = LabelCalibration(slope=1.0, intercept=0.0, threshold=0.5, thresholds=tuple(thresholds.items()))
    keys = [label.key for label in VOCABULARY]
    judged = {key: float(each) for key, each in zip(keys, confidences, strict=True) if not np.isnan(each)}
    complete = with_implied(VOCABULARY, judged)
    (chosen,) = chosen_by(np.array([[complete.get(key, np.nan) for key in keys]]), VOCABULARY, calibration)
    expected = {each.label.key for each in chosen_labels(VOCABULARY, complete, calibration, TagOptions())}
    assert {key for key, is_chosen in zip(keys, chosen, strict=True) if is_chosen} == expected
