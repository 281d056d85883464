"""Queries with a picture: read, decoded and encoded once, counted in every batch, and an error of the whole request."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reranker import Candidate, Reranker, Scored, Settings
from reranker.core.errors import (
    ExampleUnreadable,
    ExampleUnsupported,
    PictureBeyondContext,
    PictureFileTooLarge,
    PictureMissing,
    PictureOutOfMemory,
    PictureUnreadable,
    PictureUnscored,
    QueryEmpty,
)
from reranker.core.types import EncodedPicture
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.preparation import PreparedImage
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint
from reranker.models.scoring import prompt_cache
from tests.support import paths
from tests.support.scripted_scorer import ScriptedScorer, likeness, pictures

GALLERY = sorted(paths.GALLERY.glob("*.png"))
MEGABYTE = 1_000_000


def scripted(scorer: ScriptedScorer, **chosen: object) -> Reranker:
    return Reranker(settings=Settings.of(score_store_mb=0, **chosen), scorer=scorer)


# With a scorer whose answers are arithmetic


def test_pictures_are_ranked_by_an_example_without_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "like this.png").write_bytes(b"4")
    reranker = scripted(ScriptedScorer(judge=likeness))
    for example in (b"4", tmp_path / "like this.png", Candidate(name="a title does not count", source=b"4", text="x")):
        ranking = reranker.rank(reranker.query(" ", example=example), pictures([1, 9, 5]))
        assert [scored.candidate.source for scored in ranking.scored] == [b"5", b"1", b"9"]
        assert ranking.query.text == ""


def test_an_example_is_a_value_with_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "one.png"
    file.write_bytes(b"1")
    reranker = scripted(ScriptedScorer(judge=likeness))
    query = reranker.query("a", example=file)
    assert query == reranker.query("a", example=file) != reranker.query("a")
    assert {query: 1}[reranker.query("a", example=file)] == 1
    file.unlink()
    assert reranker.rank(query, pictures([1])).scored[0].score.log_odds == 0


def test_nothing_is_an_empty_query_still() -> None:
    with pytest.raises(QueryEmpty):
        scripted(ScriptedScorer()).query(" ", example=None)


def test_an_example_that_cannot_be_read_is_an_error_of_the_request_before_the_model_is_loaded(tmp_path: Path) -> None:
    reranker = Reranker("no such model", settings=Settings.of(max_picture_mb=1))
    for example, error in (
        (tmp_path / "gone.png", PictureMissing),
        (tmp_path, PictureMissing),
        (b"x" * (MEGABYTE + 1), PictureFileTooLarge),
    ):
        with pytest.raises(ExampleUnreadable) as caught:
            reranker.query("a", example=example)
        assert isinstance(caught.value.error, error)


@pytest.mark.parametrize("error", [PictureUnreadable(name="", reason="damaged"), ValueError()])
def test_an_example_that_cannot_be_decoded_ends_the_run_without_any_event(error: Exception) -> None:
    def read(candidate: Candidate) -> bytes:
        if candidate.name == "broken.png":
            raise error
        return b"1"

    reranker = scripted(ScriptedScorer(read=read))
    query = reranker.query("a", example=Candidate(name="broken.png", source=b"1"))
    stream = reranker.rank_stream(query, pictures(range(9)))
    with pytest.raises(ExampleUnreadable) as caught:
        next(stream)
    expected = PictureUnreadable if isinstance(error, PictureUnreadable) else PictureUnscored
    assert isinstance(caught.value.error, expected)
    assert caught.value.error.name == "broken.png"
    assert list(stream) == []


def test_an_example_is_not_even_decoded_if_all_scores_are_stored() -> None:
    for scorer in (ScriptedScorer(judge=likeness), ScriptedScorer(judge=likeness)):
        reranker = Reranker(scorer=scorer)
        query = reranker.query("", example=Candidate(name="example.png", source=b"2"))
        assert len(reranker.rank(query, pictures([1, 2, 3])).scored) == 3
    assert scorer.read_names == []


def test_queries_of_one_example_are_ranked_together() -> None:
    reranker = scripted(ScriptedScorer(judge=likeness))
    queries = [reranker.query(text, example=b"4") for text in ("a", "b")]
    rankings = reranker.rank_each(queries, pictures([1, 9, 5]))
    assert [ranking.query for ranking in rankings] == queries
    assert all(ranking.scored[0].candidate.source == b"5" for ranking in rankings)


def test_a_map_is_explained_with_the_example() -> None:
    reranker = scripted(ScriptedScorer(judge=likeness))
    explanation = reranker.explain(reranker.query("a dog", example=b"4"), b"1.5")
    assert explanation.score.log_odds == -2.5
    assert explanation.where.drops[0] == pytest.approx((0, -0.01, -0.02))


@pytest.mark.parametrize("ask", [Reranker.rank, Reranker.explain, Reranker.generate_rating])
def test_a_model_that_knows_no_examples_refuses_them_before_anything_is_read(ask: Callable[..., object]) -> None:
    scorer = ScriptedScorer().with_info(takes_example=False, model="mine")
    reranker = scripted(scorer)
    query = reranker.query("a", example=b"4")
    with pytest.raises(ExampleUnsupported) as caught:
        ask(reranker, query, [b"1"] if ask is Reranker.rank else b"1")
    assert caught.value.model == "mine"
    with pytest.raises(ExampleUnsupported):
        reranker.rank_each(["a", query], [b"1"])
    assert scorer.read_names == []
    assert len(reranker.rank("a", [b"1"]).scored) == 1


def test_the_toybox_says_that_it_knows_none() -> None:
    assert not Reranker("toybox").info.takes_example


# With the toybox, which runs examples as any model does, but was not trained with them


@pytest.fixture
def checkpoint(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, takes_example=True)


class Towers:
    """The images that go through the vision tower, and the prefixes that go through the language tower."""

    def __init__(self, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        self.encoded, self.prefilled = 0, 0
        model = checkpoint.model
        encode_images, prefill = model.encode_images, model.prefill

        def counted_images(images):
            self.encoded += len(images)
            return encode_images(images)

        def counted_prefill(*arguments):
            self.prefilled += 1
            return prefill(*arguments)

        monkeypatch.setattr(model, "encode_images", counted_images)
        monkeypatch.setattr(model, "prefill", counted_prefill)


@pytest.fixture
def towers(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Towers]:
    return Towers(checkpoint, monkeypatch)


def scorer_of(checkpoint: Checkpoint, **options) -> CrossEncoder:
    return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(100 * MEGABYTE), **options)


def prepared(scorer: CrossEncoder, picture: Path | EncodedPicture) -> PreparedImage:
    encoded = scorer.identify(Candidate.of(picture)) if isinstance(picture, Path) else picture
    return scorer.prepare(encoded)


def test_an_example_is_encoded_once_for_all_batches_and_sentences(checkpoint: Checkpoint, towers: Towers) -> None:
    reranker = Reranker(settings=Settings.of(score_store_mb=0), scorer=scorer_of(checkpoint, batch_tokens=200))
    reranker.rank(reranker.query("", example=GALLERY[0]), GALLERY[1:9])
    assert (towers.encoded, towers.prefilled) == (9, 1)
    reranker.rank(reranker.query("at sea", example=GALLERY[0]), GALLERY[1:9])
    assert (towers.encoded, towers.prefilled) == (9, 2)


def test_an_example_is_encoded_at_the_detail_of_the_run(checkpoint: Checkpoint) -> None:
    """Whatever was scored before at another detail, which shares all caches."""
    usual = scorer_of(checkpoint)
    query = Reranker(scorer=usual).query("", example=GALLERY[0])
    scores = {}
    for tokens in (25, 64, 49):
        for scorer in (usual.variant(visual_tokens=tokens), scorer_of(checkpoint, visual_tokens=tokens)):
            (score,) = scorer.score(query, [prepared(scorer, GALLERY[3])], "run", prepared(scorer, query.example))
            assert score.log_odds == scores.setdefault(tokens, score.log_odds)
    assert len(set(scores.values())) == 3


def test_an_explanation_is_that_of_the_score_for_the_example(checkpoint: Checkpoint) -> None:
    reranker = Reranker(settings=Settings.of(score_store_mb=0), scorer=scorer_of(checkpoint))
    maps = []
    for example in GALLERY[:2]:
        query = reranker.query("", example=example)
        explanation = reranker.explain(query, GALLERY[3])
        assert explanation.score.log_odds == reranker.rank(query, GALLERY[3:4]).scored[0].score.log_odds
        maps.append(explanation.where)
    assert maps[0] != maps[1]


def test_the_auto_detail_and_near_ties_take_an_example(checkpoint: Checkpoint) -> None:
    settings = Settings.of(score_store_mb=0, rescore_near_ties=True)
    reranker = Reranker(settings=settings, scorer=scorer_of(checkpoint))
    query = reranker.query("", example=GALLERY[0])
    ranking = reranker.rank(query, [*GALLERY[:4], GALLERY[2].read_bytes()], detail="auto")
    assert len(ranking.scored) == 5
    high = reranker.rank(query, GALLERY[:4], detail="high")
    by_name = {scored.candidate.name: scored.score.log_odds for scored in high.scored}
    for scored in ranking.scored[:4]:
        assert scored.score.log_odds == pytest.approx(by_name.get(scored.candidate.name, by_name[GALLERY[2].name]))


@pytest.mark.parametrize(("limit", "prefilled"), [(400, 2), (200, 6)])
def test_prefixes_are_kept_up_to_a_limit_of_tokens(
    checkpoint: Checkpoint, towers: Towers, monkeypatch: pytest.MonkeyPatch, limit: int, prefilled: int
) -> None:
    """Two prefixes of about 110 tokens, half of them visual, are used in turn."""
    monkeypatch.setattr(prompt_cache, "MAX_PREFIX_TOKENS", limit)
    scorer = scorer_of(checkpoint)
    queries = [Reranker(scorer=scorer).query("", example=example) for example in GALLERY[:2]]
    image, examples = prepared(scorer, GALLERY[3]), [prepared(scorer, query.example) for query in queries]
    scores = set()
    for _ in range(3):
        scores |= {
            scorer.score(query, [image], "run", each)[0].log_odds for query, each in zip(queries, examples, strict=True)
        }
    assert towers.prefilled == prefilled
    assert len(scores) == 2


def test_a_context_that_is_too_short_for_both_pictures_fails_with_all_numbers(checkpoint: Checkpoint) -> None:
    short = replace(checkpoint, max_tokens=150)
    scorer = scorer_of(short)
    reranker = Reranker(settings=Settings.of(score_store_mb=0), scorer=scorer)
    assert isinstance(next(reranker.rank_stream("at sea", GALLERY[:1])), Scored)
    (failed,) = reranker.rank(reranker.query("at sea", example=GALLERY[1]), GALLERY[:1]).failed
    assert isinstance(failed.error, PictureBeyondContext)
    visual_tokens = [prepared(scorer, picture).visual_tokens for picture in GALLERY[:2]]
    assert [failed.error.visual_tokens, failed.error.example_tokens, failed.error.max_tokens] == [*visual_tokens, 150]
    assert 52 < failed.error.text_tokens < 100


def test_a_batch_that_did_not_fit_is_remembered_with_its_example(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = scorer_of(checkpoint, batch_tokens=10_000)
    query = Reranker(scorer=scorer).query("", example=GALLERY[1])
    images, example = [prepared(scorer, picture) for picture in GALLERY[2:5]], prepared(scorer, query.example)

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(checkpoint.model, "last_hidden", fail)
    with pytest.raises(PictureOutOfMemory):
        scorer.score(query, images, "run", example)
    assert scorer.batch_tokens == (sum(image.tokens for image in images) + 3 * example.visual_tokens) // 2
