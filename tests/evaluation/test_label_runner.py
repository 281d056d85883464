"""The pictures of a dataset are labelled in order, and what is found stands beside what is known."""

import numpy as np
import pytest

from reranker import Query, Reranker, Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureUnreadable
from reranker.core.types import Candidate, Failed
from reranker.evaluation.label_datasets.types import AnnotatedPicture, LabelDataset
from reranker.evaluation.label_results import LabelEvaluation
from reranker.evaluation.label_runner import LabelProgress, evaluate_labels_stream
from reranker.tagger import Tagger
from tests.support.label_datasets import VOCABULARY
from tests.support.scripted_scorer import ScriptedScorer, content_of

KEYS = [label.key for label in VOCABULARY]


def judge(query: Query, content: bytes) -> float:
    return 3.0 if query.text.encode() in content.split(b",") else -3.0


def read(candidate: Candidate) -> bytes:
    if candidate.name == "broken":
        raise PictureUnreadable(name=candidate.name, reason="damaged")
    return content_of(candidate)


def picture(name: str, content: bytes, present: set[str], absent: set[str]) -> AnnotatedPicture:
    return AnnotatedPicture(name=name, source=content, present=frozenset(present), absent=frozenset(absent))


PICTURES = (
    picture("first", b"dog", {"dog", "animal"}, {"car"}),
    picture("broken", b"x", {"car"}, {"dog"}),
    picture("last", b"car", set(), {"car", "cat", "black cat"}),
)


@pytest.fixture
def tagger() -> Tagger:
    settings = Settings.of(model="toybox", score_store_mb=0)
    reranker = Reranker(settings=settings, scorer=ScriptedScorer(judge=judge, read=read))
    return Tagger(VOCABULARY, encoder="none", reranker=reranker)


def evaluated(tagger: Tagger, *pictures: AnnotatedPicture) -> tuple[list[LabelProgress], LabelEvaluation]:
    *progress, evaluation = evaluate_labels_stream(LabelDataset(name="test", pictures=pictures), tagger)
    return progress, evaluation


def names(row: np.ndarray) -> set[str]:
    return {key for key, is_set in zip(KEYS, row, strict=True) if is_set}


def test_what_is_found_stands_beside_what_is_known(tagger: Tagger) -> None:
    progress, evaluation = evaluated(tagger, *PICTURES)
    assert [(each.done, each.total) for each in progress] == [(1, 3), (2, 3), (3, 3)]
    assert [isinstance(each.result, Failed) for each in progress] == [False, True, False]
    assert [each.candidate.name for each in evaluation.failed] == ["broken"]
    scores = evaluation.scores
    assert [names(row) for row in scores.chosen] == [{"dog", "animal"}, {"car"}]
    assert [names(row) for row in scores.present] == [{"dog", "animal"}, set()]
    assert [names(row) for row in scores.absent] == [{"car"}, {"car", "cat", "black cat"}]
    assert not np.isnan(scores.confidences).any()
    assert evaluation.metrics.pairs == 6
    assert evaluation.metrics.values["micro_precision"].value == pytest.approx(2 / 3)
    assert evaluation.metrics.values["none_recognised"].value == 0.0
    assert [each.label.key for each in evaluation.labels] == ["animal", "dog", "cat", "black cat", "car"]


def test_any_order_of_pictures_gives_the_same_figures(tagger: Tagger) -> None:
    _, first = evaluated(tagger, *PICTURES)
    _, second = evaluated(tagger, *reversed(PICTURES))
    assert {name: each.value for name, each in first.metrics.values.items()} == {
        name: each.value for name, each in second.metrics.values.items()
    }
    assert first.labels == second.labels


def test_without_a_judged_picture_there_is_no_evaluation(tagger: Tagger) -> None:
    results = list(evaluate_labels_stream(LabelDataset(name="test", pictures=PICTURES[1:2]), tagger))
    assert [type(each) for each in results] == [LabelProgress]


def test_a_cancelled_evaluation_ends_without_one(tagger: Tagger) -> None:
    cancellation, results = Cancellation(), []
    for each in evaluate_labels_stream(LabelDataset(name="test", pictures=PICTURES), tagger, cancellation):
        results.append(each)
        cancellation.cancel()
    assert [each.done for each in results] == [1]
