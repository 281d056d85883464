"""The figures agree with a reference library, and with numbers written by hand."""

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.evaluation.comparison import compared
from reranker.evaluation.datasets.labelled import LabelledSet
from reranker.evaluation.metrics import MEASURES, best_first, figures, measured
from reranker.evaluation.results import Configuration, Evaluated
from tests.support.labelled import judged_set, labelled_set

TREC_EVAL = {
    "first": "success_1",
    "within_3": "success_3",
    "mrr": "recip_rank",
    "ndcg_at_10": "ndcg_cut_10",
    "recall_at_5": "recall_5",
    "recall_at_10": "recall_10",
}


def one(labelled: LabelledSet, *log_odds: float | None, temperature: float = 1.0):
    return figures([labelled], [judged_set(log_odds, set_id=labelled.id)], temperature)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-9, 9)), min_size=2, max_size=24, unique_by=lambda pair: pair[1])
)
def test_random_rankings_measure_as_trec_eval_does(rows):
    gains, odds = zip(*rows, strict=True)
    labelled, said = labelled_set(gains), judged_set([round(value, 3) for value in odds])
    if len(set(said.log_odds)) < len(odds) or not any(gains):
        return
    qrels = {"1": {str(index): gain for index, gain in enumerate(gains)}}
    run = {"1": {str(index): value for index, value in enumerate(said.log_odds)}}
    reference = pytrec_eval.RelevanceEvaluator(qrels, {"success.1,3", "recip_rank", "ndcg_cut.10", "recall.5,10"})
    expected = reference.evaluate(run)["1"]
    found = measured([labelled], [said])
    assert set(found) == set(MEASURES) == set(TREC_EVAL)
    for name, theirs in TREC_EVAL.items():
        assert found[name][0] == pytest.approx(expected[theirs], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=24).filter(any))
def test_random_rankings_measure_as_the_definitions_say(places):
    """Pictures in the order of their scores: right or wrong."""
    labelled = labelled_set([int(right) for right in places])
    found = {name: value[0] for name, value in measured([labelled], [judged_set(range(0, -len(places), -1))]).items()}
    ranks = [rank for rank, right in enumerate(places, start=1) if right]
    gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(ranks)) + 1))
    assert found["first"] == places[0]
    assert found["within_3"] == any(places[:3])
    assert found["mrr"] == pytest.approx(1 / ranks[0])
    assert found["ndcg_at_10"] == pytest.approx(gained / ideal)
    assert found["recall_at_5"] == pytest.approx(sum(places[:5]) / sum(places))
    assert found["recall_at_10"] == pytest.approx(sum(places[:10]) / sum(places))


def test_a_tie_goes_against_the_right_picture_and_is_counted():
    found = one(labelled_set([1, 0, 0]), 2.0, 2.0, 1.0)
    assert (found.first, found.mrr, found.ties) == (0.0, 0.5, 1)


def test_what_float32_cannot_tell_apart_is_a_tie():
    found = one(labelled_set([1, 0]), 1.0 + 1e-12, 1.0)
    assert (found.first, found.ties) == (0.0, 1)


def test_two_right_ones_that_tie_are_no_tie():
    assert one(labelled_set([1, 1, 0]), 2.0, 2.0, 1.0).ties == 0


def test_a_right_picture_that_failed_is_not_found():
    found = one(labelled_set([1, 0]), None, -5.0)
    assert (found.first, found.mrr, found.recall_at_10, found.failures) == (0.0, 0.0, 0.0, 1)


def test_a_set_where_all_failed_counts_as_missed():
    sets = [labelled_set([1, 0], set_id="a"), labelled_set([1, 0], set_id="b")]
    found = figures(sets, [judged_set([1.0, 0.0], set_id="a"), judged_set([None, None], set_id="b")], 1.0)
    assert (found.first, found.failures, found.sets, found.pictures) == (0.5, 2, 2, 4)


def test_the_spread_is_that_of_the_score_of_ten():
    shown = [10 / (1 + math.exp(-2 / 0.5)), 5.0]
    assert one(labelled_set([1, 0]), 2.0, 0.0, temperature=0.5).score_std == pytest.approx(np.std(shown))


def test_right_and_wrong_lie_apart_in_units_of_the_spread():
    assert one(labelled_set([1, 0, 0, 1]), 3.0, -1.0, -1.0, 3.0).separation == pytest.approx(2.0)
    assert one(labelled_set([1, 0]), 1.0, 1.0).separation == 0.0
    assert one(labelled_set([1, 0]), -3.0, 3.0).separation == pytest.approx(-2.0)


def test_spearman_wants_grades():
    assert one(labelled_set([1, 0, 0]), 3.0, 2.0, 1.0).spearman is None
    graded = labelled_set([1, 0, 0, 0], grades=[1.0, 0.7, 0.3, 0.0])
    assert one(graded, 3.0, 2.0, 1.0, 0.0).spearman == pytest.approx(1.0)
    assert one(graded, 0.0, 1.0, 2.0, 3.0).spearman == pytest.approx(-1.0)
    assert one(graded, 3.0, 2.0, None, 0.0).spearman_pairs == 3
    assert one(graded, 1.0, 1.0, 1.0, 1.0).spearman is None


def test_languages_and_kinds_have_their_shares():
    sets = [
        labelled_set([1, 0, 0], set_id="a", language="zh", kinds=["", "colour", "count"]),
        labelled_set([1, 0, 0], set_id="b", language="en", kinds=["", "colour", ""]),
    ]
    found = figures(sets, [judged_set([2.0, 1.0, 3.0], set_id="a"), judged_set([2.0, 2.0, 1.0], set_id="b")], 1.0)
    assert {name: (share.value, share.count) for name, share in found.languages.items()} == {"en": (0, 1), "zh": (0, 1)}
    assert {name: (share.value, share.count) for name, share in found.kinds.items()} == {
        "colour": (0.5, 2),
        "count": (0.0, 1),
    }


def test_time_and_memory():
    sets = [labelled_set([1, 0], set_id="a"), labelled_set([1, 0], set_id="b")]
    found = figures(sets, [judged_set([1, 0], set_id="a", ms=3), judged_set([1, 0], set_id="b", ms=1)], 1.0)
    assert (found.ms_a_picture, found.peak_bytes) == (2.0, 1_000_000)


def test_the_order_is_the_programs_own():
    assert best_first(labelled_set([0, 1, 0, 0]), judged_set([1.0, None, 3.0, 1.0])) == [2, 0, 3]


# Two combinations


def evaluated(name: str, sets, rows) -> Evaluated:
    judged = tuple(judged_set(row, set_id=labelled.id) for labelled, row in zip(sets, rows, strict=True))
    return Evaluated(
        configuration=Configuration(model=name, precision="fp32", scoring="yes-no", visual_tokens=49),
        fingerprint=name,
        calibration_key=name,
        figures=figures(sets, judged, 1.0),
        judged=judged,
        fit=None,
    )


SETS = [labelled_set([1, 0, 0], set_id=str(number)) for number in range(30)]
GOOD, BAD = [[3.0, 2.0, 1.0]] * 30, [[1.0, 2.0, 3.0]] * 30


def test_good_against_bad_is_real_and_turned_round():
    (pair,) = compared(SETS, [evaluated("good", SETS, GOOD), evaluated("bad", SETS, BAD)])
    first = pair.differences["first"]
    assert (first.value, first.interval.low, first.interval.high) == (-1.0, -1.0, -1.0)
    assert first.is_real
    assert first.p < 0.001
    assert pair.kendall_tau == pytest.approx(-1.0)
    assert pair.changed_first == 30


def test_the_same_is_the_same():
    (pair,) = compared(SETS, [evaluated("one", SETS, GOOD), evaluated("two", SETS, GOOD)])
    assert not any(difference.is_real for difference in pair.differences.values())
    assert (pair.kendall_tau, pair.changed_first) == (pytest.approx(1.0), 0)


def test_one_set_of_thirty_is_chance():
    (pair,) = compared(SETS, [evaluated("one", SETS, GOOD), evaluated("two", SETS, [*GOOD[:-1], BAD[0]])])
    assert pair.differences["first"].value == pytest.approx(-1 / 30)
    assert not pair.differences["first"].is_real
    assert pair.changed_first == 1


def test_each_pair_once_and_the_more_pairs_the_harder_to_be_real():
    six = [[*GOOD[:-6], *BAD[:6]], GOOD, GOOD, GOOD, GOOD]
    pairs = compared(SETS, [evaluated(str(number), SETS, rows) for number, rows in enumerate(six)])
    assert len({(pair.first.model, pair.second.model) for pair in pairs}) == 10
    (alone,) = compared(SETS, [evaluated("0", SETS, six[0]), evaluated("1", SETS, six[1])])
    assert alone.differences["first"].is_real
    assert pairs[0].differences["first"].p > alone.differences["first"].p


def test_pictures_that_one_could_not_judge_are_left_out_of_the_agreement():
    (pair,) = compared(SETS[:1], [evaluated("a", SETS[:1], [[3, 2, 1]]), evaluated("b", SETS[:1], [[3, None, 1]])])
    assert pair.kendall_tau == pytest.approx(1.0)
    (none,) = compared(SETS[:1], [evaluated("a", SETS[:1], [[3, 2, 1]]), evaluated("b", SETS[:1], [[None, None, 1]])])
    assert none.kendall_tau == 0.0
