"""A scorer of the toybox, transformers' own network with the same weights, and drawn pictures."""

from random import Random

import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.hub import TOYBOX
from reranker.models.layers import attention
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import random_scene
from tests.support.attention import kernel_by_its_description


@pytest.fixture(scope="session")
def scorer(checkpoint):
    return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8))


@pytest.fixture(scope="session")
def reference():
    return Qwen2_5_VLForConditionalGeneration.from_pretrained(TOYBOX, dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def pictures():
    rng = Random(5)
    return [draw_scene(random_scene(rng)) for _ in range(6)]


@pytest.fixture(params=["kernel", "by length"])
def attention_backend(request, monkeypatch):
    """Both ways to compute packed attention, the kernel replaced by its description in torch's documentation."""
    if request.param == "kernel":
        monkeypatch.setattr(attention, "has_kernel", lambda _: True)
        monkeypatch.setattr(attention, "varlen_attn", kernel_by_its_description)
