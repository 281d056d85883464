"""The built-in models label scenes that they have not seen as well as they are said to."""

import pytest

from reranker import Reranker, Settings
from reranker.evaluation.label_datasets.loading import open_label_dataset
from reranker.evaluation.label_results import LabelEvaluation
from reranker.evaluation.label_runner import evaluate_labels_stream
from reranker.tagger import Tagger


def evaluate(spec: str, **options: object) -> LabelEvaluation:
    reranker = Reranker(settings=Settings.of(model="toybox", precision="fp32", score_store_mb=0))
    tagger = Tagger("toybox", reranker=reranker, **options)
    *_, evaluation = evaluate_labels_stream(open_label_dataset(spec, tagger.vocabulary), tagger)
    assert isinstance(evaluation, LabelEvaluation)
    return evaluation


@pytest.mark.extended
def test_the_minimums_hold_on_unseen_scenes() -> None:
    two_stages, all_labels = evaluate("toybox:300:0"), evaluate("toybox:80:1", encoder="none")
    f1 = {group.en: each.values["micro_f1"].value for group, each in two_stages.groups.items() if group}
    assert f1["things"] >= 0.95
    assert f1["places"] >= 0.95
    assert f1["colours of things"] >= 0.90
    assert two_stages.metrics.values["calibration_error"].value <= 0.03
    assert all_labels.metrics.values["mean_average_precision"].value >= 0.97
    assert all_labels.metrics.values["calibration_error"].value <= 0.03
