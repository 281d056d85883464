"""Confidence intervals and significance tests. The sets are the samples.

The paired randomization test is the one that Smucker, Allan and Carterette (CIKM 2007) recommend for rankings. All
random draws are seeded, so that the same values give the same result.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reranker.evaluation.results import Interval

CONFIDENCE_LEVEL: Final = 0.95
RESAMPLES: Final = 9_999
RESAMPLES_PER_TEST: Final = 400  # with fewer, p could not be small enough to stay significant after Holm correction
MAX_VALUES_PER_BATCH: Final = 4_000_000  # limits the memory for the resamples
SEED: Final = 0

Values = NDArray[np.float64]


def bootstrap_interval(values: Values) -> Interval:
    """Return the percentile bootstrap interval of the mean at 95 %. The interval of a single value is that value."""
    if len(values) < 2:
        return Interval(low=float(values.mean()), high=float(values.mean()))
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_batch_size(values),
        confidence_level=CONFIDENCE_LEVEL,
        method="percentile",
        rng=SEED,
    ).confidence_interval
    return Interval(low=float(interval.low), high=float(interval.high))


def paired_randomization_p(differences: Values, tests: int = 1) -> float:
    """Return the two-sided p-value of the mean difference, in (0, 1], if the sign of each difference were random.

    Exact if few sets differ, else by random signs. tests: the number of tests that the p-value will be corrected for.
    """
    nonzero = differences[differences != 0]  # the sign of zero changes nothing
    if len(nonzero) < 2:  # both signs of a single difference are equally far from 0
        return 1.0
    result: Any = stats.permutation_test(
        (nonzero,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=max(RESAMPLES, RESAMPLES_PER_TEST * tests),
        batch=_batch_size(nonzero),
        rng=SEED,
    )
    return float(result.pvalue)


def _batch_size(values: Values) -> int:
    return max(1, MAX_VALUES_PER_BATCH // len(values))


def _mean(values: Values, axis: int) -> Values:
    means: Values = values.mean(axis=axis)
    return means


def holm_correction(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm, Scandinavian Journal of Statistics 6, 1979); the order is kept."""
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    steps = ((len(ps) - place) * ps[index] for place, index in enumerate(order))
    corrected = dict(zip(order, accumulate(steps, max), strict=True))
    return [min(1.0, corrected[index]) for index in range(len(ps))]
