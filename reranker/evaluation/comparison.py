"""Compare configurations on the same sets: which differences are significant, and how similar the rankings are."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from scipy import stats

from reranker.evaluation.datasets.types import LabelledSet
from reranker.evaluation.metrics import metrics_by_set, ranked_indices
from reranker.evaluation.results import COMPARED_METRICS, Comparison, Difference, EvaluationResult, ScoredSet
from reranker.evaluation.significance import Values, bootstrap_interval, holm_correction, paired_randomization_p

SIGNIFICANCE_LEVEL: Final = 0.05


def compare_results(sets: Sequence[LabelledSet], results: Sequence[EvaluationResult]) -> tuple[Comparison, ...]:
    """Compare each pair of configurations, the earlier one as the first."""
    values = [metrics_by_set(sets, result.scored_sets) for result in results]
    differences = {
        name: _differences([second[name] - first[name] for first, second in combinations(values, 2)])
        for name in COMPARED_METRICS
    }
    return tuple(
        Comparison(
            first=first.configuration,
            second=second.configuration,
            differences={name: differences[name][number] for name in COMPARED_METRICS},
            kendall_tau=_mean_kendall_tau(first.scored_sets, second.scored_sets),
            changed_first=_changed_first_count(sets, first.scored_sets, second.scored_sets),
        )
        for number, (first, second) in enumerate(combinations(results, 2))
    )


def _differences(values_by_pair: Sequence[Values]) -> list[Difference]:
    """Return the differences of one metric for all pairs of configurations."""
    ps = holm_correction([paired_randomization_p(values, len(values_by_pair)) for values in values_by_pair])
    return [
        Difference(
            value=float(values.mean()),
            interval=bootstrap_interval(values),
            p=p,
            is_significant=p < SIGNIFICANCE_LEVEL,
        )
        for values, p in zip(values_by_pair, ps, strict=True)
    ]


def _mean_kendall_tau(first: Sequence[ScoredSet], second: Sequence[ScoredSet]) -> float:
    """Return the mean of tau-b over the sets."""
    return float(np.mean([_kendall_tau(one, other) for one, other in zip(first, second, strict=True)]))


def _kendall_tau(first: ScoredSet, second: ScoredSet) -> float:
    """Return tau-b over the pictures that both scored; 0 if one of them gives all pictures the same score."""
    pairs = zip(first.log_odds, second.log_odds, strict=True)
    log_odds = np.array([pair for pair in pairs if None not in pair], dtype=np.float32).reshape(-1, 2)
    if min((len(np.unique(column)) for column in log_odds.T), default=0) < 2:
        return 0.0
    return float(stats.kendalltau(log_odds[:, 0], log_odds[:, 1]).statistic)


def _changed_first_count(sets: Sequence[LabelledSet], first: Sequence[ScoredSet], second: Sequence[ScoredSet]) -> int:
    triples = zip(sets, first, second, strict=True)
    return sum(ranked_indices(labelled, a)[:1] != ranked_indices(labelled, b)[:1] for labelled, a, b in triples)
