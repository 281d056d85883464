"""The share of the conditions of a request that a scene fulfils, on values computed by hand."""

import pytest

from reranker.toybox.matching import Request, RequestedThing, match
from tests.support.drawn_scenes import scene_of, thing

RED_BALLS = scene_of(thing("ball"), thing("ball"), thing("ball", "blue"))
CAT_DOG = scene_of(thing("cat", "black"), thing("dog", "white"))
LADY = scene_of(thing("woman", "red", straw_hat=True, held="ball", held_colour="blue"))
CAT, DOG, BIRD = (RequestedThing(thing=name) for name in ("cat", "dog", "bird"))
BLACK_CAT = RequestedThing(thing="cat", colour="black")


@pytest.mark.parametrize(
    ("request_", "scene", "expected"),
    [
        (Request(things=(RequestedThing(thing="ball", colour="red", count=2),)), RED_BALLS, 1),
        (Request(things=(RequestedThing(thing="ball", colour="red", count=3),)), RED_BALLS, 2 / 3),
        (Request(things=(RequestedThing(thing="ball", count=3),)), RED_BALLS, 1),
        (Request(things=(RequestedThing(thing="ball", count=2),)), RED_BALLS, 1 / 2),
        (Request(things=(RequestedThing(thing="ball", colour="green", count=3),)), RED_BALLS, 2 / 3),
        (
            Request(things=(BLACK_CAT, DOG), relation="left of"),
            CAT_DOG,
            1,
        ),
        (
            Request(things=(BLACK_CAT, DOG), relation="above"),
            CAT_DOG,
            3 / 4,
        ),
        (
            Request(things=(CAT, BIRD), relation="left of"),
            CAT_DOG,
            1 / 3,
        ),
        (Request(things=(CAT, CAT)), CAT_DOG, 1 / 2),
        (Request(things=(RequestedThing(thing="bird", colour="black"),), place="grass"), CAT_DOG, 1 / 3),
        (Request(things=(RequestedThing(thing="woman", colour="red", straw_hat=True),), place="snow"), LADY, 3 / 4),
        (Request(things=(RequestedThing(thing="woman", held="ball", held_colour="red"),)), LADY, 2 / 3),
        (Request(things=(RequestedThing(thing="ball", colour="blue"),)), LADY, 1),
        (Request(place="grass", absent="people"), LADY, 1 / 2),
        (Request(place="grass", absent="ball"), LADY, 1 / 2),
        (Request(place="grass", absent="car"), LADY, 1),
    ],
)
def test_the_share_of_conditions_that_hold(request_, scene, expected):
    assert match(request_, scene) == pytest.approx(expected)
