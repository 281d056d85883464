"""Where the marks of a chart lie, in the units of its view box, and the words that say what each one is.

Drawing them is the template's part, so that every word goes through its escaping.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reranker.core.scores import shown_score
from reranker.evaluation.datasets.labelled import LabelledSet
from reranker.evaluation.results import Bin, Difference, Evaluated


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a chart's axes lie, its words outside of them."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The end of the horizontal axis."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower end of the vertical axis."""
        return self.top + self.height

    @property
    def middle(self) -> float:
        """Halfway down."""
        return self.top + self.height / 2


BARS: Final = 20  # over the scores from 0 to 10
HISTOGRAM: Final = Frame(left=40, top=14, width=310, height=156)
RELIABILITY: Final = Frame(left=56, top=12, width=230, height=230)
WHISKER_WIDTH, WHISKER_REACH = 120.0, 56.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A rectangle; `words` are its title."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Scores of right pictures upwards, of wrong ones downwards, each as shares of their own number.

    top: the share that the axis ends at, both ways.
    """

    right: tuple[Bar, ...]
    wrong: tuple[Bar, ...]
    top: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point of a curve; `words` are its title."""

    x: float
    y: float
    words: str


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """An interval on an axis with 0 in the middle of `WHISKER_WIDTH`."""

    low: float
    high: float
    value: float


def histograms(sets: Sequence[LabelledSet], evaluated: Sequence[Evaluated]) -> list[Histogram]:
    """One a combination, all to one scale."""
    sides = [_scores(sets, one) for one in evaluated]
    shares = [[_shares(scores) for scores in side] for side in sides]
    largest = max(share for side in shares for each in side for share in each)
    top = max(0.1, math.ceil(largest * 10) / 10)
    return [
        Histogram(
            right=_bars(right, top, "right"),
            wrong=_bars(wrong, top, "wrong"),
            top=top,
            words=f"Median score: {_median(scores[0])} right, {_median(scores[1])} wrong pictures.",
        )
        for scores, (right, wrong) in zip(sides, shares, strict=True)
    ]


def reliability(bins: Sequence[Bin]) -> tuple[Dot, ...]:
    """A dot a bin that holds pictures, from the left; what was said to the right, what was right upwards."""
    return tuple(
        Dot(
            x=RELIABILITY.left + RELIABILITY.width * each.said,
            y=RELIABILITY.bottom - RELIABILITY.height * each.right,
            words=f"said {each.said:.1%}, right {each.right:.1%}, {each.count:,} pictures",
        )
        for each in bins
        if each.count
    )


def whiskers(differences: Sequence[Difference]) -> list[Whisker]:
    """One a difference, all to one scale."""
    ends = [abs(end) for each in differences for end in (each.interval.low, each.interval.high, each.value)]
    reach = max(ends, default=0.0) or 1.0

    def place(value: float) -> float:
        return WHISKER_WIDTH / 2 + WHISKER_REACH * value / reach

    return [
        Whisker(low=place(each.interval.low), high=place(each.interval.high), value=place(each.value))
        for each in differences
    ]


def _scores(sets: Sequence[LabelledSet], one: Evaluated) -> tuple[list[float], list[float]]:
    """The scores of 10 of the right and of the wrong pictures that were judged."""
    sides: tuple[list[float], list[float]] = [], []
    for labelled, judged in zip(sets, one.judged, strict=True):
        for picture, odds in zip(labelled.pictures, judged.log_odds, strict=True):
            if odds is not None:
                sides[not picture.is_right].append(shown_score(odds, one.figures.temperature))
    return sides


def _shares(scores: Sequence[float]) -> list[float]:
    """How much of them each bar holds; 10 belongs to the last one."""
    counts = [0] * BARS
    for score in scores:
        counts[min(BARS - 1, int(score * BARS / 10))] += 1
    return [count / max(1, len(scores)) for count in counts]


def _bars(shares: Sequence[float], top: float, side: str) -> tuple[Bar, ...]:
    step = HISTOGRAM.width / BARS
    heights = [HISTOGRAM.height / 2 * share / top for share in shares]
    return tuple(
        Bar(
            x=HISTOGRAM.left + step * number + 1,
            y=HISTOGRAM.middle - height if side == "right" else HISTOGRAM.middle,
            width=step - 2,
            height=height,
            words=f"{number / 2:g} to {(number + 1) / 2:g}: {share:.1%} of the {side} pictures",
        )
        for number, (share, height) in enumerate(zip(shares, heights, strict=True))
        if share
    )


def _median(scores: Sequence[float]) -> str:
    return f"{statistics.median(scores):.1f} of {len(scores):,}" if scores else "none of 0"
