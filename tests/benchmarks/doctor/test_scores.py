"""Scores that depend on the other pictures of a batch are found, and so are scores that are no numbers."""

from functools import partial

import pytest
import torch

from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.scores import (
    Agreement,
    agreement_finding,
    compare,
    drawn_pictures,
    log_odds,
    measure_agreement,
    measure_batch_invariance,
    prepared,
)


def test_scores_of_the_toybox_do_not_depend_on_the_batch(context: CheckContext) -> None:
    found = context.run(partial(measure_batch_invariance, context.scorer(context.toybox), drawn_pictures(2)))
    assert found.largest_difference < 1e-4
    assert (found.first_changed, found.rankings) == (0, 3 * 2)


def test_scores_of_another_order_are_put_back(context: CheckContext) -> None:
    pictures = drawn_pictures(5, ((112, 112), (140, 112)))
    found = context.run(partial(measure_batch_invariance, context.scorer(context.large), pictures))
    assert found.largest_difference < 1e-4


def test_a_model_that_mixes_the_pictures_of_a_batch_is_found(context: CheckContext, disturbed) -> None:
    with disturbed(context.toybox, lambda patches: patches + patches.mean(dim=0)):
        found = context.run(partial(measure_batch_invariance, context.scorer(context.toybox), drawn_pictures(2)))
    assert found.largest_difference > 1e-3


def test_pictures_have_several_sizes_and_are_always_the_same(context: CheckContext) -> None:
    images = prepared(context.scorer(context.toybox), drawn_pictures(4))
    assert len({image.visual_tokens for image in images}) > 1
    assert [picture.source for picture in drawn_pictures(4)] == [picture.source for picture in drawn_pictures(4)]


def test_a_batch_size_changes_no_place(context: CheckContext) -> None:
    scorer = context.scorer(context.toybox)
    images = prepared(scorer, drawn_pictures(3))
    by_twos, at_once = (context.run(partial(log_odds, scorer, images, batch)) for batch in (2, 8))
    assert by_twos.shape == (2, 3)
    assert torch.allclose(by_twos, at_once, atol=1e-4)


def test_another_model_is_found(context: CheckContext, disturbed) -> None:
    scorer, pictures = context.scorer(context.toybox), drawn_pictures(2)
    assert context.run(partial(measure_agreement, scorer, scorer, pictures)).largest_difference == 0
    other = context.scorer(context.large)
    assert context.run(partial(measure_agreement, other, scorer, pictures)).largest_difference > 0.5


def test_differences_and_first_places_are_counted() -> None:
    expected = torch.tensor([[1.0, 2.0], [3.0, 2.5]])
    assert compare(expected + torch.tensor([0.0, 1.0]), expected) == Agreement(
        largest_difference=1.0, first_changed=1, rankings=2
    )
    assert compare(torch.tensor([[torch.nan, 2.0]]), expected[:1]).largest_difference == torch.inf


@pytest.mark.parametrize(("difference", "passed"), [(0.1, True), (0.11, False), (torch.inf, False)])
def test_the_largest_difference_decides(difference: float, passed: bool) -> None:
    small = Agreement(largest_difference=0.01, first_changed=1, rankings=4)
    large = Agreement(largest_difference=difference, first_changed=2, rankings=4)
    found = agreement_finding("Scores differ", {"one": small, "other": large}, 0.1)
    assert found.passed == passed
    assert found.sentence.startswith("Scores differ by at most ")
    assert found.sentence.endswith("the first place changed in 3 of 8 rankings.")
    assert found.figures["other, largest_difference"] == difference
