"""Fingerprints, detail and host memory of the cross-encoder."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from reranker import Candidate
from reranker.engine import cross_encoder
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.host_memory import host_bytes
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


def test_scores_of_pictures_that_were_decoded_otherwise_are_not_reused(checkpoint, monkeypatch):
    def fingerprint():
        return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0)).info.fingerprint

    now = fingerprint()
    monkeypatch.setattr(cross_encoder, "DECODING_VERSION", "decoding-1")
    assert fingerprint() != now


def test_more_detail_means_more_visual_tokens(checkpoint, pictures):
    candidate = Candidate(name="one", source=png(pictures[0]))
    counts = []
    for tokens in (25, 49, 64):
        one = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), visual_tokens=tokens)
        counts.append(one.prepare(one.identify(candidate)).visual_tokens)
    assert counts == sorted(counts)
    assert len(set(counts)) == 3


@pytest.fixture
def on_gpu(checkpoint):
    """The checkpoint, said to be on a GPU; only what needs none is called."""
    return replace(checkpoint, device=torch.device("cuda"))


def test_a_picture_is_prepared_in_plain_memory_where_none_can_be_pinned(checkpoint, on_gpu, pictures, monkeypatch):
    empty_like = torch.empty_like

    def fail(tensor, device, pin_memory=False):
        if pin_memory:
            raise RuntimeError("CUDA error: out of memory")
        return empty_like(tensor, device=device)

    monkeypatch.setattr(torch, "empty_like", fail)
    candidate = Candidate(name="one", source=png(pictures[0]))
    there, here = (
        CrossEncoder(each, limits=Limits(), cache=FeatureCache(0), batch_tokens=1) for each in (on_gpu, checkpoint)
    )
    prepared = there.prepare(there.identify(candidate))
    assert np.array_equal(prepared.patches.values, here.prepare(here.identify(candidate)).patches.values)


def test_the_capacity_of_the_cache_counts_what_pinned_memory_takes(checkpoint, on_gpu):
    there, here = (
        CrossEncoder(each, limits=Limits(), cache=FeatureCache(10**7), batch_tokens=1) for each in (on_gpu, checkpoint)
    )
    image_bytes = 49 * checkpoint.model.language.embed_tokens.weight.shape[1] * 4
    assert here.cache_capacity == 10**7 // image_bytes
    assert there.cache_capacity == 10**7 // host_bytes(image_bytes, pinned=True) < here.cache_capacity
