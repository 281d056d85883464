"""The results of an evaluation of labels: what was found beside what is known, metrics, and figures of each label."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reranker.core.types import Failed, LabelCalibration
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.evaluation.results import Interval
from reranker.vocabulary.labels import Label, Name, Vocabulary

# The keys of `LabelMetrics.values`.
METRICS: Final = (
    "micro_precision",
    "micro_recall",
    "micro_f1",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "mean_average_precision",
    "calibration_error",
    "none_recognised",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelScores:
    """What was found in pictures, beside what is known of them; all arrays are (pictures, labels of the vocabulary).

    confidences: in [0, 1]; NaN if nobody judged the label, which then counts as 0. chosen: whether the picture got the
    label. present, absent: whether it is known to have the label, and not to have it; pairs that are neither count in
    no figure.
    """

    confidences: NDArray[np.float64]
    chosen: NDArray[np.bool_]
    present: NDArray[np.bool_]
    absent: NDArray[np.bool_]

    @property
    def annotated(self) -> NDArray[np.bool_]:
        """The pairs of which it is known whether the picture has the label."""
        return self.present | self.absent

    @property
    def judged(self) -> NDArray[np.bool_]:
        """The annotated pairs that have a confidence."""
        return self.annotated & ~np.isnan(self.confidences)

    def of(self, pictures: "slice | NDArray[np.bool_]") -> "LabelScores":
        """Return some of the pictures."""
        return replace(
            self,
            confidences=self.confidences[pictures],
            chosen=self.chosen[pictures],
            present=self.present[pictures],
            absent=self.absent[pictures],
        )

    def columns(self, labels: NDArray[np.bool_]) -> "LabelScores":
        """Return some of the labels."""
        return replace(
            self,
            confidences=self.confidences[:, labels],
            chosen=self.chosen[:, labels],
            present=self.present[:, labels],
            absent=self.absent[:, labels],
        )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric and its interval, by bootstrap over the pictures."""

    value: float
    interval: Interval


@dataclass(frozen=True, kw_only=True)
class LabelMetrics:
    """Metrics over the annotated pairs of a picture and a label.

    pictures: that have such a pair. without: those of them that have none of the labels.
    labels: that at least one picture has. pairs: annotated ones. judged_pairs: those of them with a confidence.
    values: by the names in `METRICS`, those that are defined:
        micro_*: precision, recall and F1 of all pairs together. macro_*: their means over the labels that occur; the
            precision of a label that no picture got is 0.
        mean_average_precision: over labels that some picture has and some does not have.
        calibration_error: expected calibration error of the judged pairs.
        none_recognised: share of `without` that got none of the labels.
    """

    pictures: int
    without: int
    labels: int
    pairs: int
    judged_pairs: int
    values: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class LabelFigures:
    """The figures of one label.

    present, absent: pictures that are known to have it, and not to have it. precision, recall, f1: at `threshold`, the
    one in use; recall and F1 are None if no picture has the label, precision is None if no picture got it.
    average_precision: None unless some pictures have the label and others do not. best_threshold: the one of these
    pictures with the best F1; None if no picture with the label was judged.
    """

    label: Label
    present: int
    absent: int
    precision: float | None
    recall: float | None
    f1: float | None
    average_precision: float | None
    threshold: float
    best_threshold: float | None


@dataclass(frozen=True, kw_only=True)
class LabelEvaluation:
    """The labels of the pictures of a dataset, measured. Pictures that failed are in no figure but `failed`.

    scores: of the other pictures, in their order. groups: metrics of the labels of a group, whose name is None for
    labels that have none; empty if the vocabulary has no groups. labels: figures of those that were annotated, in the
    order of the vocabulary. calibration: the one in use.
    """

    dataset: LabelDataset
    vocabulary: Vocabulary
    calibration: LabelCalibration
    scores: LabelScores
    metrics: LabelMetrics
    groups: Mapping[Name | None, LabelMetrics]
    labels: tuple[LabelFigures, ...]
    failed: tuple[Failed, ...]


@dataclass(frozen=True, kw_only=True)
class LabelFit:
    """A calibration, fitted on every other picture and tested on those in between, of which there are `tested`.

    f1_before, f1_after: micro F1 of the tested half with the calibration in use, and with this one. error_before,
    error_after: its expected calibration error.
    """

    calibration: LabelCalibration
    tested: int
    f1_before: float
    f1_after: float
    error_before: float
    error_after: float

    @property
    def is_better(self) -> bool:
        """Whether one of the two figures gains more than the other loses."""
        return (self.f1_after - self.f1_before) + (self.error_before - self.error_after) > 0
