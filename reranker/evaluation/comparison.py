"""Two combinations on the same sets: what differs by more than chance, and how much their orders agree."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from scipy import stats

from reranker.evaluation.datasets.labelled import LabelledSet
from reranker.evaluation.metrics import best_first, measured
from reranker.evaluation.results import Comparison, Difference, Evaluated, JudgedSet
from reranker.evaluation.significance import Values, corrected, mean_interval, paired_p

COMPARED: Final = ("first", "mrr", "ndcg_at_10")
LARGEST_CHANCE: Final = 0.05


def compared(sets: Sequence[LabelledSet], evaluated: Sequence[Evaluated]) -> tuple[Comparison, ...]:
    """Each pair of combinations, the earlier one first."""
    pairs = list(combinations(evaluated, 2))
    means = [measured(sets, one.judged) for one in evaluated]
    differences = {
        name: _differences([second[name] - first[name] for first, second in combinations(means, 2)])
        for name in COMPARED
    }
    return tuple(
        Comparison(
            first=one.configuration,
            second=other.configuration,
            differences={name: differences[name][number] for name in COMPARED},
            kendall_tau=_kendall_tau(one.judged, other.judged),
            changed_first=_changed_first(sets, one.judged, other.judged),
        )
        for number, (one, other) in enumerate(pairs)
    )


def _differences(values: Sequence[Values]) -> list[Difference]:
    """Of one figure, for all pairs of combinations."""
    ps = corrected([paired_p(each, len(values)) for each in values])
    return [
        Difference(value=float(each.mean()), interval=mean_interval(each), p=p, is_real=p < LARGEST_CHANCE)
        for each, p in zip(values, ps, strict=True)
    ]


def _kendall_tau(first: Sequence[JudgedSet], second: Sequence[JudgedSet]) -> float:
    """Tau-b over the pictures that both judged, mean over the sets; a set where one ties all has 0."""
    found = [_set_tau(one, other) for one, other in zip(first, second, strict=True)]
    return float(np.mean(found))


def _set_tau(first: JudgedSet, second: JudgedSet) -> float:
    both = zip(first.log_odds, second.log_odds, strict=True)
    odds = np.array([pair for pair in both if None not in pair], dtype=np.float32).reshape(-1, 2)
    if min((len(np.unique(column)) for column in odds.T), default=0) < 2:
        return 0.0
    return float(stats.kendalltau(odds[:, 0], odds[:, 1]).statistic)


def _changed_first(sets: Sequence[LabelledSet], first: Sequence[JudgedSet], second: Sequence[JudgedSet]) -> int:
    triples = zip(sets, first, second, strict=True)
    return sum(best_first(labelled, a)[:1] != best_first(labelled, b)[:1] for labelled, a, b in triples)
