"""The embedded checkpoint ranks its gallery, a small sample and 1,000 sets well."""

import pytest

from reranker import Reranker
from reranker.core.scores import shown_score
from reranker.evaluation.datasets.loading import open_dataset
from reranker.evaluation.results import Metrics
from reranker.evaluation.runner import ModelRun, evaluate_stream
from reranker.toybox.gallery import sample_scenes
from tests.support.paths import GALLERY


def evaluate(reranker: Reranker, dataset: str) -> Metrics:
    plan = ModelRun(open=lambda: reranker, scorings=("yes-no",), details=("usual",))
    *_, evaluation = evaluate_stream(open_dataset(dataset), [plan])
    return evaluation.results[0].metrics


def structure_pair_accuracy(metrics: Metrics) -> float:
    """The share of pairs in the right order, among those that differ only in a count or a relation."""
    shares = [metrics.kinds[kind] for kind in ("count", "relation")]
    return sum(share.value * share.count for share in shares) / sum(share.count for share in shares)


@pytest.mark.extended
def test_a_small_sample_is_ranked_well(toybox):
    metrics = evaluate(toybox, "toybox:60:10")
    assert metrics.hit_at_1 >= 0.8
    assert structure_pair_accuracy(metrics) >= 0.85
    assert metrics.spearman >= 0.8


@pytest.mark.slow
def test_the_published_minimums_hold(toybox):
    metrics = evaluate(toybox, "toybox:1000:10")
    assert metrics.hit_at_1 >= 0.95
    assert {language: share.value >= 0.92 for language, share in metrics.languages.items()} == dict.fromkeys(
        ("en", "mixed", "zh"), True
    )
    assert structure_pair_accuracy(metrics) >= 0.95
    assert metrics.spearman >= 0.9


def test_a_fire_truck_scores_low_for_a_woman_in_a_red_dress(toybox):
    ranking = toybox.rank("a woman in a red dress", [GALLERY / f"{name}.png" for name in sample_scenes()])
    scores = {scored.candidate.name: shown_score(scored.score.log_odds) for scored in ranking.scored}
    assert ranking.scored[0].candidate.name.startswith("red_dress")
    assert scores["red_dress_meadow.png"] >= 7
    assert all(score < 5 for name, score in scores.items() if "fire_truck" in name)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("一只 black cat 在窗台上", "black_cat_window_sill.png"),
        ("three yellow balls", "three_yellow_balls.png"),
        ("海边的房子,没有人", "house_by_the_sea.png"),
        ("a dog to the left of a tree", "dog_left_of_tree.png"),
        ("戴草帽的男人", "man_straw_hat.png"),
    ],
)
def test_each_sample_query_finds_its_picture(toybox, query, first):
    ranking = toybox.rank(query, [GALLERY / f"{name}.png" for name in sample_scenes()])
    assert ranking.scored[0].candidate.name == first
