"""The embedded checkpoint, and an example that its vision tower has encoded."""

from random import Random

import pytest
import torch

from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import TOYBOX
from reranker.models.loading import load_checkpoint, load_network
from reranker.toybox.checkpoint_files import use_byte_patches
from reranker.toybox.encoded_examples import DrawnExample, EncodedExample, encode_examples
from reranker.toybox.matching import Request, RequestedThing
from reranker.toybox.scenes import random_scene
from reranker.toybox.vision_training import draw_for_training


@pytest.fixture(scope="package")
def checkpoint():
    """A checkpoint of its own, as training replaces the attention of the network."""
    return load_checkpoint("toybox", "cpu", "fp32")


@pytest.fixture(scope="package")
def example() -> EncodedExample:
    rng = Random(6)
    scenes = tuple(draw_for_training(random_scene(rng), 49) for _ in range(4))
    request = Request(things=(RequestedThing(thing="car", colour="red"),))
    visual = use_byte_patches(load_network(CheckpointFiles("toybox", TOYBOX), torch.device("cpu"), "fp32")).model.visual
    with torch.no_grad():
        return encode_examples(visual, [DrawnExample(request=request, visual_tokens=49, scenes=scenes)], "cpu")[0]
