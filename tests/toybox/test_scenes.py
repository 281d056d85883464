"""Random scenes: within limits, without overlap, and with the requested relation."""

from dataclasses import replace
from itertools import combinations
from random import Random

from reranker.toybox.captions import LANGUAGES
from reranker.toybox.scenes import COLOURS, PLACES, RELATIONS, THINGS, Box, arrange_scene, related
from tests.support.drawn_scenes import many_scenes, thing


def test_the_world_has_the_promised_size():
    assert len(THINGS) >= 16
    assert len(COLOURS) == 9
    assert len(PLACES) == 6
    assert len(LANGUAGES) == 3


def test_sides_and_boxes_are_within_limits_and_boxes_do_not_overlap():
    for scene in many_scenes():
        assert all(224 <= side <= 640 for side in (scene.width_px, scene.height_px))
        for box in scene.boxes:
            assert box.width / 2 <= box.x <= 1 - box.width / 2
            assert box.height / 2 <= box.y <= 1 - box.height / 2
        assert not any(a.overlaps(b, gap=0) for a, b in combinations(scene.boxes, 2))


def test_every_visible_thing_covers_at_least_one_and_a_half_visual_tokens():
    """Of 49, by the area of its box. A straw hat covers a quarter of a person and is larger than a held ball."""
    smallest = min(thing.box.width * thing.box.height for scene in many_scenes() for thing in scene.visible)
    assert smallest * 49 >= 1.49


def test_a_relation_needs_fifteen_percent_of_a_side():
    middle = Box(x=0.5, y=0.5, width=0.1, height=0.1)
    for distance, holds in ((0.14, False), (0.16, True)):
        left, above = replace(middle, x=0.5 - distance), replace(middle, y=0.5 - distance)
        assert related(left, "left of", middle) == related(middle, "right of", left) == holds
        assert related(above, "above", middle) == related(middle, "below", above) == holds


def test_an_arrangement_has_the_requested_relation():
    rng = Random(8)
    for relation in RELATIONS:
        scene = arrange_scene((thing("cat"), thing("dog")), "grass", rng, relation)
        assert related(scene.boxes[0], relation, scene.boxes[1])
