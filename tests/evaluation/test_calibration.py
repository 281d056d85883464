"""A calibration is fitted on one half of the sets and tested on the other; it never changes an order."""

import numpy as np
import pytest

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.core.scores import shown_score
from reranker.evaluation.calibration import MIN_SETS, fit_calibration
from reranker.storage.calibrations import Calibration, CalibrationStore
from tests.support.labelled_sets import labelled_set, scored_set

CALIBRATION = Calibration(temperature=0.5, relevance_threshold=6.0)
CAT = "assets/gallery/black_cat_grass.png"


def drawn(temperature: float, sets: int = 400, line: float = 0.0, seed: int = 0):
    """Draw sets of one relevant and one irrelevant picture whose log-odds are calibrated at this temperature."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 2, 40 * sets)
    is_relevant = rng.random(len(odds)) < 1 / (1 + np.exp(-(odds - line)))
    relevant, irrelevant = odds[is_relevant][:sets] * temperature, odds[~is_relevant][:sets] * temperature
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(sets)]
    return labelled, [
        scored_set([float(a), float(b)], set_id=str(number))
        for number, (a, b) in enumerate(zip(relevant, irrelevant, strict=True))
    ]


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_the_temperature_that_scores_were_drawn_with_is_fitted(temperature):
    fit = fit_calibration(*drawn(temperature, sets=1500))
    assert fit.temperature == pytest.approx(temperature, rel=0.15)
    assert fit.loss_after <= fit.loss_before + 0.005


def test_probabilities_are_calibrated_after_the_fit_only():
    fit = fit_calibration(*drawn(4.0, sets=3000))
    assert max(abs(one.mean_predicted - one.fraction_relevant) for one in fit.bins_after) < 0.08
    assert max(abs(one.mean_predicted - one.fraction_relevant) for one in fit.bins_before) > 0.15
    assert sum(one.count for one in fit.bins_after) == sum(one.count for one in fit.bins_before) == 3000


def test_the_threshold_separates_relevant_from_irrelevant():
    labelled = [labelled_set([1, 0, 0], set_id=str(number)) for number in range(20)]
    fit = fit_calibration(labelled, [scored_set([5.0, 1.0, -3.0], set_id=str(number)) for number in range(20)])
    assert (fit.relevant_above_threshold, fit.irrelevant_above_threshold, fit.sets) == (1.0, 0.0, 20)
    assert 10 / (1 + np.exp(-1 / fit.temperature)) < fit.relevance_threshold < 10 / (1 + np.exp(-5 / fit.temperature))


def test_the_tested_threshold_is_the_rounded_one_that_people_see():
    """With a small T the relevant pictures score almost 10, and the threshold stays below 10."""
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(600)]
    scored = [scored_set([9.0, 8.0] if number % 2 == 0 else [8.45, 8.0], set_id=str(number)) for number in range(600)]
    fit = fit_calibration(labelled, scored)
    shown = [10 / (1 + np.exp(-odds / fit.temperature)) for odds in (8.45, 8.0)]
    assert (fit.relevant_above_threshold, fit.irrelevant_above_threshold) == (
        shown[0] >= fit.relevance_threshold,
        shown[1] >= fit.relevance_threshold,
    )


@pytest.mark.parametrize("current", [1.0, 0.5])
def test_the_temperature_stays_if_every_picture_is_on_its_side_of_zero(current):
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(12)]
    fit = fit_calibration(labelled, [scored_set([2.0, -2.0], set_id=str(number)) for number in range(12)], current)
    assert (fit.temperature, fit.relevance_threshold) == (current, pytest.approx(5.0))
    assert fit.loss_after == fit.loss_before


def test_the_metrics_are_those_of_the_tested_half():
    """The fitted half is ranked well except for one set, and the tested half is ranked in reverse."""
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(40)]
    scored = [
        scored_set([0.5, -0.5] if number % 2 == 0 and number != 6 else [-0.5, 0.5], set_id=str(number))
        for number in range(40)
    ]
    fit = fit_calibration(labelled, scored)
    assert (fit.relevant_above_threshold, fit.irrelevant_above_threshold) == (0.0, 1.0)
    assert fit.loss_after > fit.loss_before


def test_the_fit_does_not_depend_on_the_number_of_irrelevant_pictures():
    labelled, scored = drawn(1.0, sets=1000)
    many_irrelevant = [labelled_set([1] + [0] * 10, set_id=one.id) for one in labelled]
    many = [scored_set([one.log_odds[0]] + [one.log_odds[1]] * 10, set_id=one.id) for one in scored]
    assert fit_calibration(many_irrelevant, many).temperature == pytest.approx(
        fit_calibration(labelled, scored).temperature, rel=0.01
    )


def test_too_few_sets_or_labels_give_no_fit():
    labelled, scored = drawn(1.0, sets=MIN_SETS)
    assert fit_calibration(labelled, scored) is not None
    assert fit_calibration(labelled[:-1], scored[:-1]) is None
    only_relevant = [labelled_set([1, 1], set_id=one.id) for one in labelled]
    assert fit_calibration(only_relevant, scored) is None


def test_no_threshold_lies_between_equal_scores():
    """The irrelevant ones come first here, so a threshold between equal scores would look perfect."""
    labelled = [labelled_set([0, 1], set_id=str(number)) for number in range(24)]
    rows = [[1.0, 1.0] if number < 12 else [0.0, 1.0] for number in range(24)]
    fit = fit_calibration(labelled, [scored_set(row, set_id=one.id) for row, one in zip(rows, labelled, strict=True)])
    assert fit.relevance_threshold == pytest.approx(shown_score(0.5, fit.temperature))


def test_equal_scores_give_a_fit():
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(20)]
    fit = fit_calibration(labelled, [scored_set([0.0, 0.0], set_id=str(number)) for number in range(20)])
    assert fit.relevance_threshold == pytest.approx(5.0)


def test_a_calibration_changes_the_scores_that_people_see_and_no_order():
    pictures = [CAT, "assets/gallery/white_cat_window_sill.png", "assets/gallery/boat_and_fish.png"]
    plain = Reranker("toybox", settings=Settings.of(score_store_mb=0))
    before = plain.rank("a black cat", pictures)
    CalibrationStore.for_user().put(plain.info.calibration_key, CALIBRATION, {})
    calibrated = Reranker("toybox", settings=Settings.of(score_store_mb=0))
    after = calibrated.rank("a black cat", pictures)
    assert (before.temperature, after.temperature) == (1.0, 0.5)
    assert (plain.info.relevance_threshold, calibrated.info.relevance_threshold) == (5.0, 6.0)
    assert [one.position for one in after.scored] == [one.position for one in before.scored]
    odds = [one.score.log_odds for one in before.scored]
    assert [one.score.log_odds for one in after.scored] == pytest.approx(odds, abs=1e-4)


def test_a_calibration_is_for_one_scoring_method_at_every_detail():
    scorer = Reranker("toybox", settings=Settings.of(score_store_mb=0)).load()
    CalibrationStore.for_user().put(scorer.info.calibration_key, CALIBRATION, {})
    calibrated = Reranker("toybox", settings=Settings.of(score_store_mb=0)).load()
    assert [calibrated.variant(visual_tokens=tokens).info.temperature for tokens in (25, 64)] == [0.5, 0.5]
    rating = calibrated.variant(scoring="rating")
    assert (rating.info.temperature, rating.variant(scoring="yes-no").info.temperature) == (1.0, 0.5)
