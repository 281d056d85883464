"""The tables of an evaluation as texts, row by row, for the report and the page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Final, Literal

from reranker.evaluation.charts import ErrorBar, error_bars
from reranker.evaluation.results import COMPARED_METRICS, Comparison, Configuration, Difference, Metrics, Share

UNKNOWN: Final = "–"
MEGABYTE: Final = 1_000_000
LANGUAGES: Final = {"en": "English", "zh": "Chinese", "mixed": "Chinese and English"}
TITLES: Final = {
    "hit_at_1": "Hit@1",
    "hit_at_3": "Hit@3",
    "mrr": "MRR",
    "ndcg_at_10": "nDCG@10",
    "recall_at_5": "Recall@5",
    "recall_at_10": "Recall@10",
}
_SHOWN_AS_PERCENT: Final = frozenset({"hit_at_1", "hit_at_3", "recall_at_5", "recall_at_10"})
_MIN_SHOWN_P: Final = 0.001


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The text of a cell. note: a smaller line below it. is_best: no other cell in the column shows a better value."""

    text: str
    note: str = ""
    is_best: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the table of metrics. metric: a field of `Metrics`. better: which values are better, if any."""

    metric: str
    title: str
    better: Literal["higher", "lower", ""]
    text: Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class DifferenceCell:
    """The texts of a difference."""

    value: str
    interval: str
    p: str
    is_significant: bool
    error_bar: ErrorBar


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """A row of the table of comparisons. differences: in the order of `COMPARED_METRICS`."""

    first: str
    second: str
    differences: tuple[DifferenceCell, ...]
    kendall_tau: str
    changed_first: str

    @property
    def is_any_significant(self) -> bool:
        """Whether at least one difference is significant."""
        return any(difference.is_significant for difference in self.differences)


def short_names(configurations: Sequence[Configuration]) -> dict[Configuration, str]:
    """Return the parts in which each configuration differs from others; the whole label if there is only one."""
    if len(configurations) == 1:
        return {configuration: configuration.label for configuration in configurations}
    parts = {
        configuration: (
            configuration.model,
            configuration.precision,
            configuration.scoring,
            f"{configuration.visual_tokens} tokens",
        )
        for configuration in configurations
    }
    is_varying = [len(set(values)) > 1 for values in zip(*parts.values(), strict=True)]
    return {
        configuration: " ".join(part for part, varies in zip(own_parts, is_varying, strict=True) if varies)
        for configuration, own_parts in parts.items()
    }


def main_rows(names: Sequence[str], metrics: Sequence[Metrics]) -> list[Row]:
    """Return a row for each configuration, with the columns in `COLUMNS`."""
    columns = [_cells(column, metrics) for column in COLUMNS]
    return [Row(name=name, cells=cells) for name, cells in zip(names, zip(*columns, strict=True), strict=True)]


def share_rows(shares: Sequence[Mapping[str, Share]]) -> list[Row]:
    """Return a row for each name, with a column for each configuration; the lowest shares first."""
    values = {name: [each[name].value for each in shares if name in each] for each in shares for name in each}
    lowest_first = sorted(values, key=lambda name: (fmean(values[name]), name))
    return [Row(name=name, cells=tuple(_share_cell(each.get(name)) for each in shares)) for name in lowest_first]


def comparison_rows(
    comparisons: Sequence[Comparison], names: Mapping[Configuration, str], set_count: int
) -> list[ComparisonRow]:
    """Return a row for each pair."""
    columns = [_difference_cells(name, [pair.differences[name] for pair in comparisons]) for name in COMPARED_METRICS]
    return [
        ComparisonRow(
            first=names[pair.first],
            second=names[pair.second],
            differences=cells,
            kendall_tau=number_text(pair.kendall_tau, 3),
            changed_first=f"{pair.changed_first:,} of {set_count:,}",
        )
        for pair, cells in zip(comparisons, zip(*columns, strict=True), strict=True)
    ]


def number_text(value: float, decimals: int) -> str:
    """Return the number with a minus sign (U+2212), and no sign before zero."""
    return f"{value:z,.{decimals}f}".replace("-", "−")


def percent_text(value: float) -> str:
    """Return a share as a percentage with one decimal."""
    return f"{number_text(100 * value, 1)}%"


def _cells(column: Column, metrics: Sequence[Metrics]) -> list[Cell]:
    values: list[float | None] = [getattr(each, column.metric) for each in metrics]
    texts = [UNKNOWN if value is None else column.text(value) for value in values]
    best = _best_text(values, texts, column.better)
    notes = [_note(column.metric, each) for each in metrics]
    return [Cell(text=text, note=note, is_best=text == best) for text, note in zip(texts, notes, strict=True)]


def _note(name: str, metrics: Metrics) -> str:
    """Return the interval of a metric, or the number of pictures that it was computed from."""
    if name == "spearman" and metrics.spearman is not None:
        return f"of {metrics.spearman_pairs:,}"
    if name in metrics.intervals:
        interval = metrics.intervals[name]
        return f"{_unsigned(name, interval.low)}–{_unsigned(name, interval.high)}"
    return ""


def _best_text(values: Iterable[float | None], texts: Sequence[str], better: str) -> str | None:
    """Return the text of the best value; None if all texts are equal, or if no value is better than another."""
    text_by_value = {value: text for value, text in zip(values, texts, strict=True) if value is not None}
    if not better or len(set(text_by_value.values())) < 2:
        return None
    return text_by_value[max(text_by_value) if better == "higher" else min(text_by_value)]


def _share_cell(share: Share | None) -> Cell:
    if share is None:
        return Cell(text=UNKNOWN)
    return Cell(text=percent_text(share.value), note=f"of {share.count:,}")


def _difference_cells(name: str, differences: Sequence[Difference]) -> list[DifferenceCell]:
    return [
        DifferenceCell(
            value=_difference_text(name, difference.value),
            interval=f"[{_signed(name, difference.interval.low)}, {_signed(name, difference.interval.high)}]",
            p=f"p < {_MIN_SHOWN_P}" if difference.p < _MIN_SHOWN_P else f"p = {difference.p:.3f}",
            is_significant=difference.is_significant,
            error_bar=error_bar,
        )
        for difference, error_bar in zip(differences, error_bars(differences), strict=True)
    ]


def _difference_text(name: str, value: float) -> str:
    return f"{_signed(name, value)} points" if name in _SHOWN_AS_PERCENT else _signed(name, value)


def _signed(name: str, value: float) -> str:
    """Return the text with a plus sign above zero, but without a sign if it rounds to zero."""
    text = _unsigned(name, value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def _unsigned(name: str, value: float) -> str:
    """Return a metric of `TITLES`, or a difference of two, without its unit."""
    return number_text(100 * value, 1) if name in _SHOWN_AS_PERCENT else number_text(value, 3)


def _decimals(decimals: int) -> Callable[[float], str]:
    return partial(number_text, decimals=decimals)


def _ms_text(value: float) -> str:
    """Return the number with about three significant digits."""
    return number_text(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _megabytes_text(value: float) -> str:
    return f"{number_text(value / MEGABYTE, 0)} MB"


def _ranking_metric(name: str) -> Column:
    text = percent_text if name in _SHOWN_AS_PERCENT else _decimals(3)
    return Column(metric=name, title=TITLES[name], better="higher", text=text)


COLUMNS: Final = (
    *(_ranking_metric(name) for name in TITLES),
    Column(metric="score_std", title="Score std", better="", text=_decimals(2)),
    Column(metric="separation", title="Separation", better="higher", text=_decimals(2)),
    Column(metric="ties", title="Ties", better="lower", text=_decimals(0)),
    Column(metric="failures", title="Failures", better="lower", text=_decimals(0)),
    Column(metric="spearman", title="Spearman", better="higher", text=_decimals(3)),
    Column(metric="ms_a_picture", title="ms a picture", better="lower", text=_ms_text),
    Column(metric="peak_bytes", title="Peak memory", better="lower", text=_megabytes_text),
)
