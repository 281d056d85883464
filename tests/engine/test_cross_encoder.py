"""Fingerprints and detail of the cross-encoder."""

from random import Random

import pytest

from reranker import Candidate
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import random_scene
from tests.support.pictures import png


@pytest.fixture(scope="module")
def pictures():
    rng = Random(5)
    return [draw_scene(random_scene(rng)) for _ in range(6)]


def test_the_fingerprint_follows_what_a_score_depends_on(checkpoint):
    def fingerprint(**choices):
        return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), **choices).info.fingerprint

    assert fingerprint() == fingerprint(batch_tokens=3) != fingerprint(visual_tokens=25)


def test_more_detail_means_more_visual_tokens(checkpoint, pictures):
    candidate = Candidate(name="one", source=png(pictures[0]))
    counts = []
    for tokens in (25, 49, 64):
        one = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), visual_tokens=tokens)
        counts.append(one.prepare(one.identify(candidate)).visual_tokens)
    assert counts == sorted(counts)
    assert len(set(counts)) == 3
