"""The positions of the marks in the charts of the report, in units of their view boxes, and their titles.

The template draws them, so that it escapes all texts.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from reranker.core.scores import shown_score
from reranker.evaluation.datasets.types import LabelledSet
from reranker.evaluation.metrics import split_log_odds
from reranker.evaluation.results import Difference, EvaluationResult, ReliabilityBin


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The rectangle of a chart's axes; labels are outside of it."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right end of the horizontal axis."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower end of the vertical axis."""
        return self.top + self.height

    @property
    def middle(self) -> float:
        """The vertical centre."""
        return self.top + self.height / 2


BAR_COUNT: Final = 20  # over the scores from 0 to 10
HISTOGRAM: Final = Frame(left=40, top=14, width=310, height=156)
RELIABILITY: Final = Frame(left=56, top=12, width=230, height=230)
ERROR_BAR_WIDTH, ERROR_BAR_REACH = 120.0, 56.0

_Label = Literal["relevant", "irrelevant"]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A rectangle with a title."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The scores of relevant pictures upwards and of irrelevant ones downwards, as shares of their number.

    max_share: the share at both ends of the vertical axis.
    """

    relevant: tuple[Bar, ...]
    irrelevant: tuple[Bar, ...]
    max_share: float
    description: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a curve with a title."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, kw_only=True)
class ErrorBar:
    """A value with its interval, on an axis that has 0 in the middle of `ERROR_BAR_WIDTH`."""

    low: float
    high: float
    value: float


def histograms(sets: Sequence[LabelledSet], results: Sequence[EvaluationResult]) -> list[Histogram]:
    """Return a histogram for each configuration, all with the same scale."""
    scores_by_result = [_scores_by_label(sets, result) for result in results]
    shares_by_result = [(_shares(relevant), _shares(irrelevant)) for relevant, irrelevant in scores_by_result]
    largest = max(share for pair in shares_by_result for shares in pair for share in shares)
    max_share = max(0.1, math.ceil(largest * 10) / 10)
    return [
        Histogram(
            relevant=_bars(relevant, max_share, "relevant"),
            irrelevant=_bars(irrelevant, max_share, "irrelevant"),
            max_share=max_share,
            description=_description(*scores),
        )
        for scores, (relevant, irrelevant) in zip(scores_by_result, shares_by_result, strict=True)
    ]


def reliability_curve(bins: Sequence[ReliabilityBin]) -> tuple[Point, ...]:
    """Return a point for each bin with pictures: the mean probability to the right, the relevant fraction upwards."""
    return tuple(
        Point(
            x=RELIABILITY.left + RELIABILITY.width * bin_.mean_predicted,
            y=RELIABILITY.bottom - RELIABILITY.height * bin_.fraction_relevant,
            title=f"predicted {bin_.mean_predicted:.1%}, relevant {bin_.fraction_relevant:.1%}, "
            f"{bin_.count:,} pictures",
        )
        for bin_ in bins
        if bin_.count
    )


def error_bars(differences: Sequence[Difference]) -> list[ErrorBar]:
    """Return an error bar for each difference, all with the same scale."""
    ends = [abs(end) for each in differences for end in (each.interval.low, each.interval.high, each.value)]
    largest = max(ends, default=0.0) or 1.0

    def position(value: float) -> float:
        return ERROR_BAR_WIDTH / 2 + ERROR_BAR_REACH * value / largest

    return [
        ErrorBar(low=position(each.interval.low), high=position(each.interval.high), value=position(each.value))
        for each in differences
    ]


def _scores_by_label(sets: Sequence[LabelledSet], result: EvaluationResult) -> tuple[list[float], list[float]]:
    """Return the scores (0 to 10) of the relevant and of the irrelevant pictures that were scored."""
    log_odds = [split_log_odds(*pair) for pair in zip(sets, result.scored_sets, strict=True)]
    relevant, irrelevant = (
        [shown_score(value, result.metrics.temperature) for values in side for value in values]
        for side in zip(*log_odds, strict=True)
    )
    return relevant, irrelevant


def _shares(scores: Sequence[float]) -> list[float]:
    """Return the share of the scores in each bar; a score of 10 is in the last one."""
    counts = [0] * BAR_COUNT
    for score in scores:
        counts[min(BAR_COUNT - 1, int(score * BAR_COUNT / 10))] += 1
    return [count / max(1, len(scores)) for count in counts]


def _bars(shares: Sequence[float], max_share: float, label: _Label) -> tuple[Bar, ...]:
    step = HISTOGRAM.width / BAR_COUNT
    heights = [HISTOGRAM.height / 2 * share / max_share for share in shares]
    return tuple(
        Bar(
            x=HISTOGRAM.left + step * number + 1,
            y=HISTOGRAM.middle - height if label == "relevant" else HISTOGRAM.middle,
            width=step - 2,
            height=height,
            title=f"{number / 2:g} to {(number + 1) / 2:g}: {share:.1%} of the {label} pictures",
        )
        for number, (share, height) in enumerate(zip(shares, heights, strict=True))
        if share
    )


def _description(relevant: Sequence[float], irrelevant: Sequence[float]) -> str:
    return (
        f"Median score: {_median_text(relevant)} for {len(relevant):,} relevant pictures, "
        f"{_median_text(irrelevant)} for {len(irrelevant):,} irrelevant pictures."
    )


def _median_text(scores: Sequence[float]) -> str:
    return f"{statistics.median(scores):.1f}" if scores else "none"
