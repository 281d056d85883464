"""`Tagger` labels the sample gallery with the built-in models, in both languages, and refuses what is wrong."""

from pathlib import Path

import pytest

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointNotDownloaded, FilterInvalid, VocabularyMissing
from reranker.core.types import LabelCalibration
from reranker.pipelines.tag import Tagged
from reranker.tagger import Tagger
from reranker.vocabulary.label_files import load_vocabulary, vocabulary_of
from reranker.vocabulary.labels import Vocabulary
from tests.support.paths import GALLERY
from tests.support.scripted_scorer import ScriptedScorer

SHOWN = {
    "black_cat_grass.png": {"cat", "black cat", "a meadow"},
    "boat_and_fish.png": {"boat", "fish", "the sea"},
    "dog_left_of_tree.png": {"dog", "tree", "green tree"},
    "four_yellow_balls.png": {"ball", "yellow ball"},
}
BOTH = load_vocabulary("toybox")


def in_one_language(language: str) -> Vocabulary:
    names = [label.name.written(language) for label in BOTH]
    return vocabulary_of(names)


@pytest.fixture(scope="module")
def reranker() -> Reranker:
    return Reranker(settings=Settings.of(model="toybox", score_store_mb=0))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("encoder", ["auto", "none"])
def test_the_gallery_gets_its_labels(reranker: Reranker, language: str, encoder: str) -> None:
    tagger = Tagger(in_one_language(language), encoder=encoder, reranker=reranker)
    for tagged in tagger.tag([GALLERY / name for name in SHOWN]):
        assert isinstance(tagged, Tagged)
        shown = {BOTH.find(each.label.key).key for each in tagged.labels}
        assert shown >= SHOWN[tagged.candidate.name]
        assert all(0 <= each.confidence <= 1 for each in tagged.labels)


def test_the_dual_encoder_alone_gives_labels(reranker: Reranker) -> None:
    tagger = Tagger(rerank=False, threshold=0.0, top_k=8, reranker=reranker)
    (tagged,) = tagger.tag([GALLERY / "black_cat_grass.png"])
    assert not tagger.is_relative
    assert "black cat" in {each.label.key for each in tagged.labels}


def test_absent_labels_are_not_recognised(reranker: Reranker) -> None:
    tagger = Tagger(vocabulary_of(["fire truck", "umbrella", "a desert"]), reranker=reranker)
    (tagged,) = tagger.tag([GALLERY / "black_cat_grass.png"])
    assert tagged.labels == ()
    assert set(tagged.confidences) == {"fire truck", "umbrella", "a desert"}


def test_groups_limit_the_labels(reranker: Reranker) -> None:
    tagger = Tagger(groups=["places"], reranker=reranker)
    (tagged,) = tagger.tag([GALLERY / "black_cat_grass.png"])
    assert {each.label.key for each in tagged.labels} == {"a meadow"}


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 1.5},
        {"threshold": float("nan")},
        {"top_k": 0},
        {"top_k": True},
        {"proposed": 0},
        {"groups": ["fruit"]},
        {"encoder": "none", "rerank": False},
    ],
)
def test_wrong_values_are_refused(reranker: Reranker, options: dict[str, object]) -> None:
    with pytest.raises(FilterInvalid):
        Tagger(reranker=reranker, **options)


def test_a_missing_file_of_labels_is_refused(reranker: Reranker, tmp_path: Path) -> None:
    with pytest.raises(VocabularyMissing):
        Tagger(tmp_path / "labels.txt", reranker=reranker)


def test_photographs_need_a_dual_encoder_unless_the_labels_are_few() -> None:
    reranker = Reranker(settings=Settings.of(model="lychee"), scorer=ScriptedScorer())
    with pytest.raises(CheckpointNotDownloaded):
        _ = Tagger("general", reranker=reranker).encoder_name
    assert Tagger("aerial", reranker=reranker).encoder_name is None
    assert len(Tagger(reranker=reranker).vocabulary) > 1000  # not those of the toybox


def test_the_calibration_is_that_of_the_checkpoint(reranker: Reranker) -> None:
    calibration = Tagger(reranker=reranker).calibration
    assert isinstance(calibration, LabelCalibration)
    assert calibration.is_valid
    assert calibration != LabelCalibration(slope=1, intercept=0, threshold=0.5)
