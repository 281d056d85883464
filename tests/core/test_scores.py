"""Scores from 0 to 10 and their texts."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import PictureMissing
from reranker.core.scores import MAX_DECIMALS, filter_by_score, none_relevant, score_texts, shown_score, sigmoid
from reranker.core.types import Candidate, Failed, Query, Ranking, Score, Scored

properties = settings(deadline=None, max_examples=100, database=None)
log_odds = st.floats(-700, 700)
temperatures = st.floats(0.1, 10)
scores = st.lists(st.floats(0, 10), max_size=12).map(lambda values: sorted(values, reverse=True))
crowded_scores = st.lists(st.integers(0, 400), max_size=12).map(
    lambda values: sorted((6.4 + value / 10_000 for value in values), reverse=True)
)


@pytest.mark.parametrize(
    ("log_odds", "temperature", "threshold", "expected"),
    [
        ([0.1, -2.0], 1.0, 5.0, False),
        ([-0.1, -2.0], 1.0, 5.0, True),
        ([0.0], 1.0, 5.0, False),
        ([2.0], 1.0, 9.0, True),
        ([3.0], 1.0, 9.0, False),
        ([3.0], 2.0, 9.0, True),
        ([-9.0], 1.0, None, False),
        ([], 1.0, 5.0, False),
    ],
)
def test_none_is_relevant_if_all_are_below_the_threshold(log_odds, temperature, threshold, expected) -> None:
    assert none_relevant(log_odds, temperature, threshold) is expected


def test_scores_written_by_hand() -> None:
    assert sigmoid(0) == 0.5
    assert math.isclose(sigmoid(math.log(3)), 0.75)
    assert math.isclose(shown_score(math.log(9)), 9)
    assert math.isclose(shown_score(2 * math.log(9), temperature=2), 9)


def test_extreme_log_odds_do_not_overflow() -> None:
    assert (sigmoid(-1e308), sigmoid(1e308)) == (0, 1)
    assert (shown_score(-1e308), shown_score(1e308)) == (0, 10)


@properties
@given(log_odds)
def test_sigmoid_is_symmetric(value: float) -> None:
    assert math.isclose(sigmoid(value) + sigmoid(-value), 1)


@properties
@given(log_odds, log_odds, temperatures)
def test_no_temperature_changes_the_order(one: float, other: float, temperature: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= shown_score(low, temperature) <= shown_score(high, temperature) <= 10


@properties
@given(st.floats(-30, 30), st.floats(1, 10))
def test_a_higher_temperature_moves_scores_towards_the_middle(value: float, temperature: float) -> None:
    assert abs(shown_score(value, temperature) - 5) <= abs(shown_score(value) - 5)


def test_one_decimal_if_it_distinguishes_neighbours() -> None:
    assert score_texts([9.42, 7.0, 0.31]) == ["9.4", "7.0", "0.3"]


def test_more_decimals_only_if_needed() -> None:
    assert score_texts([9.42, 6.541, 6.5389, 1.0]) == ["9.4", "6.541", "6.539", "1.0"]


def test_equal_scores_have_equal_texts() -> None:
    assert score_texts([7.123456789, 7.123456789, 7.123456789]) == ["7.1"] * 3


def test_the_number_of_decimals_is_limited() -> None:
    assert score_texts([5.0, 5.0 - 1e-12]) == ["5.000000", "5.000000"]


def test_no_score_and_one_score() -> None:
    assert score_texts([]) == []
    assert score_texts([10.0]) == ["10.0"]


@properties
@given(scores | crowded_scores)
def test_texts_are_rounded_scores(ranked: list[float]) -> None:
    for score, text in zip(ranked, score_texts(ranked), strict=True):
        decimals = len(text.partition(".")[2])
        assert 1 <= decimals <= MAX_DECIMALS
        assert text == f"{score:.{decimals}f}"


@properties
@given(scores | crowded_scores)
def test_texts_keep_the_order_and_distinguish_neighbours(ranked: list[float]) -> None:
    texts = score_texts(ranked)
    for above, below in zip(range(len(ranked)), range(1, len(ranked)), strict=False):
        assert float(texts[above]) >= float(texts[below])
        if ranked[above] - ranked[below] > 2 * 10**-MAX_DECIMALS:
            assert float(texts[above]) > float(texts[below])


@properties
@given(scores | crowded_scores, st.randoms(use_true_random=False))
def test_a_text_does_not_depend_on_the_order_of_the_scores(ranked: list[float], random: Random) -> None:
    texts = dict(zip(ranked, score_texts(ranked), strict=True))
    shuffled = random.sample(ranked, len(ranked))
    assert score_texts(shuffled) == [texts[score] for score in shuffled]


def ranking(scores: list[float], temperature: float) -> Ranking:
    """Return a ranking of pictures with these log-odds, and one that failed."""
    gone = Candidate(name="gone.png", source=b"")
    return Ranking(
        query=Query(text="a dog"),
        fingerprint="f",
        temperature=temperature,
        scored=tuple(
            Scored(
                position=position,
                candidate=Candidate(name=f"{position}.png", source=b""),
                score=Score(log_odds=value, visual_tokens=1, latency_ms=1.0),
            )
            for position, value in enumerate(scores)
        ),
        failed=(Failed(position=len(scores), candidate=gone, error=PictureMissing(name=gone.name)),),
    )


def test_a_score_equal_to_the_threshold_is_kept() -> None:
    kept = filter_by_score(ranking([2.0, 0.0, -0.001], 1.0), 5.0)
    assert [one.score.log_odds for one in kept.scored] == [2.0, 0.0]


def test_the_threshold_applies_to_scores_from_0_to_10() -> None:
    assert filter_by_score(ranking([2.0], 1.0), 7.0).scored
    assert not filter_by_score(ranking([2.0], 4.0), 7.0).scored


@properties
@given(st.lists(log_odds, max_size=12), temperatures, st.floats(0, 10))
def test_the_threshold_keeps_a_prefix_of_the_scored_and_all_failed(
    values: list[float], temperature: float, threshold: float
) -> None:
    whole = ranking(sorted(values, reverse=True), temperature)
    kept = filter_by_score(whole, threshold)
    assert kept.scored + whole.scored[len(kept.scored) :] == whole.scored
    assert all(shown_score(one.score.log_odds, temperature) >= threshold for one in kept.scored)
    left_out = whole.scored[len(kept.scored) :]
    assert all(shown_score(one.score.log_odds, temperature) < threshold for one in left_out)
    assert kept.failed == whole.failed
    assert filter_by_score(whole, 0) == whole
