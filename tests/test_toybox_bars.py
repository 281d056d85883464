"""What the embedded checkpoint must be able to do: on a small sample always, in full behind the marker."""

from random import Random

import numpy as np
import pytest

from reranker import Reranker
from reranker.scores import shown_score
from reranker.toybox.evaluation import ExamResult, even_grades, examinations, figures, spearman
from reranker.toybox.gallery import sample_scenes

GALLERY = "assets/gallery/{}.png"


@pytest.fixture(scope="module")
def toybox():
    return Reranker("toybox")


@pytest.fixture(scope="module")
def sample(toybox):
    return figures(list(examinations(toybox.load(), 60)))


def test_the_right_picture_comes_first_in_most_of_a_small_sample(sample):
    assert sample.first >= 0.8


def test_counts_and_relations_go_the_right_way_round_in_a_small_sample(sample):
    assert sample.structure_pairs >= 0.85


def test_scores_follow_the_graded_match_in_a_small_sample(sample):
    assert sample.spearman >= 0.8


@pytest.mark.slow
def test_the_bars_in_full(toybox):
    measured = figures(list(examinations(toybox.load(), 1000)))
    assert measured.first >= 0.90
    assert min(measured.first_by_language.values()) >= 0.87
    assert measured.structure_pairs >= 0.90
    assert measured.spearman >= 0.85
    assert measured.spearman_pairs >= 1900


def test_a_woman_in_a_red_dress_is_no_fire_truck(toybox):
    ranking = toybox.rank("a woman in a red dress", [GALLERY.format(name) for name in sample_scenes()])
    scores = {one.candidate.name: shown_score(one.judgement.log_odds) for one in ranking.scored}
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
def test_the_gallery_answers_its_own_queries(toybox, query, first):
    ranking = toybox.rank(query, [GALLERY.format(name) for name in sample_scenes()])
    assert ranking.scored[0].candidate.name == first


def test_spearman_by_hand():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert spearman(values, np.exp(values)) == pytest.approx(1)
    assert spearman(values, -values) == pytest.approx(-1)
    assert spearman(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])) == pytest.approx(3**0.5 / 2)


def exam(right, wrong, kinds, language="en"):
    return ExamResult(language=language, right=right, wrong=wrong, kinds=kinds, matches=(0.5,) * len(wrong))


def test_a_tie_is_not_a_first_place():
    assert not exam(1.0, (1.0,), ("other",)).is_first
    assert exam(1.0, (0.5,), ("other",)).is_first


def test_grades_are_drawn_evenly():
    grades = (0.0, 0.25, 0.5, 0.6, 0.75, 1.0)
    results = [
        ExamResult(language="en", right=3.0, wrong=(0.0,) * 5, kinds=("other",) * 5, matches=grades[:-1])
        for _ in range(20)
    ]
    drawn = even_grades(results, 60, Random(0))
    matches = [match for _, match in drawn]
    assert {grade: matches.count(grade) for grade in set(matches)} == dict.fromkeys(grades, 10)
