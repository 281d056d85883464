"""Confidence intervals and the paired randomization test, on cases with known answers."""

import math
import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.evaluation import significance
from reranker.evaluation.significance import bootstrap_interval, holm_correction, paired_randomization_p


def test_the_interval_of_a_share_is_close_to_the_binomial_interval():
    values = np.array([1.0] * 80 + [0.0] * 20)
    interval, half = bootstrap_interval(values), 1.96 * math.sqrt(0.8 * 0.2 / 100)
    assert interval.low == pytest.approx(0.8 - half, abs=0.015)
    assert interval.high == pytest.approx(0.8 + half, abs=0.015)


@pytest.mark.extended
def test_about_95_percent_of_intervals_contain_the_true_mean():
    rng = np.random.default_rng(1)
    contains = [
        each.low <= 0.3 <= each.high for each in (bootstrap_interval(rng.normal(0.3, 1, 80)) for _ in range(300))
    ]
    assert 0.91 <= np.mean(contains) <= 0.98


@pytest.mark.parametrize("values", [[0.5], [1.0, 1.0, 1.0]])
def test_equal_values_have_an_interval_of_width_zero(values):
    interval = bootstrap_interval(np.array(values))
    assert (interval.low, interval.high) == (values[0], values[0])


def test_the_same_values_give_the_same_result():
    values = np.random.default_rng(0).normal(0.1, 1, 200)
    assert bootstrap_interval(values) == bootstrap_interval(values.copy())
    assert paired_randomization_p(values) == paired_randomization_p(values.copy())


@pytest.mark.parametrize("differences", [[1.0] * 6, [0.5, -0.25, 1.0, 0.5, 0.0], [1, 1, -1, 0, 0, 1], [3.0, -3.0]])
def test_few_differences_are_tested_exactly(differences):
    """Enumerate all signs; six equal differences have the smallest possible p, 2 / 2**6."""
    values, observed = np.array(differences, dtype=float), abs(sum(differences))
    sums = [abs(float(np.dot(signs, values))) for signs in product((1, -1), repeat=len(values))]
    assert paired_randomization_p(values) == pytest.approx(np.mean(np.array(sums) >= observed - 1e-12))


def test_a_difference_in_every_set_is_significant():
    assert paired_randomization_p(np.full(40, 0.2)) < 0.001


def test_a_difference_in_a_single_set_is_not_significant():
    assert paired_randomization_p(np.array([1.0, 0.0, 0.0])) == 1.0
    assert paired_randomization_p(np.zeros(30)) == 1.0


@pytest.mark.extended
def test_random_differences_are_rarely_significant():
    rng = np.random.default_rng(3)
    is_significant = [paired_randomization_p(rng.integers(-1, 2, 60).astype(float)) < 0.05 for _ in range(150)]
    assert np.mean(is_significant) <= 0.1


def test_a_difference_in_every_set_is_significant_among_many_tests():
    assert 500 * paired_randomization_p(np.full(50, 1.0), tests=500) < 0.05


def test_resamples_are_drawn_in_batches_of_limited_memory(monkeypatch):
    """All resamples of 200 sets at once would take over 100 MB."""
    monkeypatch.setattr(significance, "MAX_VALUES_PER_BATCH", 100_000)
    values = np.random.default_rng(0).normal(0.0, 1, 200)
    tracemalloc.start()
    bootstrap_interval(values)
    paired_randomization_p(values)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_p_does_not_depend_on_which_one_is_subtracted():
    values = np.random.default_rng(5).normal(0.1, 1, 60)
    assert paired_randomization_p(values) == pytest.approx(paired_randomization_p(-values), abs=0.01)


def test_holm_correction_by_hand():
    assert holm_correction([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_correction([0.2]) == [0.2]
    assert holm_correction([]) == []
    assert holm_correction([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrected_p_values_are_not_smaller_and_keep_their_order(ps):
    corrected = holm_correction(ps)
    assert all(0 <= p <= after <= 1 for p, after in zip(ps, corrected, strict=True))
    by_p = [after for _, after in sorted(zip(ps, corrected, strict=True))]
    assert by_p == sorted(by_p)
