"""Scores from 0 to 10, which people see instead of log-odds."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reranker.core.types import LabelCalibration, Ranking

MAX_DECIMALS: Final = 6


def sigmoid(value: float) -> float:
    """Compute 1 / (1 + e^-value), without overflow for any finite value."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))


def shown_score(log_odds: float, temperature: float = 1.0) -> float:
    """Compute 10 * sigmoid(log_odds / temperature), in [0, 10]."""
    return 10 * sigmoid(log_odds / temperature)


def label_confidence(log_odds: float, calibration: LabelCalibration) -> float:
    """Compute the confidence that a picture has a label, in [0, 1]."""
    return sigmoid(calibration.slope * log_odds + calibration.intercept)


def score_texts(scores: Sequence[float]) -> list[str]:
    """Format each score with one decimal, or with more if the next better or worse score would look the same.

    scores: in any order. At most `MAX_DECIMALS` decimals.
    """
    distinct = sorted(set(scores))
    texts = {
        score: _distinct_text(score, [*distinct[max(0, index - 1) : index], *distinct[index + 1 : index + 2]])
        for index, score in enumerate(distinct)
    }
    return [texts[score] for score in scores]


def none_relevant(log_odds: Sequence[float], temperature: float, relevance_threshold: float | None) -> bool:
    """Return whether all scores, of which there must be some, are below the threshold; False if it is None."""
    if relevance_threshold is None or not log_odds:
        return False
    return shown_score(max(log_odds), temperature) < relevance_threshold


def filter_by_score(ranking: Ranking, min_score: float) -> Ranking:
    """Return the ranking without pictures whose score, from 0 to 10, is below `min_score`; failed pictures stay."""
    kept = (each for each in ranking.scored if shown_score(each.score.log_odds, ranking.temperature) >= min_score)
    return replace(ranking, scored=tuple(kept))


def memory_text(used_bytes: int, total_bytes: int) -> str:
    """Format the memory use of a GPU: `18.2/24.0 GiB`."""
    return f"{used_bytes / 2**30:.1f}/{total_bytes / 2**30:.1f} GiB"


def _distinct_text(score: float, others: Sequence[float]) -> str:
    """Format a score with as few decimals as make it look different from the others."""
    for decimals in range(1, MAX_DECIMALS):
        text = f"{score:.{decimals}f}"
        if all(f"{other:.{decimals}f}" != text for other in others):
            return text
    return f"{score:.{MAX_DECIMALS}f}"
