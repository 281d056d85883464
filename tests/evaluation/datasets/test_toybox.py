"""Generated sets of the toybox: those that its model is evaluated on, and larger and smaller ones."""

from collections import Counter
from random import Random

import pytest

from reranker.evaluation.datasets.loading import open_dataset
from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.drawing import png_bytes
from reranker.toybox.examples import EVALUATION_SEED, WRONG_KINDS_CYCLE, differences, evaluation_example
from reranker.toybox.matching import match

KINDS = {"thing", "colour", "place", "count", "relation", "absence", "outfit", "several"}


@pytest.fixture(scope="module")
def sets():
    return open_dataset("toybox:12:10").sets


def test_sets_of_ten_are_those_of_the_toyboxs_evaluation(sets):
    rng = Random(EVALUATION_SEED)
    for number, one in enumerate(sets):
        example = evaluation_example(rng)
        assert one.query == write_caption(example.request, LANGUAGES[number % 3], rng).text
        assert one.language == LANGUAGES[number % 3]
        right = [each for each in one.pictures if each.is_relevant]
        wrong = [each for each in one.pictures if not each.is_relevant]
        assert [each.source for each in right] == [png_bytes(example.right)]
        assert [each.source for each in wrong] == [png_bytes(scene) for scene in example.wrong]
        assert [each.grade for each in wrong] == [match(example.request, scene) for scene in example.wrong]
        assert [(each.gain, each.grade, each.kind) for each in right] == [(1, 1.0, "")]


def test_the_queries_are_those_of_the_published_metrics():
    rng = Random(EVALUATION_SEED)
    queries = [write_caption(evaluation_example(rng).request, LANGUAGES[number % 3], rng).text for number in range(6)]
    assert queries == [
        "a bird right of a ball",
        "一个红色皮球下面有穿红色裙子的小女孩在窗边，没有猫",
        "一只小猫 under a little girl at the seaside",
        "two blue flowers in a meadow",
        "窗台上，3个杯子",
        "2 little girls in green dresses 在海边",
    ]


def test_names_and_ids_are_unique(sets):
    assert [one.id for one in sets][:2] == ["toybox-0001", "toybox-0002"]
    assert [each.name for each in sets[1].pictures][:3] == [f"toybox-0002-0{place}.png" for place in (1, 2, 3)]
    names = [each.name for one in sets for each in one.pictures]
    assert len(set(names)) == len(names)


def test_the_kind_of_an_irrelevant_picture_is_the_part_that_does_not_match():
    rng = Random(EVALUATION_SEED + 2)
    kinds = set()
    for one in open_dataset("toybox:30:6:2").sets:
        example = evaluation_example(rng, 6)
        write_caption(example.request, one.language, rng)
        wrong = [each for each in one.pictures if not each.is_relevant]
        for each, scene in zip(wrong, example.wrong, strict=True):
            failed = differences(example.request, scene)
            worn = failed[0] in ("hat", "held", "held colour")
            assert each.kind == ("several" if len(failed) > 1 else "outfit" if worn else failed[0])
            kinds.add(each.kind)
    assert kinds >= {"colour", "place", "count", "relation", "outfit", "several"}


def test_irrelevant_pictures_have_a_kind_and_a_lower_grade(sets):
    wrong = [each for one in sets for each in one.pictures if not each.is_relevant]
    assert {each.kind for each in wrong} <= KINDS
    assert len({each.kind for each in wrong}) >= 6
    assert all(each.grade < 1 for each in wrong)


def test_the_relevant_picture_may_be_at_any_position(sets):
    places = {[each.is_relevant for each in one.pictures].index(True) for one in sets}
    assert len(places) >= 6


def test_a_seed_generates_the_same_sets_and_another_seed_others():
    dataset = open_dataset("toybox:3:4:5")
    assert dataset.name == "toybox:3:4:5"
    assert dataset == open_dataset("toybox:3:4:5")
    assert {one.query for one in dataset.sets}.isdisjoint(one.query for one in open_dataset("toybox:3:4:6").sets)


def test_more_sets_start_with_the_same():
    assert open_dataset("toybox:4:3").sets[:2] == open_dataset("toybox:2:3").sets


def test_the_numbers_have_defaults():
    assert open_dataset("toybox:2").name == "toybox:2:15:0"
    assert [len(one.pictures) for one in open_dataset("toybox:2").sets] == [15, 15]


@pytest.mark.parametrize("candidates", [2, 3, 5, 10, 15, 19, 46, 100])
def test_kinds_have_the_same_shares_with_any_number_of_candidates(candidates):
    example = evaluation_example(Random(7), candidates)
    assert len(example.wrong) == len(example.kinds) == candidates - 1
    structure = {"count": "structure", "relation": "structure"}
    counts = Counter(structure.get(kind, kind) for kind in example.kinds)
    for kind, share in Counter(WRONG_KINDS_CYCLE).items():
        assert abs(counts[kind] - share / 9 * (candidates - 1)) < 1, kind
