"""The tables of an evaluation as texts, row by row, ready for a page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Final, Literal

from reranker.evaluation.charts import Whisker, whiskers
from reranker.evaluation.results import Comparison, Configuration, Difference, Figures, Share

UNKNOWN: Final = "–"
MEGABYTE: Final = 1_000_000
LANGUAGES: Final = {"en": "English", "zh": "Chinese", "mixed": "Chinese and English"}
COMPARED: Final = ("first", "mrr", "ndcg_at_10")
TITLES: Final = {
    "first": "First",
    "within_3": "Within 3",
    "mrr": "MRR",
    "ndcg_at_10": "nDCG@10",
    "recall_at_5": "Recall@5",
    "recall_at_10": "Recall@10",
}
_OF_100: Final = frozenset({"first", "within_3", "recall_at_5", "recall_at_10"})
_LEAST_P: Final = 0.001


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A figure as it is read. note: a smaller line below. is_best: nothing in its column reads better."""

    text: str
    note: str = ""
    is_best: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A figure of the main table, by its name in `Figures`. better: which way; empty where neither is."""

    figure: str
    title: str
    better: Literal["higher", "lower", ""]
    text: Callable[[float], str]


@dataclass(frozen=True, kw_only=True)
class ComparedFigure:
    """A difference as it is read."""

    value: str
    interval: str
    p: str
    is_real: bool
    whisker: Whisker


@dataclass(frozen=True, kw_only=True)
class ComparedPair:
    """One line of the table of pairs."""

    first: str
    second: str
    figures: tuple[ComparedFigure, ...]
    kendall_tau: str
    changed_first: str

    @property
    def any_real(self) -> bool:
        """Whether at least one difference is more than chance."""
        return any(figure.is_real for figure in self.figures)


def short_names(configurations: Sequence[Configuration]) -> dict[Configuration, str]:
    """Of each what tells it from the others; the whole label where there is only one."""
    if len(configurations) == 1:
        return {one: one.label for one in configurations}
    parts = {one: (one.model, one.precision, one.scoring, f"{one.visual_tokens} tokens") for one in configurations}
    varying = [len(set(values)) > 1 for values in zip(*parts.values(), strict=True)]
    return {
        one: " ".join(part for part, varies in zip(of_one, varying, strict=True) if varies)
        for one, of_one in parts.items()
    }


def main_rows(names: Sequence[str], figures: Sequence[Figures]) -> list[Row]:
    """A row a combination, in the columns of `COLUMNS`."""
    columns = [_cells(column, figures) for column in COLUMNS]
    return [Row(name=name, cells=cells) for name, cells in zip(names, zip(*columns, strict=True), strict=True)]


def share_rows(shares: Sequence[Mapping[str, Share]]) -> list[Row]:
    """A row a name, a column a combination; the lowest first, so that what is hard stands on top."""
    held = {name: [each[name].value for each in shares if name in each] for each in shares for name in each}
    hardest_first = sorted(held, key=lambda name: (fmean(held[name]), name))
    return [Row(name=name, cells=tuple(_share_cell(each.get(name)) for each in shares)) for name in hardest_first]


def compared_pairs(
    comparisons: Sequence[Comparison], names: Mapping[Configuration, str], sets: int
) -> list[ComparedPair]:
    """A line a pair, with the figures of `COMPARED`."""
    columns = [_compared_figures(name, [pair.differences[name] for pair in comparisons]) for name in COMPARED]
    return [
        ComparedPair(
            first=names[pair.first],
            second=names[pair.second],
            figures=figures,
            kendall_tau=number_text(pair.kendall_tau, 3),
            changed_first=f"{pair.changed_first:,} of {sets:,}",
        )
        for pair, figures in zip(comparisons, zip(*columns, strict=True), strict=True)
    ]


def number_text(value: float, decimals: int) -> str:
    """With a real minus, and none before a zero."""
    return f"{value:z,.{decimals}f}".replace("-", "−")


def percent_text(value: float) -> str:
    """Of a share, with one decimal."""
    return f"{number_text(100 * value, 1)}%"


def _cells(column: Column, figures: Sequence[Figures]) -> list[Cell]:
    values: list[float | None] = [getattr(each, column.figure) for each in figures]
    texts = [UNKNOWN if value is None else column.text(value) for value in values]
    best = _best(values, texts, column.better)
    notes = [_note(column.figure, each) for each in figures]
    return [Cell(text=text, note=note, is_best=text == best) for text, note in zip(texts, notes, strict=True)]


def _note(name: str, figures: Figures) -> str:
    """How sure the figure is, or of how many."""
    if name == "spearman" and figures.spearman is not None:
        return f"of {figures.spearman_pairs:,}"
    if name in figures.intervals:
        interval = figures.intervals[name]
        return f"{_plain(name, interval.low)}–{_plain(name, interval.high)}"
    return ""


def _best(values: Iterable[float | None], texts: Sequence[str], better: str) -> str | None:
    """What the best value reads as; None where all read the same, or none is better."""
    known = {value: text for value, text in zip(values, texts, strict=True) if value is not None}
    if not better or len(set(known.values())) < 2:
        return None
    return known[max(known) if better == "higher" else min(known)]


def _share_cell(share: Share | None) -> Cell:
    if share is None:
        return Cell(text=UNKNOWN)
    return Cell(text=percent_text(share.value), note=f"of {share.count:,}")


def _compared_figures(name: str, differences: Sequence[Difference]) -> list[ComparedFigure]:
    return [
        ComparedFigure(
            value=_difference_text(name, each.value),
            interval=f"[{_signed(name, each.interval.low)}, {_signed(name, each.interval.high)}]",
            p="p < 0.001" if each.p < _LEAST_P else f"p = {each.p:.3f}",
            is_real=each.is_real,
            whisker=whisker,
        )
        for each, whisker in zip(differences, whiskers(differences), strict=True)
    ]


def _difference_text(name: str, value: float) -> str:
    return f"{_signed(name, value)} points" if name in _OF_100 else _signed(name, value)


def _signed(name: str, value: float) -> str:
    """With a plus above zero, but not before what reads as zero."""
    text = _plain(name, value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def _plain(name: str, value: float) -> str:
    """A measure of `TITLES`, or a difference of two, without its unit."""
    return number_text(100 * value, 1) if name in _OF_100 else number_text(value, 3)


def _decimals(decimals: int) -> Callable[[float], str]:
    return partial(number_text, decimals=decimals)


def _ms_text(value: float) -> str:
    """About three digits."""
    return number_text(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _bytes_text(value: float) -> str:
    return f"{number_text(value / MEGABYTE, 0)} MB"


def _measure(name: str) -> Column:
    return Column(
        figure=name, title=TITLES[name], better="higher", text=percent_text if name in _OF_100 else _decimals(3)
    )


COLUMNS: Final = (
    *(_measure(name) for name in TITLES),
    Column(figure="score_std", title="Score std", better="", text=_decimals(2)),
    Column(figure="separation", title="Separation", better="higher", text=_decimals(2)),
    Column(figure="ties", title="Ties", better="lower", text=_decimals(0)),
    Column(figure="failures", title="Failures", better="lower", text=_decimals(0)),
    Column(figure="spearman", title="Spearman", better="higher", text=_decimals(3)),
    Column(figure="ms_a_picture", title="ms a picture", better="lower", text=_ms_text),
    Column(figure="peak_bytes", title="Peak memory", better="lower", text=_bytes_text),
)
