"""The scoring methods: a rating is the mean of all answers by transformers' network; texts beside pictures count."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reranker import Reranker, Settings
from reranker.core.errors import CheckpointUnsupported, TextTooLong
from reranker.core.types import Candidate, Query, Score
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.loading import load_checkpoint
from reranker.models.scoring.method import Document, Example
from reranker.models.scoring.prompts import IMAGE_PAD, INSTRUCTIONS, RATING
from reranker.models.scoring.rating import DIGITS, RATINGS, rating_log_odds, rating_probabilities
from reranker.models.scoring.registry import make_scoring_method
from tests.support import paths

properties = settings(deadline=None, max_examples=60, database=None)

GALLERY = sorted(paths.GALLERY.glob("*.png"))
QUERIES = (
    "a red boat",
    *(pytest.param(query, marks=pytest.mark.extended) for query in ("雪地里的一棵树", "two yellow balls")),
)


SIZES = [(60, 40), (224, 100), (700, 500), (900, 90)]


def resized(path, size: tuple[int, int]) -> bytes:
    buffer = BytesIO()
    Image.open(path).resize(size).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("toybox", "cpu", "fp32")


def scorer_of(checkpoint, scoring="yes-no", instruction="") -> CrossEncoder:
    cache = FeatureCache(10**8)
    return CrossEncoder(checkpoint, scoring=scoring, instruction=instruction, limits=Limits(), cache=cache)


def judged(scorer: CrossEncoder, candidates: list[Candidate], query: str | Query) -> list[Score]:
    images = [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]
    asked = Query(text=query) if isinstance(query, str) else query
    return scorer.score(asked, images, "run", scorer.prepare(asked.example) if asked.example else None)


def example_of(features) -> Example:
    return Example(key="the example", visual_tokens=len(features.tokens), encode=lambda: features)


@pytest.fixture(scope="module")
def seen(checkpoint):
    """Features of some pictures of several shapes."""
    scorer = scorer_of(checkpoint)
    images = [scorer.prepare(scorer.identify(Candidate.of(picture))) for picture in GALLERY[:8]]
    return [image.features for image in scorer.encode(images, "run")]


class Reference:
    """transformers' own network over a prompt, the visual tokens of its pictures and what was written so far.

    example: the features of the query's picture; None if it has none.
    """

    def __init__(self, network, tokenizer, example=None) -> None:
        self.network, self.tokenizer, self.examples = network, tokenizer, [example] if example else []

    @torch.inference_mode()
    def next(self, query: str, picture, written: str) -> torch.Tensor:
        """Probabilities of the next token."""
        pictures = [*self.examples, picture]
        pads = iter([IMAGE_PAD * len(each.tokens) for each in pictures])
        filled = RATING.fill(query, has_example=bool(self.examples))
        prompt = re.sub(re.escape(IMAGE_PAD), lambda _: next(pads), filled) + written
        ids = torch.tensor([self.tokenizer.encode(prompt, add_special_tokens=False)])
        is_image = ids == self.network.config.image_token_id
        embeds = self.network.get_input_embeddings()(ids)
        embeds[is_image] = torch.cat([each.tokens for each in pictures]).float()
        grid = torch.tensor([[1, 2 * each.rows, 2 * each.columns] for each in pictures])
        positions, _ = self.network.model.get_rope_index(ids, is_image.int(), image_grid_thw=grid)
        output = self.network.model.language_model(inputs_embeds=embeds, position_ids=positions)
        return self.network.lm_head(output.last_hidden_state[0, -1]).softmax(dim=-1)

    def continued(self, query: str, picture, written: str, continuations: Sequence[str]) -> dict[str, float]:
        """The probabilities of the next token among some."""
        probabilities = self.next(query, picture, written)
        found = {
            each: float(probabilities[self.tokenizer.convert_tokens_to_ids(each)].double()) for each in continuations
        }
        return {each: probability / sum(found.values()) for each, probability in found.items()}

    def answers(self, query: str, picture) -> dict[str, float]:
        """The probabilities of 0.0 to 9.9 and 10.0, one token after the other."""
        first = self.continued(query, picture, "Score: ", DIGITS)
        second = self.continued(query, picture, "Score: 1", "0.")
        answers = {"10.0": first["1"] * second["0"]}
        for digit in DIGITS:
            share = first[digit] * (second["."] if digit == "1" else 1)
            decimals = self.continued(query, picture, f"Score: {digit}.", DIGITS)
            answers |= {f"{digit}.{decimal}": share * probability for decimal, probability in decimals.items()}
        return answers


@pytest.mark.parametrize("with_example", [False, True])
@pytest.mark.parametrize("query", QUERIES)
def test_the_rating_is_the_mean_of_all_answers_by_transformers_own_network(
    checkpoint, reference, seen, query, with_example
):
    documents, example = [Document(image=picture) for picture in seen[:5]], seen[7] if with_example else None
    method = make_scoring_method(checkpoint, "rating", "")
    with torch.inference_mode():
        scored = method.read(method.run(query, documents, example and example_of(example)))
    transformers_own = Reference(reference, checkpoint.tokenizer, example)
    for picture, document in zip(seen, scored, strict=False):
        answers = transformers_own.answers(query, picture)
        mean = sum(float(answer) * probability for answer, probability in answers.items())
        assert sum(answers.values()) == pytest.approx(1)
        assert document.log_odds == pytest.approx(math.log((mean + 0.05) / (10 - mean + 0.05)), abs=1e-4)
        assert document.generated_text == f"Score: {max(answers, key=answers.__getitem__)}"


def random_logits(seed: int, scale: float) -> torch.Tensor:
    return scale * torch.randn(1, 21, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@properties
@given(st.integers(0, 2**31), st.floats(0, 60))
def test_probabilities_of_any_logits_add_up_to_one_and_no_score_leaves_the_scale(seed, scale):
    probabilities = rating_probabilities(random_logits(seed, scale).float())
    assert probabilities.shape == (1, len(RATINGS))
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-5)
    assert abs(rating_log_odds(probabilities).item()) <= math.log(10.05 / 0.05) + 1e-4


@properties
@given(st.integers(0, 2**31), st.floats(0, 60))
def test_a_small_change_of_the_logits_is_a_small_change_of_the_score(seed, scale):
    """No digit is preferred, and no probability is too small to count."""
    first = random_logits(seed, scale)
    second = first + 1e-6 * random_logits(seed + 1, 1)
    change = rating_log_odds(rating_probabilities(second)) - rating_log_odds(rating_probabilities(first))
    assert abs(change.item()) < 1e-4


def test_the_probabilities_by_hand():
    logits = torch.full((1, 21, 11), -100.0)
    logits[0, 0, [1, 8]] = torch.tensor([0.25, 0.75]).log()
    logits[0, 3, [0, 10]] = torch.tensor([0.6, 0.4]).log()  # after "1": "0" or the point
    logits[0, 4, [2, 9]] = torch.tensor([0.5, 0.5]).log()  # after "1."
    logits[0, 18, 5] = 0.0  # after "8."
    expected = dict.fromkeys(RATINGS, 0.0) | {1.2: 0.05, 1.9: 0.05, 8.5: 0.75, 10.0: 0.15}
    probabilities = rating_probabilities(logits)
    assert probabilities[0].tolist() == pytest.approx(list(expected.values()), abs=1e-6)
    mean = 0.05 * 1.2 + 0.05 * 1.9 + 0.75 * 8.5 + 0.15 * 10
    assert rating_log_odds(probabilities).item() == pytest.approx(math.log((mean + 0.05) / (10.05 - mean)))


@pytest.fixture(scope="module")
def candidates() -> list[Candidate]:
    """Pictures of many sizes, some with a text."""
    sources = [*GALLERY[:4], *(resized(path, size) for path, size in zip(GALLERY[4:8], SIZES, strict=True))]
    return [
        Candidate(name=str(number), source=source, text="a title" * (number % 3 == 2))
        for number, source in enumerate(sources)
    ]


@pytest.fixture(scope="module")
def queries() -> dict[str, Query]:
    """A sentence, a picture that is also a candidate, and both."""
    ask = Reranker("toybox").query
    return {
        "sentence": ask(QUERIES[0]),
        "example": ask("", example=GALLERY[0]),
        "both": ask(QUERIES[0], example=resized(GALLERY[9], SIZES[3])),
    }


@pytest.fixture(scope="module")
def scored_alone(checkpoint, candidates, queries) -> dict[tuple[str, str], list[Score]]:
    return {
        (scoring, kind): [judged(scorer_of(checkpoint, scoring), [candidate], query)[0] for candidate in candidates]
        for scoring in ("yes-no", "rating")
        for kind, query in queries.items()
    }


@settings(properties, max_examples=18)
@given(
    st.permutations(range(8)),
    st.lists(st.integers(1, 8), max_size=3),
    st.sampled_from(["yes-no", "rating"]),
    st.sampled_from(["sentence", "example", "both"]),
)
def test_batches_and_their_order_change_no_score(
    checkpoint, candidates, scored_alone, queries, order, cuts, scoring, kind
):
    """The promise of `docs/architecture.md`: 1e-4 log-odds in float32, with all texts, sizes and examples."""
    alone = scored_alone[scoring, kind]
    scorer = scorer_of(checkpoint, scoring)
    edges = [0, *sorted({cut for cut in cuts if cut < len(order)}), len(order)]
    for batch in (order[start:end] for start, end in pairwise(edges)):
        together = judged(scorer, [candidates[index] for index in batch], queries[kind])
        for index, score in zip(batch, together, strict=True):
            assert score.log_odds == pytest.approx(alone[index].log_odds, abs=1e-4)
            assert score.generated_text == alone[index].generated_text


@pytest.mark.parametrize("scoring", ["yes-no", "rating"])
def test_an_example_leaves_no_trace_in_the_scores_of_a_sentence(checkpoint, candidates, queries, scoring):
    """Not in one bit: neither in what is cached of the pictures nor in that of the query."""
    asked_before = judged(scorer_of(checkpoint, scoring), candidates, queries["sentence"])
    scorer = scorer_of(checkpoint, scoring)
    with_example = judged(scorer, candidates, queries["both"])
    after = judged(scorer, candidates, queries["sentence"])
    assert [score.log_odds for score in after] == [score.log_odds for score in asked_before]
    assert all(a.log_odds != b.log_odds for a, b in zip(after, with_example, strict=True))


def test_rating_ranks_by_what_is_expected_and_does_not_tie():
    rated = Reranker("toybox", settings=Settings.of(scoring="rating", score_store_mb=0)).rank("a red boat", GALLERY)
    assert rated.failed == ()
    assert rated.scored[0].candidate.name == "boat_and_fish.png"
    assert all(re.fullmatch(r"Score: (\d|10)\.\d", one.score.generated_text) for one in rated.scored)
    keys = [one.score.log_odds for one in rated.scored]
    assert len(set(keys)) == len(keys)
    assert rated.temperature == 1.0


def test_a_tokenizer_that_joins_digits_is_refused(checkpoint):
    class Joining:
        """Gives the answer "10.0" as one token."""

        def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
            return checkpoint.tokenizer.encode(text.replace("10.0", "!"), add_special_tokens=add_special_tokens)

        def convert_tokens_to_ids(self, tokens: list[str]) -> list[int]:
            return checkpoint.tokenizer.convert_tokens_to_ids(tokens)

    with pytest.raises(CheckpointUnsupported, match="digits"):
        make_scoring_method(replace(checkpoint, tokenizer=Joining()), "rating", "")


# Instructions


def test_a_preset_a_sentence_of_ones_own_and_the_models_own(checkpoint):
    def identity(instruction: str) -> str:
        return make_scoring_method(checkpoint, "yes-no", instruction).identity[-1]

    assert identity("product") == INSTRUCTIONS["product"]
    assert identity("Find the mug.") == "Find the mug."
    assert identity("") == checkpoint.instruction == INSTRUCTIONS["web"]


def test_scores_of_other_instructions_and_ways_are_not_mixed_up(checkpoint):
    methods = [("yes-no", ""), ("yes-no", "photo"), ("rating", "")]
    assert len({scorer_of(checkpoint, *method).info.fingerprint for method in methods}) == len(methods)


# Texts beside pictures


@pytest.mark.parametrize("scoring", ["yes-no", "rating"])
def test_a_text_is_scored_with_its_picture_in_any_batch(checkpoint, scoring):
    scorer = scorer_of(checkpoint, scoring)
    plain = Candidate.of(GALLERY[0])
    candidates = [plain, replace(plain, text="a red boat"), replace(plain, text="a cat, 一只猫, and more"), plain]
    together = judged(scorer, candidates, "a red boat")
    alone = [judged(scorer, [candidate], "a red boat")[0] for candidate in candidates]
    assert [one.log_odds for one in together] == pytest.approx([one.log_odds for one in alone], abs=1e-3)
    assert len({round(one.log_odds, 5) for one in together}) == 3


def test_a_picture_is_looked_at_once_whatever_stands_beside_it(checkpoint):
    scorer = scorer_of(checkpoint)
    plain = Candidate.of(GALLERY[0])
    judged(scorer, [plain], "a")
    (other,) = judged(scorer, [replace(plain, text="a title")], "a")
    assert other.cached
    picture, titled = scorer.identify(plain), scorer.identify(replace(plain, text="a title"))
    assert picture.key != titled.key
    assert picture.content_hash == titled.content_hash
    assert scorer.prepare(picture).key == picture.key


def test_the_same_picture_with_two_texts_gets_two_scores():
    titled = [Candidate(name=text, source=GALLERY[0], text=text) for text in ("a red boat", "a cat")]
    ranking = Reranker("toybox").rank("a red boat", titled)
    assert len({one.score.log_odds for one in ranking.scored}) == 2


def test_a_text_beyond_the_limit_is_told_by_its_picture():
    reranker = Reranker("toybox", settings=Settings.of(max_query_length=10))
    with pytest.raises(TextTooLong) as caught:
        reranker.rank("a boat", [Candidate(name="b.png", source=b"", text="x" * 11)])
    assert (caught.value.name, caught.value.length) == ("b.png", 11)
