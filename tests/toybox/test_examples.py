"""Examples have one right scene, and wrong scenes that differ in the way they say."""

from random import Random

import numpy as np
import pytest

from reranker.toybox.examples import differences, evaluation_example, failed_kinds, request_about, training_example
from reranker.toybox.matching import Request, RequestedThing, match
from tests.support.drawn_scenes import many_scenes, scene_of, thing


def test_an_evaluation_example_has_one_right_scene_and_wrong_ones_of_each_kind():
    rng = Random(3)
    for _ in range(100):
        example = evaluation_example(rng)
        assert match(example.request, example.right) == 1
        assert all(match(example.request, scene) < 1 for scene in example.wrong)
        kinds = example.kinds
        assert len(kinds) == 9
        assert (kinds.count("attribute"), kinds.count("two attributes"), kinds.count("other")) == (3, 2, 2)
        for kind, scene in zip(kinds, example.wrong, strict=True):
            if kind in ("count", "relation"):
                assert failed_kinds(example.request, scene) == [kind]


@pytest.mark.parametrize(
    ("items", "place", "expected"),
    [
        ((thing("cat"), thing("dog", "black")), "grass", []),
        ((thing("cat", "blue"), thing("dog", "black")), "grass", ["colour"]),
        ((thing("bird", "blue"), thing("dog", "black")), "grass", ["thing"]),
        ((thing("bird"), thing("boat")), "grass", ["thing", "thing"]),
        ((thing("dog", "black"), thing("cat")), "grass", ["relation"]),
        ((thing("bird"), thing("dog", "white")), "snow", ["thing", "colour", "place"]),
    ],
)
def test_attributes_and_relations_of_a_missing_thing_are_not_differences(items, place, expected):
    things = (RequestedThing(thing="cat", colour="red"), RequestedThing(thing="dog", colour="black"))
    request = Request(things=things, relation="left of", place="grass")
    assert differences(request, scene_of(*items, place=place)) == expected


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.extended)])
def test_the_right_scene_of_a_training_example_fulfils_the_request(count):
    rng = Random(0)
    for _ in range(count):
        example = training_example(rng)
        assert match(example.request, example.right) == 1


def test_scenes_fulfil_most_requests_about_them():
    rng = Random(1)
    matches = [match(request_about(scene, rng), scene) for scene in many_scenes()]
    assert np.mean([each == 1 for each in matches]) > 0.9
