"""Evaluations written by hand, for tests of how they are written down and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO

from PIL import Image

from reranker.evaluation.datasets.labelled import Dataset, LabelledSet
from reranker.evaluation.results import (
    Bin,
    Comparison,
    Configuration,
    Difference,
    Evaluated,
    Evaluation,
    Figures,
    Fit,
    Interval,
    JudgedSet,
    Share,
)

MEASURES = ("first", "within_3", "mrr", "ndcg_at_10", "recall_at_5", "recall_at_10")
FIGURES = Figures(
    sets=2,
    pictures=5,
    first=2 / 3,
    within_3=0.9,
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
CURVE = (
    Bin(low=0.1, high=0.2, said=0.15, right=0.25, count=40),
    Bin(low=0.8, high=0.9, said=0.85, right=0.75, count=20),
)
FIT = Fit(
    temperature=1.62,
    relevance_threshold=5.8,
    loss_before=0.412,
    loss_after=0.371,
    right_over=0.931,
    wrong_over=0.082,
    before=CURVE,
    after=CURVE[:1],
    sets=60,
)


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    """A small picture as a file."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def configuration(precision: str = "fp32", model: str = "toybox") -> Configuration:
    return Configuration(model=model, precision=precision, scoring="yes-no", visual_tokens=49)


def evaluated(
    judged: Sequence[JudgedSet], precision: str = "fp32", *, model: str = "toybox", fit: Fit | None = FIT, **figures
) -> Evaluated:
    """What one combination said, with figures that are `FIGURES` but for those given."""
    return Evaluated(
        configuration=configuration(precision, model),
        fingerprint=f"of {precision}",
        calibration_key=f"{model} {precision}",
        figures=replace(FIGURES, **figures),
        judged=tuple(judged),
        fit=fit,
    )


def difference(value: float, p: float) -> Difference:
    return Difference(value=value, interval=Interval(low=value - 0.0625, high=value + 0.0625), p=p, is_real=p < 0.05)


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


def evaluation(sets: Sequence[LabelledSet], *parts: Evaluated, compared: Sequence[Comparison] = ()) -> Evaluation:
    return Evaluation(dataset=Dataset(name="a dataset", sets=tuple(sets)), evaluated=parts, comparisons=tuple(compared))
