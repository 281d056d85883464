"""The whole model against transformers' own forward pass, on the toybox."""

import pytest
import torch

from reranker import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.scoring.prompts import IMAGE_PAD, LYCHEE
from tests.support.pictures import png, processed_by_transformers

QUERIES = ("a woman in a red dress", "一只 black cat 在窗台上", "三只黄色的球, no people")


def reference_log_odds(reference, checkpoint, picture, text):
    """transformers' own way: image processor, input_ids, pixel_values, position ids by itself, the complete head."""
    features = processed_by_transformers(picture)
    count = int(features["image_grid_thw"].prod()) // 4
    prompt = LYCHEE.fill(text).replace(IMAGE_PAD, IMAGE_PAD * count)
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
