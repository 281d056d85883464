"""Requests match scenes in a table as they match each scene alone."""

from random import Random

import numpy as np
import pytest

from reranker.toybox.examples import evaluation_example, request_about, training_example
from reranker.toybox.matching import Request, RequestedThing, match
from reranker.toybox.scene_table import SceneTable
from reranker.toybox.scenes import random_scene


@pytest.mark.parametrize("seed", range(4))
def test_a_table_matches_as_each_scene_does(seed: int) -> None:
    rng = Random(seed)
    examples = [make(rng) for make in (training_example, evaluation_example) * 4]
    scenes = [scene for example in examples for scene in (example.right, *example.wrong)]
    scenes += [random_scene(rng) for _ in range(10)]
    requests = [example.request for example in examples] + [request_about(scene, rng) for scene in scenes[:20]]
    table = SceneTable(scenes)
    for request in requests:
        expected = np.array([match(request, scene) for scene in scenes], np.float32)
        assert np.array_equal(table.matches(request), expected), request
        rows = np.array([5, 2, 2])
        assert np.array_equal(table.matches(request, rows), expected[rows])


def test_two_requested_things_are_two_visible_ones() -> None:
    rng = Random(1)
    red_balls = Request(things=(RequestedThing(thing="ball", colour="red"), RequestedThing(thing="ball", count=2)))
    scenes = [random_scene(rng) for _ in range(300)]
    assert np.array_equal(
        SceneTable(scenes).matches(red_balls), [np.float32(match(red_balls, each)) for each in scenes]
    )
