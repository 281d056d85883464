"""Intervals and the paired test, on cases whose answers are known."""

import math
import tracemalloc
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker.evaluation import significance
from reranker.evaluation.significance import corrected, mean_interval, paired_p


def test_the_interval_of_a_share_is_the_binomial_one():
    values = np.array([1.0] * 80 + [0.0] * 20)
    found, half = mean_interval(values), 1.96 * math.sqrt(0.8 * 0.2 / 100)
    assert found.low == pytest.approx(0.8 - half, abs=0.015)
    assert found.high == pytest.approx(0.8 + half, abs=0.015)


def test_nineteen_of_twenty_intervals_hold_the_true_mean():
    rng = np.random.default_rng(1)
    held = [found.low <= 0.3 <= found.high for found in (mean_interval(rng.normal(0.3, 1, 80)) for _ in range(300))]
    assert 0.91 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("values", [[0.5], [1.0, 1.0, 1.0]])
def test_where_nothing_varies_the_interval_is_the_value(values):
    found = mean_interval(np.array(values))
    assert (found.low, found.high) == (values[0], values[0])


def test_the_same_values_give_the_same_answer():
    values = np.random.default_rng(0).normal(0.1, 1, 200)
    assert mean_interval(values) == mean_interval(values.copy())
    assert paired_p(values) == paired_p(values.copy())


@pytest.mark.parametrize("differences", [[1.0] * 6, [0.5, -0.25, 1.0, 0.5, 0.0], [1, 1, -1, 0, 0, 1], [3.0, -3.0]])
def test_few_differences_are_tested_exactly(differences):
    """All ways to turn the signs, by hand; the smallest p of six that agree is 2 / 2**6."""
    values, observed = np.array(differences, dtype=float), abs(sum(differences))
    turned = [abs(float(np.dot(signs, values))) for signs in product((1, -1), repeat=len(values))]
    assert paired_p(values) == pytest.approx(np.mean(np.array(turned) >= observed - 1e-12))


def test_a_difference_in_every_set_is_no_chance():
    assert paired_p(np.full(40, 0.2)) < 0.001


def test_a_single_difference_may_be_chance():
    assert paired_p(np.array([1.0, 0.0, 0.0])) == 1.0
    assert paired_p(np.zeros(30)) == 1.0


def test_chance_is_called_real_as_often_as_said():
    rng = np.random.default_rng(3)
    called = [paired_p(rng.integers(-1, 2, 60).astype(float)) < 0.05 for _ in range(150)]
    assert np.mean(called) <= 0.1


def test_with_very_many_tests_a_difference_everywhere_is_still_real():
    assert 500 * paired_p(np.full(50, 1.0), tests=500) < 0.05


def test_draws_are_made_in_batches_of_limited_memory(monkeypatch):
    """All draws of 200 sets at once would take over 100 MB."""
    monkeypatch.setattr(significance, "VALUES_AT_ONCE", 100_000)
    values = np.random.default_rng(0).normal(0.0, 1, 200)
    tracemalloc.start()
    mean_interval(values)
    paired_p(values)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_which_is_subtracted_does_not_matter():
    values = np.random.default_rng(5).normal(0.1, 1, 60)
    assert paired_p(values) == pytest.approx(paired_p(-values), abs=0.01)


def test_holm_by_hand():
    assert corrected([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert corrected([0.2]) == [0.2]
    assert corrected([]) == []
    assert corrected([0.9, 0.8]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_corrected_p_is_never_less_and_keeps_the_order(ps):
    found = corrected(ps)
    assert all(0 <= p <= after <= 1 for p, after in zip(ps, found, strict=True))
    by_p = [after for _, after in sorted(zip(ps, found, strict=True))]
    assert by_p == sorted(by_p)
