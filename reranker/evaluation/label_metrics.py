"""The metrics of labels: precision, recall and F1, average precision, calibration error, with bootstrap intervals.

Average precision is the mean of the precisions at the pictures with a label, ranked by its confidence (as in
trec_eval); in a tie, pictures without the label come first, so that no tie is a hit by chance. Expected calibration
error is that of Guo et al. (On Calibration of Modern Neural Networks, ICML 2017). Intervals are percentiles over
resamples of the pictures; all metrics share the resamples, and the sums of each resample are products of matrices.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.types import LabelCalibration
from reranker.evaluation.label_results import Estimate, LabelFigures, LabelMetrics, LabelScores
from reranker.evaluation.results import Interval
from reranker.evaluation.significance import CONFIDENCE_LEVEL, SEED, Values
from reranker.vocabulary.labels import Name, Vocabulary

RESAMPLES: Final = 1_000
BINS: Final = 15  # of equal width, for the calibration error
Mask = NDArray[np.bool_]
Weights = NDArray[np.float32]


# One sample


def f1_of(chosen: Mask, present: Mask, annotated: Mask) -> float:
    """Return F1 of the annotated pairs; NaN if none of them is chosen or present."""
    hits = int(np.count_nonzero(chosen & present))
    both = int(np.count_nonzero(chosen & annotated) + np.count_nonzero(present))
    return 2 * hits / both if both else float("nan")


def average_precision(confidences: Values, present: Mask) -> float:
    """Return the average precision of a label; NaN unless some pictures have it and others do not."""
    once = np.ones((len(present), 1), np.float32)
    return float(average_precisions(confidences, present, ~present, once)[0])


def average_precisions(confidences: Values, present: Mask, absent: Mask, counts: NDArray[Any]) -> Values:
    """Return the average precision of a label in each sample, (samples,); NaN if a sample has no picture with it.

    All pictures with the label count as often as they are in the sample, at the place of the last one. counts: how
    often each picture is in a sample, (pictures, samples).
    """
    order = np.lexsort((present, -confidences))  # of equal ones, pictures without the label first
    order = order[(present | absent)[order]]
    places = np.flatnonzero(present[order])
    if not len(places) or len(places) == len(order):
        return np.full(counts.shape[1], np.nan)
    ranked = counts[order[: places[-1] + 1]]
    starts = np.append(0, places[:-1] + 1)  # a picture with the label ends each part
    ranks = np.cumsum(np.add.reduceat(ranked, starts, axis=0, dtype=np.float32), axis=0)
    hits = ranked[places].astype(np.float32)
    precisions = _ratios(np.cumsum(hits, axis=0), ranks)
    return _ratios(np.nansum(hits * precisions, axis=0), hits.sum(0))


def calibration_error(confidences: Values, present: Mask) -> float:
    """Return the expected calibration error in [0, 1]; NaN if there are no pairs."""
    if not len(confidences):
        return float("nan")
    gaps = np.bincount(_bins(confidences), confidences - present, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def best_threshold(confidences: Values, present: Mask, missed: int = 0) -> tuple[float, float] | None:
    """Return the threshold with the best F1, and that F1; None if no present pair has a confidence above 0.

    Of several equally good ones, it is the one in the widest gap between two confidences. missed: present pairs without
    a confidence, which no threshold chooses.
    """
    if not present.any():
        return None
    order = np.argsort(-confidences, kind="stable")
    ordered = confidences[order]
    hits = np.cumsum(present[order])
    f1 = 2 * hits / (np.arange(1, len(ordered) + 1) + hits[-1] + missed)
    below = np.append(ordered[1:], 0.0)
    gaps = ordered - below
    f1[gaps <= 0] = 0  # no threshold lies between equal confidences
    if not f1.any():
        return None
    best = np.flatnonzero(np.isclose(f1, f1.max(), rtol=1e-12, atol=0))
    chosen = best[np.argmax(gaps[best])]
    middle = (ordered[chosen] + below[chosen]) / 2
    return float(middle if middle > below[chosen] else ordered[chosen]), float(f1[chosen])


def _bins(confidences: Values) -> NDArray[np.int64]:
    return np.minimum((confidences * BINS).astype(np.int64), BINS - 1)


# All labels


class ResampledMetrics:
    """Computes metrics of labels with their intervals. scores: of at least one picture."""

    def __init__(self, scores: LabelScores, vocabulary: Vocabulary) -> None:
        self._scores, self._vocabulary = scores, vocabulary
        self._weights = _resamples(len(scores.present))
        self._precisions = self._average_precisions()

    def overall(self) -> LabelMetrics:
        """Return the metrics of all labels."""
        return self._metrics(np.ones(len(self._vocabulary), bool))

    def by_group(self) -> dict[Name | None, LabelMetrics]:
        """Return the metrics of each group that was annotated; none if the vocabulary has no groups."""
        if not self._vocabulary.groups:
            return {}
        annotated = self._scores.annotated.any(0)
        groups = dict.fromkeys(label.group for label in self._vocabulary)
        columns = {group: np.array([label.group == group for label in self._vocabulary]) for group in groups}
        return {group: self._metrics(each) for group, each in columns.items() if (each & annotated).any()}

    def by_label(self, calibration: LabelCalibration) -> tuple[LabelFigures, ...]:
        """Return the figures of each label that was annotated. calibration: the one in use."""
        annotated = self._scores.annotated.any(0)
        return tuple(self._figures(column, calibration) for column in np.flatnonzero(annotated).tolist())

    def _average_precisions(self) -> Values:
        """Return the average precision of each label in each resample, (resamples, labels)."""
        scores, counts = self._scores, np.ascontiguousarray(self._weights.T.astype(np.uint8))
        precisions = np.full((len(self._weights), len(self._vocabulary)), np.nan)
        confidences = np.nan_to_num(scores.confidences)
        for column in np.flatnonzero(scores.present.any(0) & scores.absent.any(0)):
            precisions[:, column] = average_precisions(
                confidences[:, column], scores.present[:, column], scores.absent[:, column], counts
            )
        return precisions

    def _metrics(self, columns: Mask) -> LabelMetrics:
        scores = self._scores.columns(columns)
        is_annotated = np.asarray(scores.annotated.any(1), bool)
        without = is_annotated & ~scores.present.any(1)
        values: dict[str, Values] = {
            **_micro(scores, self._weights),
            **_macro(scores, self._weights),
            "mean_average_precision": _mean_of_defined(self._precisions[:, columns]),
            "calibration_error": _calibration_errors(scores, self._weights),
            "none_recognised": _none_recognised(scores, without, self._weights),
        }
        return LabelMetrics(
            pictures=int(is_annotated.sum()),
            without=int(without.sum()),
            labels=int(scores.present.any(0).sum()),
            pairs=int(scores.annotated.sum()),
            judged_pairs=int(scores.judged.sum()),
            values={name: _estimate(each) for name, each in values.items() if not np.isnan(each[0])},
        )

    def _figures(self, column: int, calibration: LabelCalibration) -> LabelFigures:
        scores, label = self._scores, self._vocabulary.labels[column]
        present, absent, judged = scores.present[:, column], scores.absent[:, column], scores.judged[:, column]
        chosen = scores.chosen[:, column] & (present | absent)
        hits = int((chosen & present).sum())
        missed = int((present & ~judged).sum())
        best = best_threshold(scores.confidences[judged, column], present[judged], missed)
        return LabelFigures(
            label=label,
            present=int(present.sum()),
            absent=int(absent.sum()),
            precision=_share(hits, int(chosen.sum())),
            recall=_share(hits, int(present.sum())),
            f1=_share(2 * hits, int(chosen.sum() + present.sum())) if present.any() else None,
            average_precision=_defined(float(self._precisions[0, column])),
            threshold=calibration.threshold_of(label.key),
            best_threshold=best and best[0],
        )


def _resamples(pictures: int) -> Weights:
    """Return how often each picture is in a sample, (resamples + 1, pictures); the first has each picture once."""
    rng, weights = np.random.default_rng(SEED), np.ones((RESAMPLES + 1, pictures), np.float32)
    for row in weights[1:]:
        row[:] = np.bincount(rng.integers(pictures, size=pictures), minlength=pictures)
    return weights


def _micro(scores: LabelScores, weights: Weights) -> dict[str, Values]:
    counts = (scores.chosen & scores.present, scores.chosen & scores.annotated, scores.present)
    hits, chosen, present = (weights.astype(np.float64) @ np.stack([each.sum(1) for each in counts], 1)).T
    return _precision_recall_f1("micro", hits, chosen, present)


def _macro(scores: LabelScores, weights: Weights) -> dict[str, Values]:
    scores = scores.columns(np.asarray(scores.present.any(0), bool))
    pairs = scores.chosen & scores.present, scores.chosen & scores.annotated, scores.present
    hits, chosen, present = (_sums(weights, each) for each in pairs)
    by_label = _precision_recall_f1("macro", hits, chosen, present)
    by_label["macro_precision"] = np.nan_to_num(by_label["macro_precision"])
    return {name: _mean_of_defined(np.where(present > 0, values, np.nan)) for name, values in by_label.items()}


def _sums(weights: Weights, pairs: Mask) -> Values:
    """Return the number of pairs of each label in each sample; float32 is exact up to 16 million."""
    return np.asarray(weights @ pairs.astype(np.float32), np.float64)


def _precision_recall_f1(prefix: str, hits: Values, chosen: Values, present: Values) -> dict[str, Values]:
    return {
        f"{prefix}_precision": _ratios(hits, chosen),
        f"{prefix}_recall": _ratios(hits, present),
        f"{prefix}_f1": _ratios(2 * hits, chosen + present),
    }


def _calibration_errors(scores: LabelScores, weights: Weights) -> Values:
    rows, columns = np.nonzero(scores.judged)
    confidences, pictures = scores.confidences[rows, columns], len(scores.present)
    cells = rows * BINS + _bins(confidences)
    gaps = np.bincount(cells, confidences - scores.present[rows, columns], minlength=pictures * BINS)
    in_bins = weights.astype(np.float64) @ gaps.reshape(pictures, BINS)
    return _ratios(np.abs(in_bins).sum(1), weights.astype(np.float64) @ scores.judged.sum(1))


def _none_recognised(scores: LabelScores, without: Mask, weights: Weights) -> Values:
    got_none = without & ~(scores.chosen & scores.annotated).any(1)
    return _ratios(weights.astype(np.float64) @ got_none, weights.astype(np.float64) @ without)


def _ratios(numerators: Any, denominators: Any) -> Values:
    """Return quotients; NaN where the denominator is 0."""
    result = np.full(np.shape(denominators), np.nan)
    np.divide(numerators, denominators, out=result, where=np.asarray(denominators) > 0)
    return result


def _mean_of_defined(values: Values) -> Values:
    """Return the mean of each row without NaN; NaN if nothing is left."""
    is_defined = ~np.isnan(values)
    return _ratios(np.where(is_defined, values, 0).sum(1), is_defined.sum(1))


def _estimate(values: Values) -> Estimate:
    """Return the first value, with the interval of the others."""
    resampled = values[1:][~np.isnan(values[1:])]
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail]) if len(resampled) else (values[0], values[0])
    return Estimate(value=float(values[0]), interval=Interval(low=float(low), high=float(high)))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else value
