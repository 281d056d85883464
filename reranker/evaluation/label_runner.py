"""Label the pictures of an annotated dataset, and measure how right the labels are."""

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np

from reranker.core.cancellation import Cancellation
from reranker.core.types import Candidate, Failed
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.evaluation.label_metrics import ResampledMetrics
from reranker.evaluation.label_results import LabelEvaluation, LabelScores
from reranker.pipelines.tag import Tagged
from reranker.tagger import Tagger
from reranker.vocabulary.labels import Vocabulary


@dataclass(frozen=True, kw_only=True)
class LabelProgress:
    """A picture was judged, or has failed. done, total: pictures."""

    result: Tagged | Failed
    done: int
    total: int


@dataclass(kw_only=True)
class _Found:
    """What was found so far. is_done: of each picture, whether it was judged."""

    scores: LabelScores
    columns: dict[str, int]
    is_done: list[bool]
    failed: list[Failed] = field(default_factory=list)

    @classmethod
    def nothing(cls, dataset: LabelDataset, vocabulary: Vocabulary) -> "_Found":
        """Return what is known of the pictures, before anything is found."""
        shape, columns = (len(dataset.pictures), len(vocabulary)), {}
        for column, label in enumerate(vocabulary):
            columns[label.key] = column
        scores = LabelScores(
            confidences=np.full(shape, np.nan),
            chosen=np.zeros(shape, bool),
            present=np.zeros(shape, bool),
            absent=np.zeros(shape, bool),
        )
        for row, picture in enumerate(dataset.pictures):
            scores.present[row, [columns[key] for key in picture.present]] = True
            scores.absent[row, [columns[key] for key in picture.absent]] = True
        return cls(scores=scores, columns=columns, is_done=[False] * shape[0])

    def add(self, result: Tagged | Failed) -> None:
        if isinstance(result, Failed):
            self.failed.append(result)
            return
        row = result.position
        self.is_done[row] = True
        self.scores.confidences[row, [self.columns[key] for key in result.confidences]] = list(
            result.confidences.values()
        )
        self.scores.chosen[row, [self.columns[each.label.key] for each in result.labels]] = True

    def judged(self) -> LabelScores:
        return self.scores.of(np.array(self.is_done, bool))


def evaluate_labels_stream(
    dataset: LabelDataset, tagger: Tagger, cancellation: Cancellation | None = None
) -> Generator[LabelProgress | LabelEvaluation, None, None]:
    """Yield the progress after each picture, and at last the evaluation; not that if no picture could be judged.

    cancellation: once cancelled, nothing more comes out. Raises as `Tagger` does.
    """
    found = _Found.nothing(dataset, tagger.vocabulary)
    candidates = [Candidate(name=picture.name, source=picture.source) for picture in dataset.pictures]
    for done, result in enumerate(tagger.tag_stream(candidates, cancellation), start=1):
        if cancellation is not None and cancellation.cancelled:
            return
        found.add(result)
        yield LabelProgress(result=result, done=done, total=len(candidates))
    if any(found.is_done):
        scores, calibration = found.judged(), tagger.calibration
        metrics = ResampledMetrics(scores, tagger.vocabulary)
        yield LabelEvaluation(
            dataset=dataset,
            vocabulary=tagger.vocabulary,
            calibration=calibration,
            scores=scores,
            metrics=metrics.overall(),
            groups=metrics.by_group(),
            labels=metrics.by_label(calibration),
            failed=tuple(found.failed),
        )
