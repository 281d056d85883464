"""Towers that differ from those of transformers are found."""

from functools import partial

from reranker.benchmarks.doctor import gpu_checks
from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.scores import drawn_pictures
from reranker.benchmarks.doctor.towers import measure_towers

SIZES = ((280, 224), (112, 168))


def test_both_towers_are_those_of_transformers(context: CheckContext) -> None:
    scorer = context.scorer(context.large)
    differences = context.run(partial(measure_towers, context.large, scorer, drawn_pictures(2, SIZES)))
    assert 0 < differences.vision < 1e-5
    assert 0 < differences.language < 1e-5


def test_a_difference_in_the_vision_tower_reaches_the_last_hidden_state(context: CheckContext, disturbed) -> None:
    scorer = context.scorer(context.large)
    with disturbed(context.large, lambda patches: patches.roll(1, dims=0)):
        differences = context.run(partial(measure_towers, context.large, scorer, drawn_pictures(2, SIZES)))
    assert differences.vision > gpu_checks.TOWER_TOLERANCE
    assert differences.language > 1e-3
