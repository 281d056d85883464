"""Drawings depend on the scene only, and show every thing, colour and accessory."""

from dataclasses import replace
from random import Random

import pytest

from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import COLOURS, THINGS, random_scene
from tests.support.drawn_scenes import scene_of, thing


def test_the_same_seed_draws_the_same_picture():
    first, second = (draw_scene(random_scene(Random(4))) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != draw_scene(random_scene(Random(5))).tobytes()


@pytest.mark.parametrize("name", THINGS)
def test_every_thing_is_drawn_in_every_colour(name):
    pictures = set()
    for colour in COLOURS:
        pictures.add(draw_scene(scene_of(thing(name, colour))).tobytes())
    assert len(pictures) == len(COLOURS)


def test_hats_and_held_things_are_drawn():
    plain = thing("woman", "red")
    equipped = [plain, replace(plain, straw_hat=True)]
    equipped += [replace(plain, held=held, held_colour="blue") for held in ("ball", "umbrella")]
    assert len({draw_scene(scene_of(item)).tobytes() for item in equipped}) == 4
