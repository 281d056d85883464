"""Towers that differ from those of transformers are found."""

from functools import partial

from reranker.benchmarks.doctor import gpu_checks
from reranker.benchmarks.doctor.scores import drawn_pictures
from reranker.benchmarks.doctor.towers import measure_towers
from reranker.benchmarks.doctor.workbench import Workbench

SIZES = ((280, 224), (112, 168))


def test_both_towers_are_those_of_transformers(bench: Workbench) -> None:
    scorer = bench.scorer(bench.large)
    differences = bench.run(partial(measure_towers, bench.large, scorer, drawn_pictures(2, SIZES)))
    assert 0 < differences.vision < 1e-5
    assert 0 < differences.language < 1e-5


def test_a_difference_in_the_vision_tower_reaches_the_last_hidden_state(bench: Workbench, disturbed) -> None:
    scorer = bench.scorer(bench.large)
    with disturbed(bench.large, lambda patches: patches.roll(1, dims=0)):
        differences = bench.run(partial(measure_towers, bench.large, scorer, drawn_pictures(2, SIZES)))
    assert differences.vision > gpu_checks.TOWER_TOLERANCE
    assert differences.language > 1e-3
