"""A mistake in the model's code is measured as a significant drop."""

import re
from dataclasses import replace
from functools import partial

import pytest
import torch

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.evaluation.comparison import compare_results
from reranker.evaluation.datasets.toybox import draw_toybox_sets
from reranker.evaluation.datasets.types import Sampling
from reranker.evaluation.results import Comparison, EvaluationResult
from reranker.evaluation.runner import ModelRun, evaluate_stream
from reranker.models import decoder
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.scoring import yes_no

DATASET = draw_toybox_sets(Sampling(sets=24, candidates=5, seed=7))


def evaluate_toybox() -> EvaluationResult:
    settings = Settings.of(model="toybox", precision="fp32", score_store_mb=0)
    run = ModelRun(open=partial(Reranker, settings=settings), scorings=("yes-no",), details=("usual",))
    *_, evaluation = evaluate_stream(DATASET, [run])
    return evaluation.results[0]


@pytest.fixture(scope="module")
def correct() -> EvaluationResult:
    return evaluate_toybox()


def compare_with(correct: EvaluationResult) -> Comparison:
    """Compare the model with its planted mistake to the correct model."""
    planted = evaluate_toybox()
    other = replace(planted, configuration=replace(planted.configuration, model="planted"))
    (comparison,) = compare_results(DATASET.sets, [correct, other])
    return comparison


def is_significant_drop(comparison: Comparison) -> bool:
    differences = (comparison.differences["hit_at_1"], comparison.differences["mrr"])
    return all(each.value < 0 and each.is_significant and each.interval.high < 0 for each in differences)


@pytest.mark.extended
def test_the_correct_model_does_not_drop(correct):
    comparison = compare_with(correct)
    assert correct.metrics.hit_at_1 > 0.85
    assert comparison.changed_first == 0
    assert not any(each.is_significant for each in comparison.differences.values())


@pytest.mark.extended
def test_a_wrong_prompt(correct, monkeypatch):
    """The document comes before the query, as in other rerankers, so that the picture cannot attend to the query."""
    parts = re.fullmatch(r"(.*)(<Query>:.*\n)(<Document>:.*?)(<\|im_end\|>.*)", yes_no.LYCHEE.template, re.DOTALL)
    start, query, document, end = parts.groups()
    monkeypatch.setattr(yes_no, "LYCHEE", replace(yes_no.LYCHEE, template=start + document + query + end))
    assert is_significant_drop(compare_with(correct))


@pytest.mark.extended
def test_positions_of_one_dimension(correct, monkeypatch):
    """This is what transformers does, without a warning, if it is not given `mm_token_type_ids`."""

    def sequential_positions(before: int, rows: int, columns: int, after: int) -> torch.Tensor:
        return torch.arange(before + rows * columns + after).expand(3, -1)

    monkeypatch.setattr(decoder, "rope_positions", sequential_positions)
    assert is_significant_drop(compare_with(correct))


@pytest.mark.extended
def test_a_swapped_head(correct, monkeypatch):
    make_head = YesNoHead.of
    monkeypatch.setattr(YesNoHead, "of", lambda weight, yes, no: make_head(weight, no, yes))
    comparison = compare_with(correct)
    assert is_significant_drop(comparison)
    assert comparison.kendall_tau == pytest.approx(-1.0, abs=0.01)
