"""Log-odds as people see them: a score from 0 to 10."""

import math
from collections.abc import Sequence
from dataclasses import replace

from reranker.core.types import Ranking

MAX_DECIMALS = 6


def sigmoid(value: float) -> float:
    """1 / (1 + e^-value), without overflow for any finite value."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    return math.exp(value) / (1 + math.exp(value))


def shown_score(log_odds: float, temperature: float = 1.0) -> float:
    """10 * sigmoid(log-odds / T), in [0, 10]."""
    return 10 * sigmoid(log_odds / temperature)


def score_texts(scores: Sequence[float]) -> list[str]:
    """Each score, best first, with one decimal, and more where the next better or worse one would read the same."""
    distinct = list(dict.fromkeys(scores))
    texts = {
        score: _told_apart(score, [*distinct[max(0, index - 1) : index], *distinct[index + 1 : index + 2]])
        for index, score in enumerate(distinct)
    }
    return [texts[score] for score in scores]


def none_fits(log_odds: Sequence[float], temperature: float, line: float | None) -> bool:
    """Whether there are scores, and all are below the line; never where no line is known."""
    return line is not None and bool(log_odds) and shown_score(max(log_odds), temperature) < line


def at_least(ranking: Ranking, score: float) -> Ranking:
    """The ranking without the scored pictures whose score, as people see it, is lower; failed ones stay."""
    kept = (one for one in ranking.scored if shown_score(one.score.log_odds, ranking.temperature) >= score)
    return replace(ranking, scored=tuple(kept))


def memory_text(used_bytes: int, total_bytes: int) -> str:
    """`18.2/24.0 GiB`, of a card."""
    return f"{used_bytes / 2**30:.1f}/{total_bytes / 2**30:.1f} GiB"


def _told_apart(score: float, others: Sequence[float]) -> str:
    for decimals in range(1, MAX_DECIMALS):
        text = f"{score:.{decimals}f}"
        if all(f"{other:.{decimals}f}" != text for other in others):
            return text
    return f"{score:.{MAX_DECIMALS}f}"
