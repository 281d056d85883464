"""What a score should say is found on one half of the sets and tested on the other; no order ever changes."""

import numpy as np
import pytest

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.core.scores import shown_score
from reranker.evaluation.calibration import LEAST_SETS, fitted
from reranker.storage.calibrations import Calibration, CalibrationStore
from tests.support.labelled import judged_set, labelled_set

SOUND = Calibration(temperature=0.5, relevance_threshold=6.0)
CAT = "assets/gallery/black_cat_grass.png"


def drawn(temperature: float, sets: int = 400, line: float = 0.0, seed: int = 0):
    """Sets of one right and one wrong picture whose log-odds tell the truth at this temperature."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, 2, 40 * sets)
    is_right = rng.random(len(odds)) < 1 / (1 + np.exp(-(odds - line)))
    right, wrong = odds[is_right][:sets] * temperature, odds[~is_right][:sets] * temperature
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(sets)]
    return labelled, [
        judged_set([float(a), float(b)], set_id=str(number))
        for number, (a, b) in enumerate(zip(right, wrong, strict=True))
    ]


@pytest.mark.parametrize("temperature", [0.25, 1.0, 4.0])
def test_the_temperature_that_scores_were_drawn_at_is_found(temperature):
    fit = fitted(*drawn(temperature, sets=1500))
    assert fit.temperature == pytest.approx(temperature, rel=0.15)
    assert fit.loss_after <= fit.loss_before + 0.005


def test_probabilities_are_right_after_and_not_before():
    fit = fitted(*drawn(4.0, sets=3000))
    assert max(abs(one.said - one.right) for one in fit.after) < 0.08
    assert max(abs(one.said - one.right) for one in fit.before) > 0.15
    assert sum(one.count for one in fit.after) == sum(one.count for one in fit.before) == 3000


def test_the_line_parts_right_from_wrong():
    labelled = [labelled_set([1, 0, 0], set_id=str(number)) for number in range(20)]
    fit = fitted(labelled, [judged_set([5.0, 1.0, -3.0], set_id=str(number)) for number in range(20)])
    assert (fit.right_over, fit.wrong_over, fit.sets) == (1.0, 0.0, 20)
    assert 10 / (1 + np.exp(-1 / fit.temperature)) < fit.relevance_threshold < 10 / (1 + np.exp(-5 / fit.temperature))


def test_the_line_that_was_tested_is_the_one_that_people_see():
    """Where T is small, the right ones lie at 10 and the line is kept off it."""
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(600)]
    judged = [judged_set([9.0, 8.0] if number % 2 == 0 else [8.45, 8.0], set_id=str(number)) for number in range(600)]
    fit = fitted(labelled, judged)
    shown = [10 / (1 + np.exp(-odds / fit.temperature)) for odds in (8.45, 8.0)]
    assert (fit.right_over, fit.wrong_over) == (
        shown[0] >= fit.relevance_threshold,
        shown[1] >= fit.relevance_threshold,
    )


@pytest.mark.parametrize("in_use", [1.0, 0.5])
def test_where_all_lie_on_their_sides_the_temperature_stays(in_use):
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(12)]
    fit = fitted(labelled, [judged_set([2.0, -2.0], set_id=str(number)) for number in range(12)], in_use)
    assert (fit.temperature, fit.relevance_threshold) == (in_use, pytest.approx(5.0))
    assert fit.loss_after == fit.loss_before


def test_only_the_half_that_was_held_out_is_reported():
    """The other half is told well but for a tenth, and this one the wrong way round."""
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(40)]
    judged = [
        judged_set([0.5, -0.5] if number % 2 == 0 and number != 6 else [-0.5, 0.5], set_id=str(number))
        for number in range(40)
    ]
    fit = fitted(labelled, judged)
    assert (fit.right_over, fit.wrong_over) == (0.0, 1.0)
    assert fit.loss_after > fit.loss_before


def test_wrong_pictures_weigh_no_more_for_being_many():
    labelled, judged = drawn(1.0, sets=1000)
    crowded = [labelled_set([1] + [0] * 10, set_id=one.id) for one in labelled]
    many = [judged_set([said.log_odds[0]] + [said.log_odds[1]] * 10, set_id=said.id) for said in judged]
    assert fitted(crowded, many).temperature == pytest.approx(fitted(labelled, judged).temperature, rel=0.01)


def test_too_little_gives_no_fit():
    labelled, judged = drawn(1.0, sets=LEAST_SETS)
    assert fitted(labelled, judged) is not None
    assert fitted(labelled[:-1], judged[:-1]) is None
    only_right = [labelled_set([1, 1], set_id=one.id) for one in labelled]
    assert fitted(only_right, judged) is None


def test_no_line_goes_between_equal_scores():
    """Sorted by chance with the wrong ones first, a line between equals would part them perfectly."""
    labelled = [labelled_set([0, 1], set_id=str(number)) for number in range(24)]
    rows = [[1.0, 1.0] if number < 12 else [0.0, 1.0] for number in range(24)]
    fit = fitted(labelled, [judged_set(row, set_id=one.id) for row, one in zip(rows, labelled, strict=True)])
    assert fit.relevance_threshold == pytest.approx(shown_score(0.5, fit.temperature))


def test_scores_that_are_all_one_still_fit():
    labelled = [labelled_set([1, 0], set_id=str(number)) for number in range(20)]
    fit = fitted(labelled, [judged_set([0.0, 0.0], set_id=str(number)) for number in range(20)])
    assert fit.relevance_threshold == pytest.approx(5.0)


def test_a_calibration_changes_the_scores_that_people_see_and_no_order():
    pictures = [CAT, "assets/gallery/white_cat_window_sill.png", "assets/gallery/boat_and_fish.png"]
    plain = Reranker("toybox", settings=Settings.of(score_store_mb=0))
    before = plain.rank("a black cat", pictures)
    CalibrationStore.for_user().put(plain.info.calibration_key, SOUND, {})
    calibrated = Reranker("toybox", settings=Settings.of(score_store_mb=0))
    after = calibrated.rank("a black cat", pictures)
    assert (before.temperature, after.temperature) == (1.0, 0.5)
    assert (plain.info.relevance_threshold, calibrated.info.relevance_threshold) == (5.0, 6.0)
    assert [one.position for one in after.scored] == [one.position for one in before.scored]
    odds = [one.score.log_odds for one in before.scored]
    assert [one.score.log_odds for one in after.scored] == pytest.approx(odds, abs=1e-4)


def test_a_calibration_is_of_one_way_to_ask_at_every_detail():
    scorer = Reranker("toybox", settings=Settings.of(score_store_mb=0)).load()
    CalibrationStore.for_user().put(scorer.info.calibration_key, SOUND, {})
    calibrated = Reranker("toybox", settings=Settings.of(score_store_mb=0)).load()
    assert calibrated.at(25).temperature == calibrated.at(64).temperature == 0.5
    assert calibrated.asking("rating").temperature == 1.0
    assert calibrated.asking("rating").asking("yes-no").temperature == 0.5
