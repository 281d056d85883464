"""The metrics agree with a reference library, and with numbers written by hand."""

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.evaluation.comparison import compare_results
from reranker.evaluation.datasets.types import LabelledSet
from reranker.evaluation.metrics import MEASURES, compute_metrics, metrics_by_set, ranked_indices
from reranker.evaluation.results import Configuration, EvaluationResult
from tests.support.labelled_sets import labelled_set, scored_set

TREC_EVAL = {
    "hit_at_1": "success_1",
    "hit_at_3": "success_3",
    "mrr": "recip_rank",
    "ndcg_at_10": "ndcg_cut_10",
    "recall_at_5": "recall_5",
    "recall_at_10": "recall_10",
}


def metrics_of(labelled: LabelledSet, *log_odds: float | None, temperature: float = 1.0):
    return compute_metrics([labelled], [scored_set(log_odds, set_id=labelled.id)], temperature)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-9, 9)), min_size=2, max_size=24, unique_by=lambda pair: pair[1])
)
def test_random_rankings_have_the_metrics_of_trec_eval(rows):
    gains, odds = zip(*rows, strict=True)
    labelled, scored = labelled_set(gains), scored_set([round(value, 3) for value in odds])
    if len(set(scored.log_odds)) < len(odds) or not any(gains):
        return
    qrels = {"1": {str(index): gain for index, gain in enumerate(gains)}}
    run = {"1": {str(index): value for index, value in enumerate(scored.log_odds)}}
    reference = pytrec_eval.RelevanceEvaluator(qrels, {"success.1,3", "recip_rank", "ndcg_cut.10", "recall.5,10"})
    expected = reference.evaluate(run)["1"]
    found = metrics_by_set([labelled], [scored])
    assert set(found) == set(MEASURES) == set(TREC_EVAL)
    for name, theirs in TREC_EVAL.items():
        assert found[name][0] == pytest.approx(expected[theirs], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=2, max_size=24).filter(any))
def test_random_rankings_have_the_metrics_of_the_definitions(relevance):
    """relevance: whether the picture at each rank is relevant."""
    labelled = labelled_set([int(is_relevant) for is_relevant in relevance])
    found = {
        name: value[0]
        for name, value in metrics_by_set([labelled], [scored_set(range(0, -len(relevance), -1))]).items()
    }
    ranks = [rank for rank, is_relevant in enumerate(relevance, start=1) if is_relevant]
    gained = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 10)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(10, len(ranks)) + 1))
    assert found["hit_at_1"] == relevance[0]
    assert found["hit_at_3"] == any(relevance[:3])
    assert found["mrr"] == pytest.approx(1 / ranks[0])
    assert found["ndcg_at_10"] == pytest.approx(gained / ideal)
    assert found["recall_at_5"] == pytest.approx(sum(relevance[:5]) / sum(relevance))
    assert found["recall_at_10"] == pytest.approx(sum(relevance[:10]) / sum(relevance))


def test_in_a_tie_the_irrelevant_picture_comes_first():
    found = metrics_of(labelled_set([1, 0, 0]), 2.0, 2.0, 1.0)
    assert (found.hit_at_1, found.mrr, found.ties) == (0.0, 0.5, 1)


def test_scores_that_are_equal_in_float32_are_a_tie():
    found = metrics_of(labelled_set([1, 0]), 1.0 + 1e-12, 1.0)
    assert (found.hit_at_1, found.ties) == (0.0, 1)


def test_two_relevant_pictures_with_equal_scores_are_no_tie():
    assert metrics_of(labelled_set([1, 1, 0]), 2.0, 2.0, 1.0).ties == 0


def test_a_relevant_picture_that_failed_is_not_found():
    found = metrics_of(labelled_set([1, 0]), None, -5.0)
    assert (found.hit_at_1, found.mrr, found.recall_at_10, found.failures) == (0.0, 0.0, 0.0, 1)


def test_a_set_in_which_all_pictures_failed_counts_as_zero():
    sets = [labelled_set([1, 0], set_id="a"), labelled_set([1, 0], set_id="b")]
    found = compute_metrics(sets, [scored_set([1.0, 0.0], set_id="a"), scored_set([None, None], set_id="b")], 1.0)
    assert (found.hit_at_1, found.failures, found.sets, found.pictures) == (0.5, 2, 2, 4)


def test_score_std_is_that_of_the_shown_scores():
    shown = [10 / (1 + math.exp(-2 / 0.5)), 5.0]
    assert metrics_of(labelled_set([1, 0]), 2.0, 0.0, temperature=0.5).score_std == pytest.approx(np.std(shown))


def test_separation_is_in_standard_deviations():
    assert metrics_of(labelled_set([1, 0, 0, 1]), 3.0, -1.0, -1.0, 3.0).separation == pytest.approx(2.0)
    assert metrics_of(labelled_set([1, 0]), 1.0, 1.0).separation == 0.0
    assert metrics_of(labelled_set([1, 0]), -3.0, 3.0).separation == pytest.approx(-2.0)


def test_spearman_needs_grades():
    assert metrics_of(labelled_set([1, 0, 0]), 3.0, 2.0, 1.0).spearman is None
    graded = labelled_set([1, 0, 0, 0], grades=[1.0, 0.7, 0.3, 0.0])
    assert metrics_of(graded, 3.0, 2.0, 1.0, 0.0).spearman == pytest.approx(1.0)
    assert metrics_of(graded, 0.0, 1.0, 2.0, 3.0).spearman == pytest.approx(-1.0)
    assert metrics_of(graded, 3.0, 2.0, None, 0.0).spearman_pairs == 3
    assert metrics_of(graded, 1.0, 1.0, 1.0, 1.0).spearman is None


def test_shares_by_language_and_kind():
    sets = [
        labelled_set([1, 0, 0], set_id="a", language="zh", kinds=["", "colour", "count"]),
        labelled_set([1, 0, 0], set_id="b", language="en", kinds=["", "colour", ""]),
    ]
    found = compute_metrics(
        sets, [scored_set([2.0, 1.0, 3.0], set_id="a"), scored_set([2.0, 2.0, 1.0], set_id="b")], 1.0
    )
    assert {name: (share.value, share.count) for name, share in found.languages.items()} == {"en": (0, 1), "zh": (0, 1)}
    assert {name: (share.value, share.count) for name, share in found.kinds.items()} == {
        "colour": (0.5, 2),
        "count": (0.0, 1),
    }


def test_time_is_a_mean_and_memory_a_maximum():
    sets = [labelled_set([1, 0], set_id="a"), labelled_set([1, 0], set_id="b")]
    found = compute_metrics(sets, [scored_set([1, 0], set_id="a", ms=3), scored_set([1, 0], set_id="b", ms=1)], 1.0)
    assert (found.ms_a_picture, found.peak_bytes) == (2.0, 1_000_000)


def test_equal_scores_are_ranked_by_position():
    assert ranked_indices(labelled_set([0, 1, 0, 0]), scored_set([1.0, None, 3.0, 1.0])) == [2, 0, 3]


# Two configurations


def result_of(name: str, sets, rows) -> EvaluationResult:
    scored_sets = tuple(scored_set(row, set_id=labelled.id) for labelled, row in zip(sets, rows, strict=True))
    return EvaluationResult(
        configuration=Configuration(model=name, precision="fp32", scoring="yes-no", visual_tokens=49),
        fingerprint=name,
        calibration_key=name,
        metrics=compute_metrics(sets, scored_sets, 1.0),
        scored_sets=scored_sets,
        fit=None,
    )


SETS = [labelled_set([1, 0, 0], set_id=str(number)) for number in range(30)]
GOOD, BAD = [[3.0, 2.0, 1.0]] * 30, [[1.0, 2.0, 3.0]] * 30


def test_opposite_rankings_differ_significantly():
    (pair,) = compare_results(SETS, [result_of("good", SETS, GOOD), result_of("bad", SETS, BAD)])
    hit_at_1 = pair.differences["hit_at_1"]
    assert (hit_at_1.value, hit_at_1.interval.low, hit_at_1.interval.high) == (-1.0, -1.0, -1.0)
    assert hit_at_1.is_significant
    assert hit_at_1.p < 0.001
    assert pair.kendall_tau == pytest.approx(-1.0)
    assert pair.changed_first == 30


def test_equal_rankings_do_not_differ():
    (pair,) = compare_results(SETS, [result_of("one", SETS, GOOD), result_of("two", SETS, GOOD)])
    assert not any(difference.is_significant for difference in pair.differences.values())
    assert (pair.kendall_tau, pair.changed_first) == (pytest.approx(1.0), 0)


def test_a_difference_in_one_of_thirty_sets_is_not_significant():
    (pair,) = compare_results(SETS, [result_of("one", SETS, GOOD), result_of("two", SETS, [*GOOD[:-1], BAD[0]])])
    assert pair.differences["hit_at_1"].value == pytest.approx(-1 / 30)
    assert not pair.differences["hit_at_1"].is_significant
    assert pair.changed_first == 1


def test_each_pair_is_compared_once_and_more_pairs_need_smaller_p():
    six = [[*GOOD[:-6], *BAD[:6]], GOOD, GOOD, GOOD, GOOD]
    pairs = compare_results(SETS, [result_of(str(number), SETS, rows) for number, rows in enumerate(six)])
    assert len({(pair.first.model, pair.second.model) for pair in pairs}) == 10
    (alone,) = compare_results(SETS, [result_of("0", SETS, six[0]), result_of("1", SETS, six[1])])
    assert alone.differences["hit_at_1"].is_significant
    assert pairs[0].differences["hit_at_1"].p > alone.differences["hit_at_1"].p


def test_kendall_tau_ignores_pictures_that_one_could_not_score():
    (pair,) = compare_results(
        SETS[:1], [result_of("a", SETS[:1], [[3, 2, 1]]), result_of("b", SETS[:1], [[3, None, 1]])]
    )
    assert pair.kendall_tau == pytest.approx(1.0)
    (none,) = compare_results(
        SETS[:1], [result_of("a", SETS[:1], [[3, 2, 1]]), result_of("b", SETS[:1], [[None, None, 1]])]
    )
    assert none.kendall_tau == 0.0
