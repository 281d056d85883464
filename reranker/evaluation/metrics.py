"""How well one combination ranks: trec_eval's measures of each set, and the means that a table shows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG
from numpy.typing import NDArray
from scipy import stats

from reranker.core.scores import shown_score
from reranker.engine.batching import float32
from reranker.evaluation.datasets.labelled import LabelledPicture, LabelledSet
from reranker.evaluation.results import Figures, JudgedSet, Share
from reranker.evaluation.significance import Values, mean_interval

MEASURES: Final[dict[str, Any]] = {
    "first": Success @ 1,
    "within_3": Success @ 3,
    "mrr": RR,
    "ndcg_at_10": nDCG @ 10,
    "recall_at_5": R @ 5,
    "recall_at_10": R @ 10,
}
LEAST_GRADES: Final = 3  # distinct ones; right and wrong alone are no grades


def best_first(labelled: LabelledSet, judged: JudgedSet) -> list[int]:
    """Indices of the judged pictures by their scores in float32, as the program ranks; a tie goes against the right."""
    scores = {index: float32(odds) for index, odds in enumerate(judged.log_odds) if odds is not None}
    return sorted(scores, key=lambda index: (-scores[index], labelled.pictures[index].is_right, index))


def measured(sets: Sequence[LabelledSet], judged: Sequence[JudgedSet]) -> dict[str, Values]:
    """Each measure of each set, (sets,), by the names of `MEASURES`."""
    qrels = {
        labelled.id: {str(index): picture.gain for index, picture in enumerate(labelled.pictures)} for labelled in sets
    }
    run = {
        labelled.id: {str(index): -float(place) for place, index in enumerate(best_first(labelled, said))}
        for labelled, said in zip(sets, judged, strict=True)
    }
    found = {
        (each.query_id, each.measure): each.value for each in ir_measures.iter_calc(list(MEASURES.values()), qrels, run)
    }
    return {
        name: np.array([found[labelled.id, measure] for labelled in sets], dtype=float)
        for name, measure in MEASURES.items()
    }


def figures(sets: Sequence[LabelledSet], judged: Sequence[JudgedSet], temperature: float) -> Figures:
    """All figures of one combination; at least one set."""
    means = measured(sets, judged)
    pairs = list(zip(sets, judged, strict=True))
    pictures = sum(len(labelled.pictures) for labelled in sets)
    grades, odds = _graded(pairs)
    return Figures(
        sets=len(sets),
        pictures=pictures,
        **{name: float(values.mean()) for name, values in means.items()},
        intervals={name: mean_interval(values) for name, values in means.items()},
        score_std=_score_std(judged, temperature),
        separation=_separation(pairs),
        ties=sum(_ties(*pair) for pair in pairs),
        failures=sum(len(said.errors) for said in judged),
        spearman=_spearman(grades, odds),
        spearman_pairs=len(grades),
        ms_a_picture=sum(said.looked_ms + said.asked_ms for said in judged) / pictures,
        peak_bytes=max((said.peak_bytes for said in judged if said.peak_bytes is not None), default=None),
        languages=_by_language(sets, means["first"]),
        kinds=_by_kind(pairs),
        temperature=temperature,
    )


def _score_std(judged: Sequence[JudgedSet], temperature: float) -> float:
    """Of the scores of 10 within a set, mean over the sets."""
    shown = ([shown_score(odds, temperature) for odds in said.log_odds if odds is not None] for said in judged)
    deviations = [float(np.std(scores)) for scores in shown if scores]
    return float(np.mean(deviations)) if deviations else 0.0


def _separation(pairs: Sequence[tuple[LabelledSet, JudgedSet]]) -> float:
    found = [value for pair in pairs if (value := _set_separation(*pair)) is not None]
    return float(np.mean(found)) if found else 0.0


def _set_separation(labelled: LabelledSet, judged: JudgedSet) -> float | None:
    """In standard deviations of the set's log-odds; 0 where all are one, None where one side is missing."""
    right, wrong = _sides(labelled, judged)
    if not right or not wrong:
        return None
    spread = float(np.std([*right, *wrong]))
    return float(np.mean(right) - np.mean(wrong)) / spread if spread else 0.0


def _ties(labelled: LabelledSet, judged: JudgedSet) -> int:
    right, wrong = _sides(labelled, judged)
    return sum(float32(one) == float32(other) for one, other in product(right, wrong))


def _sides(labelled: LabelledSet, judged: JudgedSet) -> tuple[list[float], list[float]]:
    """Log-odds of the right and of the wrong pictures that were judged."""
    sides: tuple[list[float], list[float]] = [], []
    for picture, odds in _judged(labelled, judged):
        sides[not picture.is_right].append(odds)
    return sides


def _judged(labelled: LabelledSet, judged: JudgedSet) -> list[tuple[LabelledPicture, float]]:
    both = zip(labelled.pictures, judged.log_odds, strict=True)
    return [(picture, odds) for picture, odds in both if odds is not None]


def _graded(pairs: Sequence[tuple[LabelledSet, JudgedSet]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Grades and log-odds of all pictures that were judged; empty where the dataset has no grades."""
    found = [(picture.grade, odds) for pair in pairs for picture, odds in _judged(*pair)]
    values = np.array(found, dtype=float).reshape(-1, 2)
    if len(np.unique(values[:, 0])) < LEAST_GRADES:
        values = values[:0]
    return values[:, 0], values[:, 1]


def _spearman(grades: NDArray[np.float64], odds: NDArray[np.float64]) -> float | None:
    if not len(grades) or len(np.unique(odds)) < 2:
        return None
    return float(stats.spearmanr(grades, odds).statistic)


def _by_language(sets: Sequence[LabelledSet], first: Values) -> Mapping[str, Share]:
    of = defaultdict(list)
    for labelled, is_first in zip(sets, first, strict=True):
        of[labelled.language].append(is_first)
    return {name: Share(value=float(np.mean(hits)), count=len(hits)) for name, hits in sorted(of.items())}


def _by_kind(pairs: Sequence[tuple[LabelledSet, JudgedSet]]) -> Mapping[str, Share]:
    """Pairs the right way round; a tie is not."""
    of = defaultdict(list)
    for labelled, judged in pairs:
        right, _ = _sides(labelled, judged)
        for (picture, odds), best in product(_judged(labelled, judged), right):
            if picture.kind and not picture.is_right:
                of[picture.kind].append(float32(best) > float32(odds))
    return {name: Share(value=float(np.mean(hits)), count=len(hits)) for name, hits in sorted(of.items())}
