"""Fit a temperature and a relevance threshold on half of the sets, and test them on the other half.

Temperature scaling is that of Guo et al. (On Calibration of Modern Neural Networks, ICML 2017). All relevant pictures
together weigh as much as all irrelevant ones, so that the fit does not depend on the number of candidates in a set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from reranker.core.scores import shown_score
from reranker.evaluation.datasets.types import LabelledSet
from reranker.evaluation.results import CalibrationFit, ReliabilityBin, ScoredSet

MIN_SETS: Final = 10
TEMPERATURE_BOUNDS: Final = (0.05, 20.0)
BIN_COUNT: Final = 10
THRESHOLD_MARGIN: Final = 0.01  # between the threshold and the ends of the scale, 0 and 10


@dataclass(frozen=True)
class _PooledScores:
    """The scored pictures of several sets; both arrays (pictures,)."""

    log_odds: NDArray[np.float64]
    is_relevant: NDArray[np.bool_]

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights of the pictures; those of the relevant and of the irrelevant ones each sum to 0.5."""
        relevant, irrelevant = self.is_relevant.sum(), (~self.is_relevant).sum()
        weights: NDArray[np.float64] = np.where(self.is_relevant, 0.5 / max(1, relevant), 0.5 / max(1, irrelevant))
        return weights

    @property
    def label_log_odds(self) -> NDArray[np.float64]:
        """The log-odds of each picture's own label."""
        return np.where(self.is_relevant, self.log_odds, -self.log_odds)

    @property
    def has_both_labels(self) -> bool:
        return bool(self.is_relevant.any() and (~self.is_relevant).any())


def fit_calibration(
    sets: Sequence[LabelledSet], scored_sets: Sequence[ScoredSet], current_temperature: float = 1.0
) -> CalibrationFit | None:
    """Fit on every other set, and test on the sets in between.

    current_temperature: the temperature of the scores that people see now. Returns None if there are fewer than
    `MIN_SETS` sets, or if a half lacks relevant or irrelevant pictures.
    """
    if len(sets) < MIN_SETS:
        return None
    fitted, tested = (_pool(sets[start::2], scored_sets[start::2]) for start in (0, 1))
    if not (fitted.has_both_labels and tested.has_both_labels):
        return None
    temperature = _fit_temperature(fitted, current_temperature)
    threshold = shown_score(_best_threshold(fitted), temperature)
    threshold = min(max(threshold, THRESHOLD_MARGIN), 10 - THRESHOLD_MARGIN)
    is_above = np.array([shown_score(log_odds, temperature) >= threshold for log_odds in tested.log_odds])
    return CalibrationFit(
        temperature=temperature,
        relevance_threshold=threshold,
        loss_before=_loss(tested, current_temperature),
        loss_after=_loss(tested, temperature),
        relevant_above_threshold=float(is_above[tested.is_relevant].mean()),
        irrelevant_above_threshold=float(is_above[~tested.is_relevant].mean()),
        bins_before=_reliability_bins(tested, current_temperature),
        bins_after=_reliability_bins(tested, temperature),
        sets=len(sets),
    )


def _pool(sets: Sequence[LabelledSet], scored_sets: Sequence[ScoredSet]) -> _PooledScores:
    pairs = [
        (log_odds, picture.is_relevant)
        for labelled, scored in zip(sets, scored_sets, strict=True)
        for picture, log_odds in zip(labelled.pictures, scored.log_odds, strict=True)
        if log_odds is not None
    ]
    return _PooledScores(
        np.array([log_odds for log_odds, _ in pairs], dtype=float),
        np.array([is_relevant for _, is_relevant in pairs], dtype=bool),
    )


def _loss(pooled: _PooledScores, temperature: float) -> float:
    """Return the weighted mean negative log-likelihood in nats."""
    return float(np.sum(pooled.weights * np.logaddexp(0, -pooled.label_log_odds / temperature)))


def _fit_temperature(pooled: _PooledScores, current_temperature: float) -> float:
    """Return the temperature with the least loss.

    If every picture is on its label's side of 0, the loss falls with every smaller T, so the current one is returned.
    """
    if (pooled.label_log_odds > 0).all():
        return current_temperature
    bounds = tuple(np.log(TEMPERATURE_BOUNDS))
    result = optimize.minimize_scalar(
        lambda log_temperature: _loss(pooled, float(np.exp(log_temperature))), bounds=bounds, method="bounded"
    )
    return float(np.exp(result.x))


def _best_threshold(pooled: _PooledScores) -> float:
    """Return the threshold in log-odds with the best balanced accuracy.

    It lies halfway between two pictures; of several equally good thresholds, it is the one in the widest gap.
    """
    order = np.argsort(pooled.log_odds, kind="stable")
    log_odds, is_relevant, weights = pooled.log_odds[order], pooled.is_relevant[order], pooled.weights[order]
    # Item i is the accuracy, up to a constant, of a threshold between the pictures i and i + 1.
    accuracy = np.cumsum(np.where(is_relevant, -weights, weights))[:-1]
    gaps = np.diff(log_odds)
    accuracy[gaps == 0] = -np.inf  # no threshold lies between equal scores
    best = np.flatnonzero(np.isclose(accuracy, accuracy.max()))
    chosen = best[np.argmax(gaps[best])]
    return float((log_odds[chosen] + log_odds[chosen + 1]) / 2)


def _reliability_bins(pooled: _PooledScores, temperature: float) -> tuple[ReliabilityBin, ...]:
    """Return the bins of equal width from 0 to 1 that have pictures."""
    probabilities = np.array([shown_score(log_odds, temperature) / 10 for log_odds in pooled.log_odds])
    indices = np.minimum((probabilities * BIN_COUNT).astype(int), BIN_COUNT - 1)
    return tuple(
        _reliability_bin(pooled, probabilities, indices == index, index) for index in np.unique(indices).tolist()
    )


def _reliability_bin(
    pooled: _PooledScores, probabilities: NDArray[np.float64], is_inside: NDArray[np.bool_], index: int
) -> ReliabilityBin:
    weights = pooled.weights[is_inside]
    return ReliabilityBin(
        low=index / BIN_COUNT,
        high=(index + 1) / BIN_COUNT,
        mean_predicted=float(np.average(probabilities[is_inside], weights=weights)),
        fraction_relevant=float(np.average(pooled.is_relevant[is_inside], weights=weights)),
        count=int(is_inside.sum()),
    )
