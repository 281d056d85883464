"""An evaluation for reading in a terminal."""

from collections.abc import Mapping
from typing import Final

from reranker.evaluation.results import Comparison, Evaluated, Evaluation, Figures, Share

MEGABYTE: Final = 1_000_000
SHORTEST: Final = 14  # of the first column


def as_table(evaluation: Evaluation) -> str:
    """The figures of each combination, each pair compared, shares by language and kind, and what was fitted."""
    sets = evaluation.dataset.sets
    pictures = sum(len(labelled.pictures) for labelled in sets)
    count = "1 set" if len(sets) == 1 else f"{len(sets):,} sets"
    blocks = [f"{evaluation.dataset.name}: {count}, {pictures:,} pictures to rank", _figures(evaluation)]
    if evaluation.comparisons:
        blocks.append(_comparisons(evaluation))
    blocks += [block for block in (_shares(evaluation, "languages"), _shares(evaluation, "kinds")) if block]
    if any(one.fit for one in evaluation.evaluated):
        blocks.append(_fits(evaluation))
    return "\n\n".join(blocks) + "\n"


def _width(evaluation: Evaluation) -> int:
    return max(SHORTEST, *(len(one.configuration.label) for one in evaluation.evaluated)) + 2


def _figures(evaluation: Evaluation) -> str:
    width = _width(evaluation)
    head = (
        f"{'':{width}}{'first':>7}{'95 % interval':>17}{'in 3':>8}{'MRR':>7}{'nDCG@10':>9}{'R@5':>7}{'std':>6}"
        f"{'apart':>7}{'ties':>6}{'failed':>8}{'Spearman':>10}{'ms':>8}{'peak MB':>9}"
    )
    return "\n".join(
        [head, *(f"{one.configuration.label:{width}}{_figures_line(one.figures)}" for one in evaluation.evaluated)]
    )


def _figures_line(found: Figures) -> str:
    bounds = found.intervals["first"]
    interval = f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f}"
    spearman = "-" if found.spearman is None else f"{found.spearman:.3f}"
    peak = "-" if found.peak_bytes is None else f"{found.peak_bytes / MEGABYTE:,.0f}"
    return (
        f"{_percent(found.first):>7}{interval:>17}{_percent(found.within_3):>8}{found.mrr:>7.3f}{found.ndcg_at_10:>9.3f}"
        f"{found.recall_at_5:>7.3f}{found.score_std:>6.2f}{found.separation:>7.2f}{found.ties:>6}{found.failures:>8}"
        f"{spearman:>10}{found.ms_a_picture:>8.1f}{peak:>9}"
    )


def _comparisons(evaluation: Evaluation) -> str:
    """The second of each pair against the first."""
    width = 2 * _width(evaluation) + 6
    head = f"{'compared':{width}}{'first':>12}{'p':>8}{'tau':>7}{'changed':>9}  more than chance in"
    return "\n".join([head, *(_comparison(pair, width) for pair in evaluation.comparisons)])


def _comparison(pair: Comparison, width: int) -> str:
    first = pair.differences["first"]
    real = [name for name, difference in pair.differences.items() if difference.is_real]
    pair_text = f"{pair.second.label} against {pair.first.label}"
    return (
        f"{pair_text:{width}}{f'{100 * first.value:+.1f} points':>12}{first.p:>8.3f}{pair.kendall_tau:>7.3f}"
        f"{pair.changed_first:>9}  {', '.join(real) or 'nothing'}"
    )


def _shares(evaluation: Evaluation, name: str) -> str:
    """By language the right picture first, by kind the pairs that are the right way round."""
    rows: list[tuple[Evaluated, Mapping[str, Share]]] = [
        (one, getattr(one.figures, name)) for one in evaluation.evaluated
    ]
    counts = rows[0][1]
    if not counts:
        return ""
    width = _width(evaluation)
    columns = {key: f"{key} ({share.count})" for key, share in counts.items()}
    what = {"languages": "first, by query", "kinds": "pairs, by kind"}[name]
    head = f"{what:{width}}" + "".join(f"{text:>{len(text) + 2}}" for text in columns.values())
    lines = [
        f"{one.configuration.label:{width}}"
        + "".join(f"{_percent(shares[key].value):>{len(text) + 2}}" for key, text in columns.items())
        for one, shares in rows
    ]
    return "\n".join([head, *lines])


def _fits(evaluation: Evaluation) -> str:
    width = _width(evaluation)
    lines = [
        f"{one.configuration.label:{width}}{one.fit.temperature:>6.2f}{one.fit.relevance_threshold:>8.1f}{one.fit.loss_before:>9.3f}"
        f"{one.fit.loss_after:>8.3f}{_percent(one.fit.right_over):>12}{_percent(one.fit.wrong_over):>12}"
        for one in evaluation.evaluated
        if one.fit
    ]
    head = f"{'calibration':{width}}{'T':>6}{'fits at':>8}{'loss':>9}{'at T':>8}{'right over':>12}{'wrong over':>12}"
    return "\n".join([head, *lines])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
