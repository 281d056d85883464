"""Dense targets: what each visual token shows, and whether it is requested."""

import numpy as np
import pytest

from reranker.toybox.matching import Request, RequestedThing
from reranker.toybox.model_config import DEFAULT_VISUAL_TOKENS, DETAIL_LEVELS
from reranker.toybox.scenes import Box
from reranker.toybox.targets import SLOT_CHANNELS, coverage, slot_targets, token_targets
from tests.support.drawn_scenes import many_scenes, scene_of, thing


def test_dense_targets_describe_the_thing_that_a_token_shows():
    scene = scene_of(
        thing("cat", "black"),
        thing("dog", "white"),
        boxes=(Box(x=0.25, y=0.5, width=0.5, height=1.0), Box(x=0.75, y=0.5, width=0.5, height=1.0)),
    )
    targets = token_targets(scene, 2, 4)
    assert targets.thing_indices.tolist() == [0, 0, 1, 1] * 2
    assert np.allclose(targets.centres[:, 0], [0.25, 0.25, 0.75, 0.75] * 2)
    assert coverage(scene, 2, 4).sum() == pytest.approx(8)
    request = Request(things=(RequestedThing(thing="dog", colour="red"), RequestedThing(thing="cat")), absent="dog")
    expected = np.zeros((4, len(SLOT_CHANNELS)))
    expected[:2, 2:4], expected[2:, 0], expected[2:, 4] = 1, 1, 1
    assert np.array_equal(slot_targets(request, scene, targets)[:4], expected)


@pytest.mark.parametrize("level", [level for level in DETAIL_LEVELS if level >= DEFAULT_VISUAL_TOKENS])
def test_every_visible_thing_is_shown_by_a_token_at_the_usual_detail(level):
    """At 25 tokens, two small things may share their best token, which then shows the larger one."""
    side = int(level**0.5)
    for scene in many_scenes(100):
        shown = set(token_targets(scene, side, side).thing_indices.tolist()) - {-1}
        assert shown == set(range(len(scene.visible)))
