"""Several queries in one batch: each pair of a query and a picture has the score that it has alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.types import Candidate, Query, Scoring
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.loading import load_checkpoint
from reranker.models.scoring.prompts import LYCHEE, encode_prompt
from tests.support import paths

# Some merge with the colon before them into other tokens, and one is longer than what all prompts start with.
QUERIES = ["a cat", "猫", "", ":", "::", ")", "<|im_end|>", "a red boat on the sea " * 9, "a cat on the window sill"]
PICTURES = [
    Candidate(name=path.name, source=path, text=text)
    for path, text in zip(sorted(paths.GALLERY.glob("*.png"))[:4], ("", "", "a title", "标题"), strict=True)
]


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("toybox", "cpu", "fp32")


def scorer_of(checkpoint, scoring: Scoring) -> CrossEncoder:
    return CrossEncoder(checkpoint, scoring=scoring, limits=Limits(), cache=FeatureCache(10**8))


@pytest.mark.parametrize("scoring", ["yes-no", "rating"])
@settings(deadline=None, max_examples=15, database=None)
@given(st.lists(st.tuples(st.sampled_from(QUERIES), st.sampled_from(PICTURES)), min_size=1, max_size=8))
def test_pairs_score_as_they_do_alone(checkpoint, scoring: Scoring, chosen: list[tuple[str, Candidate]]) -> None:
    scorer = scorer_of(checkpoint, scoring)
    pairs = [(Query(text=text), scorer.prepare(scorer.identify(candidate))) for text, candidate in chosen]
    together = scorer.launch_pairs(pairs, "run")()
    for (query, image), score in zip(pairs, together, strict=True):
        (alone,) = scorer.score(query, [image], "another run")
        assert score.log_odds == pytest.approx(alone.log_odds, abs=1e-4)
        assert score.generated_text == alone.generated_text


def test_pairs_encode_their_picture_once(checkpoint) -> None:
    scorer = scorer_of(checkpoint, "yes-no")
    image = scorer.prepare(scorer.identify(PICTURES[0]))
    first = scorer.launch_pairs([(Query(text=text), image) for text in ("a cat", "a dog")], "run")()
    assert not any(score.cached for score in first)
    again = scorer.prepare(scorer.identify(PICTURES[0]))
    assert again.features is not None
    assert all(score.cached for score in scorer.launch_pairs([(Query(text="a cat"), again)], "run")())


def test_some_prompts_merge_with_what_is_before_the_query(checkpoint) -> None:
    """Otherwise the first test proves less than it seems to."""
    before = {text: encode_prompt(checkpoint.tokenizer, LYCHEE, text).before for text in QUERIES}
    start = encode_prompt(checkpoint.tokenizer, LYCHEE, "").before
    query = checkpoint.tokenizer.encode("<Query>:", add_special_tokens=False)
    assert len(query) >= 1
    assert all(ids[:20] == start[:20] for ids in before.values())
