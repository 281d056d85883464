"""Each picture gets its labels, or its own reason; scores are stored; who proposes and who judges can be left out."""

from pathlib import Path

import numpy as np
import pytest

from reranker.core.cancellation import Cancellation
from reranker.core.errors import DeviceFailed, PictureMissing, PictureSkipped, PictureUnreadable, PictureUnscored
from reranker.core.types import Candidate, Failed, LabelCalibration, Query
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.scoring_run import ScoringEngine
from reranker.engine.torch_thread import TorchThread
from reranker.images.limits import Limits
from reranker.models.dual_encoders.encoder import load_encoder
from reranker.pipelines.label_proposals import LabelProposals, label_vectors
from reranker.pipelines.tag import Tagged, TaggingRun, TagOptions, chosen_labels
from reranker.storage.score_store import SqliteScoreStore
from reranker.vocabulary.labels import Label, Name, Vocabulary
from tests.support.decoding_pools import decoding_pool
from tests.support.dual_encoders import siglip_folder
from tests.support.numbered_pictures import numbered_gallery
from tests.support.scripted_scorer import ScriptedScorer, pictures

WORDS = Vocabulary(
    name="words",
    labels=(
        Label(name=Name(en="animal", zh="动物")),
        Label(name=Name(en="cat", zh="猫"), parent="animal"),
        Label(name=Name(en="dog", zh="狗"), parent="animal"),
        Label(name=Name(en="car", zh="车")),
    ),
)


@pytest.fixture(scope="module")
def pool():
    with decoding_pool() as opened:
        yield opened


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory):
    return load_encoder(str(siglip_folder(tmp_path_factory.mktemp("siglip"), 1)), "cpu", "fp32")


def named(query: Query, content: bytes) -> float:
    """Return 3 if the picture spells the query, else -3."""
    return 3.0 if query.text.encode() in content.split() else -3.0


def engine_of(scorer: ScriptedScorer, store: SqliteScoreStore | None = None) -> ScoringEngine:
    executor = LocalExecutor(scorer, TorchThread())
    return ScoringEngine(preprocessor=scorer, executor=executor, device_queue=DeviceQueue(), store=store)


def run_of(scorer: ScriptedScorer | None, pool, store=None, proposals=None, **options: object) -> TaggingRun:
    engine = None if scorer is None else engine_of(scorer, store)
    return TaggingRun(WORDS, TagOptions(**options), engine=engine, proposals=proposals, limits=Limits(), pool=pool)


def keys(tagged: Tagged | Failed) -> list[str]:
    assert isinstance(tagged, Tagged)
    return [each.label.key for each in tagged.labels]


def test_every_picture_gets_its_labels_with_their_parents_in_order(pool) -> None:
    contents = ["cat", "dog cat", "car", "tree", *("cat" if n % 3 else "car" for n in range(40))]
    results = list(run_of(ScriptedScorer(judge=named, batch_tokens=1000), pool).run(pictures(contents)))
    assert [each.position for each in results] == list(range(len(contents)))
    assert [set(keys(each)) for each in results[:4]] == [{"cat", "animal"}, {"cat", "dog", "animal"}, {"car"}, set()]
    assert all(set(keys(each)) >= set(content.split()) for each, content in zip(results[4:], contents[4:], strict=True))


def test_labels_are_asked_in_english_if_they_have_an_english_name(pool) -> None:
    scorer = ScriptedScorer(judge=named, batch_tokens=1000)
    words = Vocabulary(name="words", labels=(Label(name=Name(en="cat", zh="猫")), Label(name=Name(zh="狗"))))
    run = TaggingRun(words, TagOptions(), engine=engine_of(scorer), proposals=None, limits=Limits(), pool=pool)
    assert [keys(each) for each in run.run(pictures(["猫", "cat", "狗"]))] == [[], ["cat"], ["狗"]]


def test_a_picture_that_fails_costs_itself_only(pool, tmp_path: Path) -> None:
    def judge(query: Query, content: bytes) -> float:
        if content == b"bad":
            raise RuntimeError("kernel")
        return named(query, content)

    candidates = pictures(["cat", "bad", "car"])
    candidates.insert(1, Candidate(name="gone", source=tmp_path / "gone.png"))
    results = list(run_of(ScriptedScorer(judge=judge, batch_tokens=1000), pool).run(candidates))
    assert [type(each) for each in results] == [Tagged, Failed, Failed, Tagged]
    assert [type(each.error) for each in results if isinstance(each, Failed)] == [PictureMissing, PictureUnscored]
    assert [each.error.name for each in results if isinstance(each, Failed)] == ["gone", "1"]


def test_a_device_that_fails_ends_the_run(pool) -> None:
    def judge(query: Query, content: bytes) -> float:
        raise DeviceFailed

    with pytest.raises(DeviceFailed):
        list(run_of(ScriptedScorer(judge=judge), pool).run(pictures(["cat"] * 30)))


def test_pictures_after_a_cancellation_are_skipped(pool) -> None:
    stop, results = Cancellation(), []
    for each in run_of(ScriptedScorer(judge=named), pool).run(pictures(["cat"] * 50), stop):
        results.append(each)
        stop.cancel()
    assert len(results) == 50
    assert isinstance(results[0], Tagged)
    assert all(isinstance(each.error, PictureSkipped) for each in results[3:])


def test_a_stream_that_is_left_gives_its_slot_back(pool) -> None:
    run = run_of(ScriptedScorer(judge=named), pool)
    stream = run.run(pictures(["cat"] * 50))
    next(stream)
    stream.close()
    assert len(list(run.run(pictures(["cat"])))) == 1


def test_scores_are_stored_and_shared_by_equal_pixels(pool, tmp_path: Path) -> None:
    scorer, store = ScriptedScorer(judge=named, batch_tokens=1000), SqliteScoreStore(tmp_path / "s.sqlite", 10**7)
    first = list(run_of(scorer, pool, store).run(pictures(["cat", "dog"])))
    count = len(scorer.batches)
    again = list(run_of(scorer, pool, store).run(pictures(["cat", " cat", "dog"])))
    assert len(scorer.batches) == count  # " cat" has the pixels of "cat"
    assert [each.labels for each in again] == [first[0].labels, first[0].labels, first[1].labels]
    assert store.get(scorer.identify(pictures([" cat"])[0]).key, Query(text="cat"), "scripted") is not None


class Aimed:
    """A dual encoder in which the label with the number that a picture spells is nearest."""

    judges_alone = True

    def __init__(self, encoder) -> None:
        self.info = encoder.info


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_only_the_proposed_labels_are_judged(pool, encoder, tmp_path: Path, count: int) -> None:
    gallery = numbered_gallery(tmp_path / "pictures", 1, 2, 3)
    candidates = [Candidate.of(path) for path in sorted(gallery.iterdir())]
    vectors = label_vectors(WORDS, encoder, tmp_path / "vectors")
    proposals = LabelProposals(encoder=encoder, vectors=vectors, run=lambda call: call(), count=count)
    scorer = ScriptedScorer(judge=lambda query, content: 3.0, batch_tokens=10_000)
    results = list(run_of(scorer, pool, proposals=proposals).run(candidates))
    assert [len(batch) for batch in scorer.batches] == [min(count, 4)] * 3
    assert all(len(each.confidences) >= min(count, 4) for each in results)


def test_a_known_vector_saves_the_decoding(pool, encoder, tmp_path: Path) -> None:
    vectors = label_vectors(WORDS, encoder, tmp_path / "vectors")
    asked: list[str] = []

    def known(content_hash: str):
        asked.append(content_hash)
        return vectors[3]

    proposals = LabelProposals(encoder=encoder, vectors=vectors, run=lambda call: call(), known_vector=known, count=1)
    scorer = ScriptedScorer(judge=lambda query, content: 3.0)
    (tagged,) = run_of(scorer, pool, proposals=proposals).run(pictures(["no picture at all"]))
    assert keys(tagged) == ["car"]
    assert asked == [tagged.content_hash]


def test_without_a_cross_encoder_the_dual_encoder_is_believed(pool, encoder, tmp_path: Path) -> None:
    gallery = numbered_gallery(tmp_path / "pictures", 1, 2)
    (tmp_path / "pictures" / "text.png").write_bytes(b"no picture")
    candidates = [Candidate.of(path) for path in sorted(gallery.iterdir())]
    vectors = label_vectors(WORDS, encoder, tmp_path / "vectors")
    proposals = LabelProposals(encoder=encoder, vectors=vectors, run=lambda call: call())
    *tagged, failed = run_of(None, pool, proposals=proposals, threshold=0.0).run(candidates)
    assert [len(each.labels) for each in tagged] == [4, 4]
    assert isinstance(failed.error, PictureUnreadable)
    expected = proposals.probabilities(encoder.encode_images([pixels_of(candidates[0], pool, encoder)])[0])
    assert tagged[0].confidences["car"] == pytest.approx(float(expected[3]), abs=1e-5)


def pixels_of(candidate: Candidate, pool, encoder) -> np.ndarray:
    px = encoder.info.image_px
    return pool.square(candidate.source.read_bytes(), "picture", Limits(), px)[0]


def test_label_vectors_are_kept_for_their_encoder_and_vocabulary(encoder, tmp_path: Path) -> None:
    first = label_vectors(WORDS, encoder, tmp_path)
    (file,) = tmp_path.iterdir()
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    file.write_bytes(b"damaged")
    assert np.array_equal(label_vectors(WORDS, encoder, tmp_path), first)
    np.save(file, first * 2, allow_pickle=False)
    assert np.array_equal(label_vectors(WORDS, encoder, tmp_path), first * 2)  # it is read
    label_vectors(Vocabulary(name="fewer", labels=WORDS.labels[:1]), encoder, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (TagOptions(), ["cat", "animal"]),
        (TagOptions(threshold=0.2), ["cat", "animal", "car"]),
        (TagOptions(threshold=0.95), []),
        (TagOptions(top_k=1), ["cat"]),
    ],
)
def test_a_label_has_its_own_threshold_unless_one_is_given(options: TagOptions, expected: list[str]) -> None:
    calibration = LabelCalibration(slope=1, intercept=0, threshold=0.2, thresholds=(("car", 0.5), ("dog", 0.4)))
    confidences = {"cat": 0.9, "animal": 0.9, "car": 0.3, "dog": 0.1}
    assert [each.label.key for each in chosen_labels(WORDS, confidences, calibration, options)] == expected


def test_a_label_brings_its_parent_whatever_the_thresholds() -> None:
    calibration = LabelCalibration(slope=1, intercept=0, threshold=0.5, thresholds=(("animal", 0.99),))
    chosen = chosen_labels(WORDS, {"cat": 0.6, "animal": 0.6}, calibration, TagOptions())
    assert [each.label.key for each in chosen] == ["cat", "animal"]
