"""What a score of 10 should say: a temperature and a line of "fits", found on half of the sets, tested on the others.

Temperature scaling is that of Guo et al. (On Calibration of Modern Neural Networks, ICML 2017). Right and wrong
pictures weigh the same in all, so that what is found does not depend on how many wrong ones a set has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from reranker.core.scores import shown_score
from reranker.evaluation.datasets.labelled import LabelledSet
from reranker.evaluation.results import Bin, Fit, JudgedSet

LEAST_SETS: Final = 10
TEMPERATURES: Final = (0.05, 20.0)
BINS: Final = 10
LEAST_SCORE: Final = 0.01  # and as far below 10, for a line that is a score


@dataclass(frozen=True)
class _Pooled:
    """Pictures of several sets: (pictures,) each."""

    odds: NDArray[np.float64]
    is_right: NDArray[np.bool_]

    @property
    def weights(self) -> NDArray[np.float64]:
        """Sum to 1, right and wrong ones to a half each."""
        right, wrong = self.is_right.sum(), (~self.is_right).sum()
        weights: NDArray[np.float64] = np.where(self.is_right, 0.5 / max(1, right), 0.5 / max(1, wrong))
        return weights

    @property
    def towards(self) -> NDArray[np.float64]:
        """Log-odds of each picture's own label."""
        return np.where(self.is_right, self.odds, -self.odds)

    @property
    def has_both(self) -> bool:
        return bool(self.is_right.any() and (~self.is_right).any())


def fitted(sets: Sequence[LabelledSet], judged: Sequence[JudgedSet], in_use: float = 1.0) -> Fit | None:
    """Found on every other set, tested on those between; None where there are fewer than `LEAST_SETS`.

    in_use: the temperature that people see scores by now.
    """
    if len(sets) < LEAST_SETS:
        return None
    seen, held_out = (_pooled(sets[start::2], judged[start::2]) for start in (0, 1))
    if not (seen.has_both and held_out.has_both):
        return None
    temperature = _temperature(seen, in_use)
    relevance_threshold = min(max(shown_score(_line(seen), temperature), LEAST_SCORE), 10 - LEAST_SCORE)
    over = np.array([shown_score(odds, temperature) >= relevance_threshold for odds in held_out.odds])
    return Fit(
        temperature=temperature,
        relevance_threshold=relevance_threshold,
        loss_before=_loss(held_out, in_use),
        loss_after=_loss(held_out, temperature),
        right_over=float(over[held_out.is_right].mean()),
        wrong_over=float(over[~held_out.is_right].mean()),
        before=_reliability(held_out, in_use),
        after=_reliability(held_out, temperature),
        sets=len(sets),
    )


def _pooled(sets: Sequence[LabelledSet], judged: Sequence[JudgedSet]) -> _Pooled:
    found = [
        (odds, picture.is_right)
        for labelled, said in zip(sets, judged, strict=True)
        for picture, odds in zip(labelled.pictures, said.log_odds, strict=True)
        if odds is not None
    ]
    return _Pooled(
        np.array([odds for odds, _ in found], dtype=float), np.array([right for _, right in found], dtype=bool)
    )


def _loss(pooled: _Pooled, temperature: float) -> float:
    """Mean negative log-likelihood in nats, weighted."""
    return float(np.sum(pooled.weights * np.logaddexp(0, -pooled.towards / temperature)))


def _temperature(pooled: _Pooled, in_use: float) -> float:
    """The one of least loss; the one in use where every picture lies on its side, as there is a better one for any."""
    if (pooled.towards > 0).all():
        return in_use
    bounds = tuple(np.log(TEMPERATURES))
    found = optimize.minimize_scalar(lambda log: _loss(pooled, float(np.exp(log))), bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def _line(pooled: _Pooled) -> float:
    """The log-odds that part right from wrong best: half of the two shares on their proper sides is greatest.

    In the middle between two pictures; of several as good, the widest gap.
    """
    order = np.argsort(pooled.odds, kind="stable")
    odds, is_right, weights = pooled.odds[order], pooled.is_right[order], pooled.weights[order]
    # A line before picture i: wrong ones below it and right ones from it on are where they belong.
    proper = np.cumsum(np.where(is_right, -weights, weights))[:-1]
    gaps = np.diff(odds)
    proper[gaps == 0] = -np.inf  # no line goes between equals
    best = np.flatnonzero(np.isclose(proper, proper.max()))
    chosen = best[np.argmax(gaps[best])]
    return float((odds[chosen] + odds[chosen + 1]) / 2)


def _reliability(pooled: _Pooled, temperature: float) -> tuple[Bin, ...]:
    """Bins of equal width that hold a picture, from 0 to 1."""
    said = np.array([shown_score(odds, temperature) / 10 for odds in pooled.odds])
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    return tuple(_bin(pooled, said, places == place, place) for place in np.unique(places).tolist())


def _bin(pooled: _Pooled, said: NDArray[np.float64], inside: NDArray[np.bool_], place: int) -> Bin:
    weights = pooled.weights[inside]
    return Bin(
        low=place / BINS,
        high=(place + 1) / BINS,
        said=float(np.average(said[inside], weights=weights)),
        right=float(np.average(pooled.is_right[inside], weights=weights)),
        count=int(inside.sum()),
    )
