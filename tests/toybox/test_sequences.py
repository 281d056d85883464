"""Training batches give the scorer's results: the same sequences, the same positions, answers where they belong."""

import pytest
import torch

from reranker import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.loading import load_checkpoint
from reranker.models.scoring.prompts import LYCHEE
from reranker.toybox.drawing import png_bytes
from reranker.toybox.sequences import Pair, PromptPrefix, collate, hidden_states

QUERIES = ("a red car", "三只黄色的球,没有人", "一个穿红色裙子、戴着草帽的女人在一只小狗的左边")


@torch.no_grad()
def test_a_padded_batch_with_a_common_prefix_gives_the_scores_of_the_scorer(checkpoint, example):
    scorer = CrossEncoder(load_checkpoint("toybox", "cpu", "fp32"), limits=Limits(), cache=FeatureCache(10**8))
    prefix = PromptPrefix(checkpoint.tokenizer, LYCHEE)
    prepared = [
        scorer.prepare(scorer.identify(Candidate(name="", source=png_bytes(scene.scene)))) for scene in example.scenes
    ]
    features = [image.features for image in scorer.encode(prepared, "run")]  # those of `example` went through BF16
    queries = (*QUERIES, QUERIES[0])
    pairs = [
        Pair(prompt=prefix.encode(query), tokens=image.tokens, rows=image.rows, columns=image.columns)
        for query, image in zip(queries, features, strict=True)
    ]
    batch = collate(pairs, len(prefix.ids), checkpoint.tokenizer.encode("<|image_pad|>")[0])
    states = hidden_states(checkpoint.model.language, prefix, batch)[-1][torch.arange(4), batch.last]
    yes, no = (checkpoint.tokenizer.encode(word)[0] for word in ("yes", "no"))
    log_odds = YesNoHead.of(checkpoint.model.language.embed_tokens.weight, yes, no).log_odds(states)
    for index, query in enumerate(queries):
        scores = scorer.score(Query(text=query), [prepared[index]], "run")
        assert log_odds[index].item() == pytest.approx(scores[0].log_odds, abs=1e-4)
