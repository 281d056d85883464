"""The whole model against transformers' own forward pass, on the toybox."""

import re

import pytest
import torch

from reranker import Candidate, Query, Reranker
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE
from tests.support.pictures import png, processed_by_transformers

SHAPES = ((224, 224), (500, 200), (150, 400))  # width and height
QUERIES = ("a woman in a red dress", "一只 black cat 在窗台上", "三只黄色的球, no people")


def reference_log_odds(reference, checkpoint, picture, text, *examples):
    """transformers' own way: image processor, input_ids, pixel_values, position ids by itself, the complete head."""
    features = processed_by_transformers(*examples, picture)
    counts = iter(features["image_grid_thw"].prod(dim=1) // 4)
    prompt = re.sub(
        re.escape(IMAGE_PAD), lambda pad: pad[0] * int(next(counts)), LYCHEE.fill(text, has_example=bool(examples))
    )
    ids = torch.tensor([checkpoint.tokenizer.encode(prompt, add_special_tokens=False)])
    kinds = (ids == reference.config.image_token_id).int()
    with torch.inference_mode():
        logits = reference(input_ids=ids, mm_token_type_ids=kinds, **features).logits[0, -1]
    yes, no = checkpoint.tokenizer.convert_tokens_to_ids(["yes", "no"])
    return float(logits[yes] - logits[no])


def test_log_odds_are_those_of_the_whole_forward(scorer, reference, checkpoint, pictures):
    candidates = [Candidate(name=str(i), source=png(picture)) for i, picture in enumerate(pictures)]
    prepared = [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]
    for text in QUERIES:
        judged = scorer.score(Query(text=text), prepared, "run")
        for index, picture in enumerate(pictures):
            expected = reference_log_odds(reference, checkpoint, picture, text)
            assert judged[index].log_odds == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("example", range(len(SHAPES)))
@pytest.mark.parametrize("text", ["", QUERIES[1]])
def test_log_odds_for_an_example_are_those_of_the_whole_forward_over_both_pictures(
    scorer, reference, checkpoint, pictures, example, text
):
    """Beside a sentence and without one; in one batch, and alone."""
    shown = [picture.resize(shape) for picture, shape in zip(pictures, SHAPES, strict=False)]
    query = Reranker(scorer=scorer).query(text, example=png(shown[example]))
    candidates = [Candidate(name=str(i), source=png(picture)) for i, picture in enumerate(shown)]
    fresh = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    prepared = [fresh.prepare(fresh.identify(candidate)) for candidate in candidates]
    prepared_example = fresh.prepare(query.example)
    together = fresh.score(query, prepared, "run", prepared_example)
    for picture, image, score in zip(shown, prepared, together, strict=True):
        expected = reference_log_odds(reference, checkpoint, picture, text, shown[example])
        assert score.log_odds == pytest.approx(expected, abs=1e-4)
        (alone,) = scorer.score(query, [image], "run", prepared_example)
        assert alone.log_odds == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("attention_backend")
def test_both_attention_backends_continue_the_prefix_of_an_example(scorer, checkpoint, pictures):
    query = Reranker(scorer=scorer).query("a dog", example=png(pictures[0].resize(SHAPES[1])))
    packed = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    prepared = [packed.prepare(packed.identify(Candidate(name="", source=png(picture)))) for picture in pictures]
    example = packed.prepare(query.example)
    for image, score in zip(prepared, packed.score(query, prepared, "run", example), strict=True):
        (alone,) = scorer.score(query, [image], "run", example)
        assert score.log_odds == pytest.approx(alone.log_odds, abs=1e-4)


@pytest.mark.usefixtures("attention_backend")
def test_both_attention_backends_give_equal_scores(scorer, checkpoint, pictures):
    candidates = [Candidate(name=str(i), source=png(picture)) for i, picture in enumerate(pictures)]
    packed = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    judged = packed.score(
        Query(text=QUERIES[1]), [packed.prepare(packed.identify(candidate)) for candidate in candidates], "run"
    )
    for index, candidate in enumerate(candidates):
        alone = scorer.score(Query(text=QUERIES[1]), [scorer.prepare(scorer.identify(candidate))], "run")
        assert judged[index].log_odds == pytest.approx(alone[0].log_odds, abs=1e-4)
