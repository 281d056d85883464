"""The files and tables of an evaluation of labels: what other programs and people read."""

import csv
import json
from io import StringIO

import numpy as np
import pytest

from reranker.core.errors import PictureMissing
from reranker.core.types import Candidate, Failed, LabelCalibration
from reranker.evaluation.label_datasets.types import AnnotatedPicture, LabelDataset
from reranker.evaluation.label_metrics import ResampledMetrics
from reranker.evaluation.label_output_files import as_csv, as_json
from reranker.evaluation.label_results import LabelEvaluation, LabelFit, LabelScores
from reranker.evaluation.label_text_table import as_label_table, judged_by_text, lowest_f1
from reranker.vocabulary.label_files import vocabulary_of
from reranker.vocabulary.labels import Vocabulary
from tests.support.label_datasets import VOCABULARY

CALIBRATION = LabelCalibration(slope=2.0, intercept=-1.0, threshold=0.4, thresholds=(("car", 0.6),))
JUDGED_BY = {
    "model": "toybox",
    "precision": "fp32",
    "scoring": "yes-no",
    "rerank": True,
    "encoder": "siglip2",
    "candidates": 20,
}
FAILED = tuple(
    Failed(position=number, candidate=Candidate(name=f"{number}.png", source=b""), error=PictureMissing(name="x.png"))
    for number in range(12)
)


def evaluation_of(
    confidences: object, present: object, vocabulary: Vocabulary = VOCABULARY, failed: tuple[Failed, ...] = ()
) -> LabelEvaluation:
    values, known = np.array(confidences, float), np.array(present, bool)
    scores = LabelScores(confidences=values, chosen=values >= 0.4, present=known, absent=~known)
    picture = AnnotatedPicture(name="a.png", source=b"", present=frozenset(), absent=frozenset())
    metrics = ResampledMetrics(scores, vocabulary)
    return LabelEvaluation(
        dataset=LabelDataset(
            name="photos", pictures=(picture,) * len(values), unknown_categories=("unicorn",), missing_pictures=2
        ),
        vocabulary=vocabulary,
        calibration=CALIBRATION,
        scores=scores,
        metrics=metrics.overall(),
        groups=metrics.by_group(),
        labels=metrics.by_label(CALIBRATION),
        failed=failed,
    )


@pytest.fixture(scope="module")
def evaluation() -> LabelEvaluation:
    rng = np.random.default_rng(0)
    present = rng.random((30, 6)) < 0.4
    return evaluation_of(np.clip(0.5 * present + rng.uniform(0, 0.6, (30, 6)), 0, 1), present, failed=FAILED)


def test_json_has_all_digits_and_settings(evaluation: LabelEvaluation) -> None:
    fit = LabelFit(
        calibration=CALIBRATION, tested=15, f1_before=0.5, f1_after=0.75, error_before=0.125, error_after=0.25
    )
    found = json.loads(as_json(evaluation, JUDGED_BY, fit))
    assert found["metrics"]["micro_f1"] == evaluation.metrics.values["micro_f1"].value
    assert found["judged_by"] == JUDGED_BY
    assert found["calibration"] == {"slope": 2.0, "intercept": -1.0, "threshold": 0.4, "thresholds": {"car": 0.6}}
    assert (found["unknown_categories"], found["missing_pictures"], len(found["failed"])) == (["unicorn"], 2, 12)
    assert {each["group"]: each["labels"] for each in found["groups"]} == {"animals": 4, "vehicles": 2}
    assert (found["fit"]["f1_after"], found["fit"]["is_better"]) == (0.75, True)
    assert json.loads(as_json(evaluation, JUDGED_BY))["fit"] is None


def test_csv_has_the_same_figures_a_label_a_line(evaluation: LabelEvaluation) -> None:
    rows = list(csv.DictReader(StringIO(as_csv(evaluation).removeprefix("\ufeff"), newline="")))
    objects = json.loads(as_json(evaluation, JUDGED_BY))["labels"]
    assert [row["label"] for row in rows] == [label.key for label in VOCABULARY]
    for row, each in zip(rows, objects, strict=True):
        assert {name: float(row[name]) for name in ("f1", "threshold", "best_threshold")} == {
            name: each[name] for name in ("f1", "threshold", "best_threshold")
        }


def test_the_table_has_metrics_groups_labels_and_what_failed(evaluation: LabelEvaluation) -> None:
    table = as_label_table(evaluation, JUDGED_BY)
    assert table.startswith(
        "photos: 30 pictures (12 failed); 6 labels of “test”, of which 6 occur; 180 pairs are known"
    )
    assert "judged by toybox fp32 yes-no, 20 labels a picture, proposed by siglip2; labels count from 0.40" in table
    blocks = table.split("\n\n")
    assert [len(block.splitlines()) for block in blocks] == [2, 10, 3, 7, 11]
    assert blocks[4].splitlines()[-1] == "failed: 2 more"
    widths = {len(line) for line in blocks[2].splitlines()}
    assert len(widths) == 1


def test_labels_without_a_picture_are_not_among_the_lowest() -> None:
    names = [f"label {number:02}" for number in range(14)]
    confidences = np.full((4, 14), 0.9)
    present = np.ones((4, 14), bool)
    present[1:, :12] = np.arange(12) % 3 != 0
    present[:, 13] = False
    figures = evaluation_of(confidences, present, vocabulary_of(names)).labels
    lowest = lowest_f1(figures)
    assert [each.label.key for each in lowest[:4]] == ["label 00", "label 03", "label 06", "label 09"]
    assert len(lowest) == 10
    assert "label 13" not in {each.label.key for each in lowest_f1(figures)}


def test_metrics_that_are_not_defined_are_left_out() -> None:
    table = as_label_table(evaluation_of([[0.1, 0.2]], [[0, 0]], vocabulary_of(["dog", "cat"])), JUDGED_BY)
    assert "recall" not in table
    assert "mAP" not in table
    assert "nothing found where nothing is (1)" in table


def test_who_judged_is_said_in_a_line() -> None:
    assert judged_by_text({**JUDGED_BY, "encoder": None}) == "judged by toybox fp32 yes-no, all labels"
    assert judged_by_text({"rerank": False, "encoder": "siglip2"}) == "judged by siglip2 alone"


def test_chinese_names_take_two_cells_a_character() -> None:
    table = as_label_table(evaluation_of([[0.1, 0.9]], [[1, 1]], vocabulary_of(["黑色的猫", "cat"])), JUDGED_BY)
    chinese, english = table.rstrip("\n").splitlines()[-2:]
    assert len(chinese) + 4 == len(english)
