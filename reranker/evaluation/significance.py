"""How sure a figure is, and whether two differ by more than chance; everything over sets, which are what is sampled.

The randomization test is the one that Smucker, Allan and Carterette (CIKM 2007) recommend for rankings. All draws are
seeded: the same values give the same answer.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reranker.evaluation.results import Interval

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 9_999
DRAWS_A_TEST: Final = 400  # at least, of each of many tests: else Holm's method could call nothing real
VALUES_AT_ONCE: Final = 4_000_000  # of all draws together, for the memory that they take
SEED: Final = 0

Values = NDArray[np.float64]


def mean_interval(values: Values) -> Interval:
    """Percentile bootstrap interval of the mean, at 95 %; a single value is its own interval."""
    if len(values) < 2:
        return Interval(low=float(values.mean()), high=float(values.mean()))
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_batch(values),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=SEED,
    ).confidence_interval
    return Interval(low=float(found.low), high=float(found.high))


def paired_p(differences: Values, tests: int = 1) -> float:
    """Two-sided p of a mean difference as large as this, were each difference's sign a coin's; in (0, 1].

    Exact where few sets differ, else by drawing signs. tests: for how many at once it will be corrected.
    """
    moved = differences[differences != 0]  # a sign changes nothing of the others
    if len(moved) < 2:  # either sign of a single one is as far from 0
        return 1.0
    found: Any = stats.permutation_test(
        (moved,),
        _mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=max(RESAMPLES, DRAWS_A_TEST * tests),
        batch=_batch(moved),
        rng=SEED,
    )
    return float(found.pvalue)


def _batch(values: Values) -> int:
    return max(1, VALUES_AT_ONCE // len(values))


def _mean(values: Values, axis: int) -> Values:
    means: Values = values.mean(axis=axis)
    return means


def corrected(ps: Sequence[float]) -> list[float]:
    """Each p by Holm's method for so many tests at once (Scandinavian Journal of Statistics 6, 1979), in order."""
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    steps = ((len(ps) - place) * ps[index] for place, index in enumerate(order))
    found = dict(zip(order, accumulate(steps, max), strict=True))
    return [min(1.0, found[index]) for index in range(len(ps))]
