"""What must not be in a picture: the probabilities, one event a picture, and everything that a run promises."""

import math
import threading
from collections import Counter
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker import Candidate, Failed, Query, Ranking, Reranker, Scored, Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureSkipped, PictureUnscored, QueryTooLong, TextNotUnicode
from reranker.core.scores import sigmoid
from reranker.engine.batching import float32
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint
from reranker.pipelines.exclusion import combined_log_odds
from tests.support.paths import ROOT
from tests.support.scripted_scorer import ScriptedScorer, checksum

GALLERY = ROOT / "assets" / "gallery"
QUERY, EXCLUDE = "a red dress", "a tree"
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
properties = settings(deadline=None, max_examples=300, database=None)


# The numbers


@pytest.mark.parametrize("query", [-700.0, -3.5, 0.0, 0.25, 20.0, 700.0])
@pytest.mark.parametrize("exclude", [-700.0, -20.0, 0.0, 1.0, 3.5, 700.0])
def test_the_log_odds_are_those_of_the_product_of_the_probabilities(query: float, exclude: float) -> None:
    with localcontext(prec=700):
        p = 1 / ((1 + Decimal(-query).exp()) * (1 + Decimal(exclude).exp()))
        expected = float((p / (1 - p)).ln())
    assert math.isclose(combined_log_odds(query, exclude), expected, rel_tol=6e-8, abs_tol=1e-15)


def test_probabilities_written_by_hand() -> None:
    assert math.isclose(sigmoid(combined_log_odds(math.log(4), math.log(1 / 3))), 0.8 * 0.75, rel_tol=1e-6)
    assert combined_log_odds(0.0, 0.0) == float32(-math.log(3))
    assert combined_log_odds(5.0, -3e38) == 5.0
    assert combined_log_odds(3e38, 2.0) == -2.0


@properties
@given(float32s, float32s, float32s)
def test_more_of_the_query_is_better_and_more_of_the_excluded_worse(one: float, other: float, third: float) -> None:
    low, high = sorted((one, other))
    assert combined_log_odds(low, third) <= combined_log_odds(high, third)
    assert combined_log_odds(third, low) >= combined_log_odds(third, high)


@properties
@given(float32s, float32s)
def test_nothing_overflows_and_no_picture_is_better_than_either_allows(query: float, exclude: float) -> None:
    combined = combined_log_odds(query, exclude)
    assert math.isfinite(combined)
    assert combined == float32(combined)
    assert combined <= min(query, -exclude)


# The run


def reranker_of(scorer: ScriptedScorer, **chosen) -> Reranker:
    return Reranker(settings=Settings.of(**{"score_store_mb": 0, **chosen}), scorer=scorer)


def contents(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def expected_log_odds(content: bytes) -> float:
    return combined_log_odds(*(checksum(Query(text=text), content) for text in (QUERY, EXCLUDE)))


@pytest.mark.parametrize("remembered", [0, 1, 7, 1000])
@pytest.mark.parametrize("count", [0, 1, 30, 100])
def test_each_picture_has_one_event_with_both_scores(count: int, remembered: int) -> None:
    scorer = ScriptedScorer()
    scorer.cache_capacity = remembered
    *events, ranking = reranker_of(scorer).rank_stream(QUERY, contents(count), exclude=EXCLUDE, top_k=20)
    assert isinstance(ranking, Ranking)
    assert ranking.query == Query(text=QUERY, exclude=EXCLUDE)
    assert sorted(event.position for event in events) == list(range(count))
    assert {event.position: event.score.log_odds for event in events} == {
        number: expected_log_odds(content) for number, content in enumerate(contents(count))
    }
    best = sorted(events, key=lambda event: (-event.score.log_odds, event.position))[:20]
    assert list(ranking.scored) == best
    assert Counter(scorer.scored) == dict.fromkeys(contents(count), 2), "once for each sentence"


@pytest.mark.parametrize("chosen", [{"detail": "auto"}, {"rescore_near_ties": True}, {"scoring": "rating"}])
def test_the_other_stages_of_a_run_score_both_sentences_too(chosen: dict[str, object]) -> None:
    scorer = ScriptedScorer(words=lambda content: "Score: 1.0")
    ranking = reranker_of(scorer, **chosen).rank(QUERY, contents(60), exclude=EXCLUDE)
    assert len(ranking.scored) == 60
    for each in ranking.scored:
        assert each.score.log_odds == expected_log_odds(contents(60)[each.position])
        assert each.score.generated_text is None
    assert ranking.query.exclude == EXCLUDE


def test_several_queries_exclude_the_same() -> None:
    reranker = reranker_of(ScriptedScorer())
    both = reranker.rank_each([QUERY, "a cat"], contents(9), exclude=EXCLUDE)
    assert [each.scored for each in both] == [
        reranker.rank(query, contents(9), exclude=EXCLUDE).scored for query in (QUERY, "a cat")
    ]
    assert [each.query.exclude for each in both] == [EXCLUDE, EXCLUDE]


@pytest.mark.parametrize("wrong", [QUERY, EXCLUDE])
def test_a_picture_that_fails_for_either_sentence_fails(wrong: str) -> None:
    def judge(query: Query, content: bytes) -> float:
        if query.text == wrong and content == b"3":
            raise ValueError
        return checksum(query, content)

    scorer = ScriptedScorer(judge=judge)
    ranking = reranker_of(scorer).rank(QUERY, [*contents(9), Candidate(name="gone", source=b"3")], exclude=EXCLUDE)
    assert [(failed.position, type(failed.error)) for failed in ranking.failed] == [
        (3, PictureUnscored),
        (9, PictureUnscored),
    ]
    assert sorted(scored.position for scored in ranking.scored) == [0, 1, 2, 4, 5, 6, 7, 8]
    if wrong == QUERY:
        assert scorer.scored.count(b"3") == 0, "what has failed is not scored for the other sentence"


def test_a_stop_skips_what_has_not_both_scores() -> None:
    cancellation = Cancellation()

    def judge(query: Query, content: bytes) -> float:
        if query.text == EXCLUDE and content == b"5":
            cancellation.cancel()
        return checksum(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    scorer.cache_capacity = 4
    stream = reranker_of(scorer, reader_threads=1).rank_stream(
        QUERY, contents(10), exclude=EXCLUDE, cancellation=cancellation
    )
    *events, ranking = stream
    assert sorted(event.position for event in events) == list(range(10))
    assert sorted(scored.position for scored in ranking.scored) == [0, 1, 2, 3, 4, 5]
    assert {type(failed.error) for failed in ranking.failed} == {PictureSkipped}


@pytest.mark.parametrize("inside", [QUERY, EXCLUDE])
def test_closing_ends_it_at_either_sentence(inside: str) -> None:
    reached, go = threading.Event(), threading.Event()

    def judge(query: Query, content: bytes) -> float:
        if query.text == inside:
            reached.set()
            assert go.wait(20)
        return checksum(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    stream = reranker_of(scorer).rank_stream(QUERY, contents(3), exclude=EXCLUDE)
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(stream))
    thread.start()
    assert reached.wait(20)
    stream.close()
    go.set()
    thread.join(20)
    assert not thread.is_alive()
    assert [event for event in found if isinstance(event, Ranking | Scored | Failed)] == []


# The whole program


def test_scores_of_both_sentences_are_stored_and_used() -> None:
    scorer = ScriptedScorer()
    reranker = reranker_of(scorer, score_store_mb=1)
    reranker.rank(QUERY, contents(5))
    assert len(scorer.scored) == 5
    first = reranker.rank(QUERY, contents(5), exclude=EXCLUDE)
    assert len(scorer.scored) == 10, "those of the query were stored"
    again = reranker.rank(QUERY, contents(5), exclude=EXCLUDE)
    alone = reranker.rank(EXCLUDE, contents(5))
    assert len(scorer.scored) == 10
    assert [each.score.log_odds for each in again.scored] == [each.score.log_odds for each in first.scored]
    assert {each.candidate.source: each.score.log_odds for each in alone.scored} == {
        content: checksum(Query(text=EXCLUDE), content) for content in contents(5)
    }


def test_what_is_excluded_is_checked_as_the_query_is() -> None:
    reranker = reranker_of(ScriptedScorer(), max_query_length=5)
    assert reranker.query("a dog", " a cat\n") == Query(text="a dog", exclude="a cat")
    assert reranker.query("a dog", " \u200b ") == Query(text="a dog")
    with pytest.raises(QueryTooLong):
        reranker.rank("a dog", [b"1"], exclude="a horse")
    with pytest.raises(TextNotUnicode) as caught:
        reranker.rank_each(["a dog"], [b"1"], exclude="\ud800")
    assert caught.value.where == "exclude"
    checked = reranker.query("a dog", "a cat")
    assert reranker.rank(checked, [b"1"]).query == checked
    assert reranker.rank(checked, [b"1"], exclude="a cow").query == Query(text="a dog", exclude="a cow")


def test_an_explanation_has_what_is_excluded_as_a_part() -> None:
    reranker = reranker_of(ScriptedScorer(judge=lambda query, content: float(content) / len(query.text)))
    explanation = reranker.explain("a dog", b"11", exclude="a cat on it")
    assert [(part.text, part.score.log_odds, part.is_excluded) for part in explanation.parts] == [
        ("a dog", 2.2, False),
        ("a cat on it", 1.0, True),
    ]
    assert explanation.score.log_odds == combined_log_odds(2.2, 1.0)
    drops = [drop for row in explanation.where.drops for drop in row]
    occluded = [float(f"11{cell}") for cell in range(6)]
    assert drops == [explanation.score.log_odds - combined_log_odds(each / 5, each / 11) for each in occluded]
    assert [part.is_excluded for part in reranker.explain("a dog, a cat", b"1", exclude="x").parts] == [
        False,
        False,
        True,
    ]
    assert reranker.explain("a dog", b"1").parts == ()


def test_the_toybox_prefers_the_house_without_a_man_and_encodes_each_picture_once(checkpoint: Checkpoint) -> None:
    encoded: list[int] = []
    hook = checkpoint.model.vision.embedding.register_forward_pre_hook(
        lambda _, patches: encoded.append(len(patches[0]))
    )
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8), batch_tokens=200)
    reranker = Reranker(settings=Settings.of(device="cpu", score_store_mb=0), scorer=scorer)
    names = ("house_by_the_sea", "house_by_the_sea_with_man", "red_fire_truck")
    pictures = [GALLERY / f"{name}.png" for name in names]
    try:
        reranker.rank("a house by the sea", pictures)
        once = sum(encoded)
        ranking = reranker.rank("a house by the sea", pictures, exclude="a man")
        reranker_of_its_own = Reranker(
            settings=reranker.settings,
            scorer=CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8), batch_tokens=200),
        )
        encoded.clear()
        reranker_of_its_own.rank("a house by the sea", pictures, exclude="a man")
        assert sum(encoded) == once
    finally:
        hook.remove()
    scores = {each.candidate.name: each.score.log_odds for each in ranking.scored}
    assert ranking.scored[0].candidate.name == "house_by_the_sea.png"
    assert scores["house_by_the_sea.png"] > 0 > scores["house_by_the_sea_with_man.png"]
