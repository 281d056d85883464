"""Evaluations with metrics written by hand, for tests of their files and of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO

from PIL import Image

from reranker.evaluation.datasets.types import Dataset, LabelledSet
from reranker.evaluation.results import (
    CalibrationFit,
    Comparison,
    Configuration,
    Difference,
    Evaluation,
    EvaluationResult,
    Interval,
    Metrics,
    ReliabilityBin,
    ScoredSet,
    Share,
)

MEASURES = ("hit_at_1", "hit_at_3", "mrr", "ndcg_at_10", "recall_at_5", "recall_at_10")
METRICS = Metrics(
    sets=2,
    pictures=5,
    hit_at_1=2 / 3,
    hit_at_3=0.9,
    mrr=0.71,
    ndcg_at_10=0.815,
    recall_at_5=0.92,
    recall_at_10=1.0,
    intervals={name: Interval(low=0.25, high=0.9999) for name in MEASURES},
    score_std=2.5,
    separation=1.75,
    ties=3,
    failures=1,
    spearman=0.625,
    spearman_pairs=1234,
    ms_a_picture=41.5,
    peak_bytes=712_000_000,
    languages={"en": Share(value=0.875, count=8), "zh": Share(value=0.5, count=4)},
    kinds={"colour": Share(value=0.96, count=50), "count": Share(value=0.81, count=21)},
    temperature=1.0,
)
BINS = (
    ReliabilityBin(low=0.1, high=0.2, mean_predicted=0.15, fraction_relevant=0.25, count=40),
    ReliabilityBin(low=0.8, high=0.9, mean_predicted=0.85, fraction_relevant=0.75, count=20),
)
FIT = CalibrationFit(
    temperature=1.62,
    relevance_threshold=5.8,
    loss_before=0.412,
    loss_after=0.371,
    relevant_above_threshold=0.931,
    irrelevant_above_threshold=0.082,
    bins_before=BINS,
    bins_after=BINS[:1],
    sets=60,
)


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    """Return the bytes of a small PNG file."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def configuration(precision: str = "fp32", model: str = "toybox") -> Configuration:
    return Configuration(model=model, precision=precision, scoring="yes-no", visual_tokens=49)


def evaluation_result(
    scored_sets: Sequence[ScoredSet],
    precision: str = "fp32",
    *,
    model: str = "toybox",
    fit: CalibrationFit | None = FIT,
    **metrics,
) -> EvaluationResult:
    """Make the result of a configuration, with the metrics in `METRICS` except those that are given."""
    return EvaluationResult(
        configuration=configuration(precision, model),
        fingerprint=f"of {precision}",
        calibration_key=f"{model} {precision}",
        metrics=replace(METRICS, **metrics),
        scored_sets=tuple(scored_sets),
        fit=fit,
    )


def difference(value: float, p: float) -> Difference:
    return Difference(
        value=value, interval=Interval(low=value - 0.0625, high=value + 0.0625), p=p, is_significant=p < 0.05
    )


def comparison(
    first: Configuration, second: Configuration, ps: Mapping[str, float], value: float = -0.03125
) -> Comparison:
    return Comparison(
        first=first,
        second=second,
        differences={name: difference(value, p) for name, p in ps.items()},
        kendall_tau=0.875,
        changed_first=1,
    )


def evaluation(
    sets: Sequence[LabelledSet], *results: EvaluationResult, comparisons: Sequence[Comparison] = ()
) -> Evaluation:
    dataset = Dataset(name="a dataset", sets=tuple(sets))
    return Evaluation(dataset=dataset, results=results, comparisons=tuple(comparisons))
