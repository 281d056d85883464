"""The two ways to ask: a rating is what transformers' own generation writes, and both see the text beside a picture."""

from dataclasses import replace

import pytest
import torch

from reranker import Reranker, Settings
from reranker.core.errors import PictureUnrated, TextTooLong
from reranker.core.types import Candidate, Query, Score
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.i18n.error_messages import sentence
from reranker.images.limits import Limits
from reranker.models.loading import load_checkpoint
from reranker.models.scoring.prompts import IMAGE_PAD, INSTRUCTIONS, RATING, encode_prompt
from reranker.models.scoring.rating import MEAN_DECIMALS, RatingGenerator, expected_rating
from reranker.models.scoring.rating_parser import read_rating
from reranker.models.scoring.registry import make_scoring_method
from tests.support import paths

GALLERY = sorted(paths.GALLERY.glob("*.png"))
QUERIES = (
    "a red boat",
    *(pytest.param(query, marks=pytest.mark.extended) for query in ("雪地里的一棵树", "two yellow balls")),
)


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("toybox", "cpu", "fp32", generates=True)


def scorer_of(checkpoint, scoring="yes-no", instruction="") -> CrossEncoder:
    cache = FeatureCache(10**8)
    return CrossEncoder(checkpoint, scoring=scoring, instruction=instruction, limits=Limits(), cache=cache)


def judged(scorer: CrossEncoder, candidates: list[Candidate], query: str) -> list[Score]:
    images = [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]
    return scorer.score(Query(text=query), images, "run")


@pytest.fixture(scope="module")
def seen(checkpoint):
    """Features of some pictures of several shapes."""
    scorer = scorer_of(checkpoint)
    images = [scorer.prepare(scorer.identify(Candidate.of(picture))) for picture in GALLERY[:8]]
    return [image.features for image in scorer.encode(images, "run")]


class Reference:
    """transformers' own network over a prompt, a picture's visual tokens and what was written so far."""

    def __init__(self, network, tokenizer) -> None:
        self.network, self.tokenizer = network, tokenizer

    @torch.inference_mode()
    def next(self, query: str, picture, written: str) -> torch.Tensor:
        """Probabilities of the next token."""
        prompt = RATING.fill(query).replace(IMAGE_PAD, IMAGE_PAD * len(picture.tokens)) + written
        ids = torch.tensor([self.tokenizer.encode(prompt, add_special_tokens=False)])
        is_image = ids == self.network.config.image_token_id
        embeds = self.network.get_input_embeddings()(ids)
        embeds[is_image] = picture.tokens.float()
        grid = torch.tensor([[1, 2 * picture.rows, 2 * picture.columns]])
        positions, _ = self.network.model.get_rope_index(ids, is_image.int(), image_grid_thw=grid)
        output = self.network.model.language_model(inputs_embeds=embeds, position_ids=positions)
        return self.network.lm_head(output.last_hidden_state[0, -1]).softmax(dim=-1)

    def digits(self, query: str, picture, written: str) -> list[float]:
        probabilities = self.next(query, picture, written)
        return [float(probabilities[self.tokenizer.convert_tokens_to_ids(digit)]) for digit in "0123456789"]

    def words(self, query: str, picture) -> str:
        written = ""
        while (token := self.tokenizer.decode([int(self.next(query, picture, written).argmax())])) != "<|im_end|>":
            written += token
        return written


@pytest.fixture(scope="module")
def transformers_own(reference, checkpoint):
    return Reference(reference, checkpoint.tokenizer)


@pytest.mark.parametrize("query", QUERIES)
def test_the_words_are_those_of_transformers_own_network(checkpoint, transformers_own, seen, query):
    prompt = encode_prompt(checkpoint.tokenizer, RATING, query)
    answers = RatingGenerator(checkpoint).generate(seen, [prompt] * len(seen))
    assert [answer.text for answer in answers] == [transformers_own.words(query, picture) for picture in seen]


@pytest.mark.parametrize("query", QUERIES)
def test_the_expected_rating_is_the_mean_over_the_tree_of_digits(checkpoint, transformers_own, seen, query):
    prompt = encode_prompt(checkpoint.tokenizer, RATING, query)
    answers = RatingGenerator(checkpoint).generate(seen, [prompt] * len(seen))
    for picture, answer in zip(seen, answers, strict=True):
        first = transformers_own.digits(query, picture, "Score: ")
        ten = transformers_own.digits(query, picture, "Score: 1")[0]
        written = answer.text.removeprefix("Score: ").partition(".")[0]
        digit = int(written[0])
        decimals = transformers_own.digits(query, picture, f"Score: {written}.")
        mean = sum(number * share for number, share in enumerate(decimals)) / sum(decimals) / 10
        expected = expected_rating(first, ten, digit, MEAN_DECIMALS if written == "10" else mean)
        assert answer.rating.written == pytest.approx(read_rating(answer.text))
        assert answer.rating.expected == pytest.approx(expected, abs=0.011)  # what lies behind a "1" of 0.1 % or less


def test_the_mean_over_the_tree_by_hand():
    only = [[1.0 if digit == number else 0.0 for digit in range(10)] for number in range(10)]
    assert expected_rating(only[8], 0.0, 8, 0.5) == 8.5
    assert expected_rating(only[1], 1.0, 1, 0.3) == 10
    assert expected_rating(only[1], 0.25, 1, 0.2) == 0.25 * 10 + 0.75 * 1.2
    both = [0.0] * 8 + [0.3, 0.1]
    assert expected_rating(both, 0.0, 8, 0.5) == pytest.approx(0.75 * 8.5 + 0.25 * (9 + MEAN_DECIMALS))
    assert expected_rating([0.0, 0.2] + [0.0] * 7 + [0.2], 0.9, 9, 0.0) == pytest.approx(
        (0.9 * 10 + 0.1 * (1 + MEAN_DECIMALS)) / 2 + 9 / 2
    )


def test_company_changes_no_rating(checkpoint):
    scorer = scorer_of(checkpoint, "rating")
    candidates = [Candidate.of(picture) for picture in GALLERY[:7]]
    together = judged(scorer, candidates, QUERIES[0])
    alone = [judged(scorer, [candidate], QUERIES[0])[0] for candidate in candidates]
    assert [one.generated_text for one in together] == [one.generated_text for one in alone]
    # An expected rating near 0 is a small difference of large numbers, and its logit far out.
    shares = [[1 / (1 + 2.718281828**-one.log_odds) for one in some] for some in (together, alone)]
    assert shares[0] == pytest.approx(shares[1], abs=1e-5)


def test_rating_ranks_by_what_is_expected_and_does_not_tie():
    rated = Reranker("toybox", settings=Settings.of(scoring="rating", score_store_mb=0)).rank("a red boat", GALLERY)
    assert rated.failed == ()
    assert rated.scored[0].candidate.name == "boat_and_fish.png"
    assert all(read_rating(one.score.generated_text) is not None for one in rated.scored)
    keys = [one.score.log_odds for one in rated.scored]
    assert len(set(keys)) == len(keys)
    assert rated.temperature == 1.0


def test_words_without_a_rating_are_a_failure_that_keeps_them(checkpoint):
    """A model that knows one word only, and says it where it would begin with "Score"."""
    word = checkpoint.tokenizer.convert_tokens_to_ids("yes")
    score = checkpoint.tokenizer.encode("Score", add_special_tokens=False)[0]
    weight = torch.zeros_like(checkpoint.output_weight)
    weight[word] = checkpoint.output_weight[score]
    one_word = replace(checkpoint, output_weight=weight)
    reranker = Reranker(scorer=scorer_of(one_word, "rating"), settings=Settings.of(score_store_mb=0))
    ranking = reranker.rank("a red boat", GALLERY[:2])
    assert ranking.scored == ()
    for one in ranking.failed:
        assert isinstance(one.error, PictureUnrated)
        assert one.error.generated_text.startswith("yes")
        assert one.error.generated_text in sentence(one.error, "en")


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
def test_a_text_is_judged_with_its_picture_in_any_company(checkpoint, scoring):
    scorer = scorer_of(checkpoint, scoring)
    plain = Candidate.of(GALLERY[0])
    candidates = [plain, replace(plain, text="a red boat"), replace(plain, text="a cat, 一只猫, and more"), plain]
    together = judged(scorer, candidates, "a red boat")
    alone = [judged(scorer, [candidate], "a red boat")[0] for candidate in candidates]
    assert [one.log_odds for one in together] == pytest.approx([one.log_odds for one in alone], abs=1e-3)
    assert len({round(one.log_odds, 2) for one in together}) == 3


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
