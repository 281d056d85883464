"""A model on workers ranks, explains and labels as the same model in this process does."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from reranker.api import Reranker
from reranker.cluster.messages import Variant
from reranker.cluster.remote_model import RemoteModel
from reranker.cluster.scheduler import TRIES
from reranker.cluster.sources import CrossEncoderSource
from reranker.config.settings import Settings
from reranker.core.errors import WorkersEnded
from reranker.core.types import Candidate, Query, Ranking
from reranker.images.limits import Limits
from reranker.storage.calibrations import Calibration, CalibrationStore
from tests.support.paths import GALLERY
from tests.support.workers import WorkerHere, WorkersHere

CLOSE = 1e-5
QUERY, OTHER_QUERY = "一只 black cat 在窗台上", "a woman in a red dress"
SETTINGS = Settings.of(model="toybox", score_store_mb=0)


def source(**changes: object) -> CrossEncoderSource:
    usual = CrossEncoderSource(
        model="toybox",
        revision="",
        precision="fp32",
        scoring="yes-no",
        instruction="",
        visual_tokens=0,
        batch_tokens=500,
        feature_cache_mb=100,
        limits=Limits(),
    )
    return replace(usual, **changes)


def remote(workers: WorkersHere, calibrations: CalibrationStore | None = None) -> Reranker:
    model = RemoteModel(workers, Variant(source=workers.source.key), calibrations or CalibrationStore(None))
    return Reranker(scorer=model, settings=SETTINGS)


@pytest.fixture(scope="module")
def local() -> Reranker:
    return Reranker(settings=SETTINGS.override(precision="fp32"))


@pytest.fixture(scope="module")
def pictures() -> list[Path]:
    return sorted(path for path in GALLERY.iterdir() if path.suffix in (".jpg", ".png", ".webp"))


def assert_equal(ranking: Ranking, expected: Ranking) -> None:
    assert [each.candidate.name for each in ranking.scored] == [each.candidate.name for each in expected.scored]
    for each, other in zip(ranking.scored, expected.scored, strict=True):
        assert each.score.log_odds == pytest.approx(other.score.log_odds, abs=CLOSE)
        assert each.content_hash == other.content_hash
    assert ranking.fingerprint == expected.fingerprint
    assert ranking.temperature == expected.temperature


def test_pictures_rank_as_in_one_process_and_travel_once(local: Reranker, pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 2)
    reranker = remote(workers)
    assert_equal(reranker.rank(QUERY, pictures), local.rank(QUERY, pictures))
    first = {worker.name: worker.batches.copy() for worker in workers.all}
    assert all(first.values()), "both have worked"
    home = {each.image.key: name for name, batches in first.items() for batch in batches for each in batch.images}
    for worker in workers.all:
        worker.batches.clear()
    again = reranker.rank(OTHER_QUERY, pictures)
    assert_equal(again, local.rank(OTHER_QUERY, pictures))
    assert workers.stored == len(pictures), "the patches of each are stored once"
    assert all(each.score.cached for each in again.scored)
    sent = [(worker.name, each) for worker in workers.all for batch in worker.batches for each in batch.images]
    assert {each.image.key for _, each in sent} == set(home)
    at_home = [each.patches is None and home[each.image.key] == name for name, each in sent]
    assert sum(at_home) >= len(at_home) / 2, "an idle worker may have taken some of the last ones"


def test_workers_that_end_cost_nothing(local: Reranker, pictures: list[Path]) -> None:
    """Their pictures, also those whose features they had, go to others."""
    workers = WorkersHere(source(batch_tokens=150), 2)
    reranker = remote(workers)
    assert_equal(reranker.rank(QUERY, pictures), local.rank(QUERY, pictures))
    for worker in workers.all[:2]:
        worker.has_ended = True
    assert_equal(reranker.rank(OTHER_QUERY, pictures), local.rank(OTHER_QUERY, pictures))
    assert len(workers.all) == 4


def test_a_picture_that_ends_workers_fails_alone(local: Reranker, pictures: list[Path]) -> None:
    deadly = local.load().identify(Candidate.of(pictures[5])).key
    workers = WorkersHere(source(), 2, deadly=[deadly])
    ranking = remote(workers).rank(QUERY, pictures)
    (failed,) = ranking.failed
    assert (failed.position, type(failed.error), failed.error.name) == (5, WorkersEnded, pictures[5].name)
    others = [path for path in pictures if path != pictures[5]]
    expected = local.rank(QUERY, others)
    assert [each.candidate.name for each in ranking.scored] == [each.candidate.name for each in expected.scored]
    assert sum(worker.has_ended for worker in workers.all) == TRIES


def test_features_that_a_worker_has_dropped_are_computed_again(local: Reranker, pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 1)
    reranker = remote(workers)
    reranker.rank(QUERY, pictures)
    (worker,) = workers.all
    model = worker.device._models[workers.source.key]
    for key in list(model._cache._entries)[::2]:
        del model._cache._entries[key]
    assert_equal(reranker.rank(OTHER_QUERY, pictures), local.rank(OTHER_QUERY, pictures))
    assert workers.stored == len(pictures) + len(pictures) / 2


def test_a_worker_without_room_for_features_gets_the_patches_again(local: Reranker, pictures: list[Path]) -> None:
    workers = WorkersHere(source(feature_cache_mb=0), 1)
    reranker = remote(workers)
    for query in (QUERY, OTHER_QUERY):
        assert_equal(reranker.rank(query, pictures), local.rank(query, pictures))
    assert workers.stored == 2 * len(pictures)


def ends_at_each_query(workers: WorkersHere) -> Callable[[], None]:
    def end_one() -> None:
        next(worker for worker in workers.all if not worker.has_ended).has_ended = True

    return end_one


def test_why_a_picture_fits_is_as_in_one_process(local: Reranker, pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 2)
    reranker = remote(workers)
    expected, query = local.explain("a black cat on a window sill", pictures[0]), "a black cat on a window sill"
    for end_one in (lambda: None, ends_at_each_query(workers)):
        end_one()
        found = reranker.explain(query, pictures[0])
        assert [part.text for part in found.parts] == [part.text for part in expected.parts]
        for row, other in zip(found.where.drops, expected.where.drops, strict=True):
            assert row == pytest.approx(other, abs=CLOSE)
    rating, other = reranker.generate_rating(QUERY, pictures[0]), local.generate_rating(QUERY, pictures[0])
    assert (rating.text, rating.rating) == (other.text, pytest.approx(other.rating, abs=CLOSE))


def test_an_example_that_one_worker_knows_is_decoded_once_for_the_others(local: Reranker, pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 2)
    model = RemoteModel(workers, Variant(source=workers.source.key), CalibrationStore(None))
    query = local.query("", example=pictures[7])
    assert query.example is not None
    model.executor.encode([model.prepare(query.example)], "run").result()
    example, executor = model.prepare(query.example), model.executor
    other = next(worker.name for worker in workers.all if worker.name != example.home)
    images = [replace(model.prepare(model.identify(Candidate.of(path))), home=other) for path in pictures[:4]]
    stored = workers.stored
    for image in images:
        executor.submit(query, [image], "run", example).result()
    assert workers.stored - stored == 1


def test_pairs_texts_and_examples_are_scored_as_in_one_process(local: Reranker, pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 2)
    model, here = remote(workers).load(), local.load()
    candidates = [Candidate(name=path.name, source=path, text="a mug " * n) for n, path in enumerate(pictures[:4])]
    found, expected = [[each.prepare(each.identify(one)) for one in candidates] for each in (model, here)]
    assert [image.tokens for image in found] == [image.tokens for image in expected]
    assert [image.pixel_key for image in found] == [image.pixel_key for image in expected]
    example = local.query("", example=pictures[7])
    for query in (Query(text=QUERY), example):
        shown = [None if query.example is None else each.prepare(query.example) for each in (model, here)]
        scores = model.executor.submit(query, found, "a", shown[0]).result()
        others = local.torch_thread.run(lambda query=query, shown=shown: here.score(query, expected, "b", shown[1]))
        assert [each.log_odds for each in scores] == pytest.approx([each.log_odds for each in others], abs=CLOSE)
    queries = [Query(text=text) for text in ("a cat", "一只狗", "a tree", "a red dress")]
    scores = model.executor.submit_pairs(list(zip(queries, found, strict=True)), "c").result()
    pairs = list(zip(queries, expected, strict=True))
    others = local.torch_thread.run(partial(here.launch_pairs, pairs, "d"))()
    assert [each.log_odds for each in scores] == pytest.approx([each.log_odds for each in others], abs=CLOSE)


def test_images_that_were_encoded_stay_with_their_worker(pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 2)
    model = remote(workers).load()
    images = [model.prepare(model.identify(Candidate.of(path))) for path in pictures[:3]]
    encoded = model.executor.encode(images, "a").result()
    assert {image.home for image in encoded} == {encoded[0].home} != {None}
    assert model.prepare(model.identify(Candidate.of(pictures[0]))).home == encoded[0].home
    (home,) = [worker for worker in workers.all if worker.name == encoded[0].home]
    home.has_ended = True
    scores = model.executor.submit(Query(text=QUERY), encoded, "b").result()
    assert len(scores) == 3


def test_a_calibration_of_this_machine_shows_the_scores_of_workers(tmp_path: Path, pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 1)
    key, store = remote(workers).info.calibration_key, CalibrationStore(tmp_path)
    store.put(key, Calibration(temperature=2.5, relevance_threshold=6.0), {})
    info = remote(workers, store).info
    assert (info.temperature, info.relevance_threshold) == (2.5, 6.0)
    assert remote(workers, store).rank(QUERY, pictures[:2]).temperature == 2.5


def test_a_changed_file_is_no_longer_the_picture_that_a_worker_knows(tmp_path: Path, pictures: list[Path]) -> None:
    """It changes after it was hashed, and before another worker needs its pixels."""
    path = tmp_path / pictures[0].name
    path.write_bytes(pictures[0].read_bytes())
    workers = WorkersHere(source(), 1)
    model = remote(workers).load()
    model.executor.encode([model.prepare(model.identify(Candidate.of(path)))], "a").result()
    image = model.prepare(model.identify(Candidate.of(path)))
    path.write_bytes(pictures[1].read_bytes())
    workers.all[0].has_ended = True
    error = model.executor.submit(Query(text=QUERY), [image], "b").exception()
    assert (type(error).__name__, error.reason) == ("PictureUnscored", "the file has changed")


def test_an_error_of_a_model_is_that_of_its_batch(pictures: list[Path]) -> None:
    workers = WorkersHere(source(), 1)
    model = remote(workers).load()
    images = [model.prepare(model.identify(Candidate.of(path))) for path in pictures[:2]]
    (worker,) = workers.all
    assert isinstance(worker, WorkerHere)
    worker.device._executors[Variant(source=workers.source.key)][0]._method.run = None
    error = model.executor.submit(Query(text=QUERY), images, "a").exception()
    assert (type(error).__name__, error.reason) == ("PictureUnscored", "TypeError")
