"""The ranking metrics of a configuration: those of trec_eval for each set, and the aggregates shown in tables."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG
from numpy.typing import NDArray
from scipy import stats

from reranker.core.scores import shown_score
from reranker.engine.batching import float32
from reranker.evaluation.datasets.types import LabelledPicture, LabelledSet
from reranker.evaluation.results import Metrics, ScoredSet, Share
from reranker.evaluation.significance import Values, bootstrap_interval

MEASURES: Final[dict[str, Any]] = {
    "hit_at_1": Success @ 1,
    "hit_at_3": Success @ 3,
    "mrr": RR,
    "ndcg_at_10": nDCG @ 10,
    "recall_at_5": R @ 5,
    "recall_at_10": R @ 10,
}
MIN_GRADES: Final = 3  # distinct ones; relevant and irrelevant alone are no graded labels


def ranked_indices(labelled: LabelledSet, scored: ScoredSet) -> list[int]:
    """Return the indices of the scored pictures, most relevant first.

    As in a `Ranking`, scores are compared in float32; of equal ones, irrelevant pictures come first.
    """
    scores = {index: float32(log_odds) for index, log_odds in enumerate(scored.log_odds) if log_odds is not None}
    return sorted(scores, key=lambda index: (-scores[index], labelled.pictures[index].is_relevant, index))


def metrics_by_set(sets: Sequence[LabelledSet], scored_sets: Sequence[ScoredSet]) -> dict[str, Values]:
    """Return the values of each metric in `MEASURES`, (sets,)."""
    qrels = {
        labelled.id: {str(index): picture.gain for index, picture in enumerate(labelled.pictures)} for labelled in sets
    }
    run = {
        labelled.id: {str(index): -float(rank) for rank, index in enumerate(ranked_indices(labelled, scored))}
        for labelled, scored in zip(sets, scored_sets, strict=True)
    }
    values = {
        (metric.query_id, metric.measure): metric.value
        for metric in ir_measures.iter_calc(list(MEASURES.values()), qrels, run)
    }
    return {
        name: np.array([values[labelled.id, measure] for labelled in sets], dtype=float)
        for name, measure in MEASURES.items()
    }


def compute_metrics(sets: Sequence[LabelledSet], scored_sets: Sequence[ScoredSet], temperature: float) -> Metrics:
    """Return all metrics of one configuration. There must be at least one set."""
    values_by_name = metrics_by_set(sets, scored_sets)
    pairs = list(zip(sets, scored_sets, strict=True))
    pictures = sum(len(labelled.pictures) for labelled in sets)
    grades, log_odds = _graded(pairs)
    return Metrics(
        sets=len(sets),
        pictures=pictures,
        **{name: float(values.mean()) for name, values in values_by_name.items()},
        intervals={name: bootstrap_interval(values) for name, values in values_by_name.items()},
        score_std=_score_std(scored_sets, temperature),
        separation=_mean_separation(pairs),
        ties=sum(_tie_count(*pair) for pair in pairs),
        failures=sum(len(scored.errors) for scored in scored_sets),
        spearman=_spearman(grades, log_odds),
        spearman_pairs=len(grades),
        ms_a_picture=sum(scored.encode_ms + scored.score_ms for scored in scored_sets) / pictures,
        peak_bytes=max((scored.peak_bytes for scored in scored_sets if scored.peak_bytes is not None), default=None),
        languages=_hit_at_1_by_language(sets, values_by_name["hit_at_1"]),
        kinds=_correct_pairs_by_kind(pairs),
        temperature=temperature,
    )


def _score_std(scored_sets: Sequence[ScoredSet], temperature: float) -> float:
    """Return the standard deviation of the scores (0 to 10) within a set, mean over the sets."""
    scores_by_set = (
        [shown_score(log_odds, temperature) for log_odds in scored.log_odds if log_odds is not None]
        for scored in scored_sets
    )
    return _mean_or_zero([float(np.std(scores)) for scores in scores_by_set if scores])


def _mean_separation(pairs: Sequence[tuple[LabelledSet, ScoredSet]]) -> float:
    return _mean_or_zero([value for pair in pairs if (value := _separation(*pair)) is not None])


def _mean_or_zero(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def _separation(labelled: LabelledSet, scored: ScoredSet) -> float | None:
    """Return the difference of the means in standard deviations of the set's log-odds.

    0 if all log-odds are equal; None if no relevant or no irrelevant picture was scored.
    """
    relevant, irrelevant = split_log_odds(labelled, scored)
    if not relevant or not irrelevant:
        return None
    std = float(np.std([*relevant, *irrelevant]))
    return float(np.mean(relevant) - np.mean(irrelevant)) / std if std else 0.0


def _tie_count(labelled: LabelledSet, scored: ScoredSet) -> int:
    relevant, irrelevant = split_log_odds(labelled, scored)
    return sum(float32(one) == float32(other) for one, other in product(relevant, irrelevant))


def split_log_odds(labelled: LabelledSet, scored: ScoredSet) -> tuple[list[float], list[float]]:
    """Return the log-odds of the relevant and of the irrelevant pictures that were scored."""
    relevant: list[float] = []
    irrelevant: list[float] = []
    for picture, log_odds in _scored_pictures(labelled, scored):
        (relevant if picture.is_relevant else irrelevant).append(log_odds)
    return relevant, irrelevant


def _scored_pictures(labelled: LabelledSet, scored: ScoredSet) -> list[tuple[LabelledPicture, float]]:
    pairs = zip(labelled.pictures, scored.log_odds, strict=True)
    return [(picture, log_odds) for picture, log_odds in pairs if log_odds is not None]


def _graded(pairs: Sequence[tuple[LabelledSet, ScoredSet]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the grades and log-odds of all scored pictures; none if the dataset has no graded labels."""
    rows = [(picture.grade, log_odds) for pair in pairs for picture, log_odds in _scored_pictures(*pair)]
    values = np.array(rows, dtype=float).reshape(-1, 2)
    if len(np.unique(values[:, 0])) < MIN_GRADES:
        values = values[:0]
    return values[:, 0], values[:, 1]


def _spearman(grades: NDArray[np.float64], log_odds: NDArray[np.float64]) -> float | None:
    if not len(grades) or len(np.unique(log_odds)) < 2:
        return None
    return float(stats.spearmanr(grades, log_odds).statistic)


def _hit_at_1_by_language(sets: Sequence[LabelledSet], hit_at_1: Values) -> Mapping[str, Share]:
    return _shares((labelled.language, bool(is_hit)) for labelled, is_hit in zip(sets, hit_at_1, strict=True))


def _correct_pairs_by_kind(pairs: Sequence[tuple[LabelledSet, ScoredSet]]) -> Mapping[str, Share]:
    """Return the share of pairs in which the relevant picture scores higher; a tie is not correct."""
    return _shares(
        (picture.kind, float32(relevant) > float32(log_odds))
        for labelled, scored in pairs
        for (picture, log_odds), relevant in product(
            _scored_pictures(labelled, scored), split_log_odds(labelled, scored)[0]
        )
        if picture.kind and not picture.is_relevant
    )


def _shares(cases: Iterable[tuple[str, bool]]) -> Mapping[str, Share]:
    """Return the share of True by name, sorted by name."""
    by_name: defaultdict[str, list[bool]] = defaultdict(list)
    for name, is_true in cases:
        by_name[name].append(is_true)
    return {name: Share(value=float(np.mean(values)), count=len(values)) for name, values in sorted(by_name.items())}
