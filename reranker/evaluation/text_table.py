"""An evaluation as a text table for a terminal."""

from collections.abc import Mapping
from typing import Final

from reranker.evaluation.results import Comparison, Evaluation, EvaluationResult, Metrics, Share

MEGABYTE: Final = 1_000_000
MIN_LABEL_WIDTH: Final = 14
_COMPARED_TITLES: Final = {"hit_at_1": "hit@1", "mrr": "MRR", "ndcg_at_10": "nDCG@10"}


def as_table(evaluation: Evaluation) -> str:
    """Return the metrics, the comparisons, the shares by language and by kind, and the calibrations."""
    sets = evaluation.dataset.sets
    pictures = sum(len(labelled.pictures) for labelled in sets)
    count = "1 set" if len(sets) == 1 else f"{len(sets):,} sets"
    blocks = [f"{evaluation.dataset.name}: {count}, {pictures:,} pictures to rank", _metrics_table(evaluation)]
    if evaluation.comparisons:
        blocks.append(_comparison_table(evaluation))
    languages = [(result, result.metrics.languages) for result in evaluation.results]
    kinds = [(result, result.metrics.kinds) for result in evaluation.results]
    blocks += [
        _share_table("hit@1 by language", languages, _label_width(evaluation)),
        _share_table("correct pairs by kind", kinds, _label_width(evaluation)),
    ]
    if any(result.fit for result in evaluation.results):
        blocks.append(_calibration_table(evaluation))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _label_width(evaluation: Evaluation) -> int:
    return max(MIN_LABEL_WIDTH, *(len(result.configuration.label) for result in evaluation.results)) + 2


def _metrics_table(evaluation: Evaluation) -> str:
    width = _label_width(evaluation)
    head = (
        f"{'':{width}}{'hit@1':>8}{'95 % interval':>16}{'hit@3':>8}{'MRR':>7}{'nDCG@10':>9}{'R@5':>7}{'std':>6}"
        f"{'separation':>12}{'ties':>6}{'failed':>8}{'Spearman':>10}{'ms':>8}{'peak MB':>9}"
    )
    lines = [f"{result.configuration.label:{width}}{_metrics_line(result.metrics)}" for result in evaluation.results]
    return "\n".join([head, *lines])


def _metrics_line(metrics: Metrics) -> str:
    bounds = metrics.intervals["hit_at_1"]
    interval = f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f}"
    spearman = "-" if metrics.spearman is None else f"{metrics.spearman:.3f}"
    peak = "-" if metrics.peak_bytes is None else f"{metrics.peak_bytes / MEGABYTE:,.0f}"
    return (
        f"{_percent(metrics.hit_at_1):>8}{interval:>16}{_percent(metrics.hit_at_3):>8}{metrics.mrr:>7.3f}"
        f"{metrics.ndcg_at_10:>9.3f}{metrics.recall_at_5:>7.3f}{metrics.score_std:>6.2f}{metrics.separation:>12.2f}"
        f"{metrics.ties:>6}{metrics.failures:>8}{spearman:>10}{metrics.ms_a_picture:>8.1f}{peak:>9}"
    )


def _comparison_table(evaluation: Evaluation) -> str:
    """Return a line for each pair, with the second configuration minus the first."""
    width = 2 * _label_width(evaluation) + 6
    head = f"{'comparison':{width}}{'hit@1':>13}{'p':>8}{'tau':>7}{'changed':>9}  significant in"
    return "\n".join([head, *(_comparison_line(pair, width) for pair in evaluation.comparisons)])


def _comparison_line(pair: Comparison, width: int) -> str:
    hit_at_1 = pair.differences["hit_at_1"]
    significant = [title for name, title in _COMPARED_TITLES.items() if pair.differences[name].is_significant]
    names = f"{pair.second.label} against {pair.first.label}"
    return (
        f"{names:{width}}{f'{100 * hit_at_1.value:+.1f} points':>13}{hit_at_1.p:>8.3f}{pair.kendall_tau:>7.3f}"
        f"{pair.changed_first:>9}  {', '.join(significant) or 'nothing'}"
    )


def _share_table(title: str, shares_by_result: list[tuple[EvaluationResult, Mapping[str, Share]]], width: int) -> str:
    """Return a line for each configuration, with a column for each name; empty if there are no names."""
    counts = shares_by_result[0][1]
    if not counts:
        return ""
    width = max(width, len(title) + 2)
    columns = {name: f"{name} ({share.count})" for name, share in counts.items()}
    head = f"{title:{width}}" + "".join(f"{column:>{len(column) + 2}}" for column in columns.values())
    lines = [
        f"{result.configuration.label:{width}}"
        + "".join(f"{_percent(shares[name].value):>{len(column) + 2}}" for name, column in columns.items())
        for result, shares in shares_by_result
    ]
    return "\n".join([head, *lines])


def _calibration_table(evaluation: Evaluation) -> str:
    width = _label_width(evaluation)
    head = (
        f"{'calibration':{width}}{'T':>6}{'threshold':>11}{'loss before':>13}{'loss after':>12}"
        f"{'relevant above':>16}{'irrelevant above':>18}"
    )
    lines = [
        f"{result.configuration.label:{width}}{fit.temperature:>6.2f}{fit.relevance_threshold:>11.1f}"
        f"{fit.loss_before:>13.3f}{fit.loss_after:>12.3f}"
        f"{_percent(fit.relevant_above_threshold):>16}{_percent(fit.irrelevant_above_threshold):>18}"
        for result in evaluation.results
        if (fit := result.fit)
    ]
    return "\n".join([head, *lines])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
