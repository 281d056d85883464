"""An evaluation sees a mistake in the model's code as a drop that is more than chance."""

import re
from dataclasses import replace
from functools import partial

import pytest
import torch

from reranker import Reranker
from reranker.config.settings import Settings
from reranker.evaluation.comparison import compared
from reranker.evaluation.datasets.sampling import Sampling
from reranker.evaluation.datasets.toybox import draw_toybox_sets
from reranker.evaluation.results import Comparison, Evaluated
from reranker.evaluation.runner import ModelRun, evaluate_stream
from reranker.models.layers.yes_no_head import YesNoHead
from reranker.models.qwen2_5_vl import language
from reranker.models.scoring import methods as opinions

DRAWN = draw_toybox_sets(Sampling(sets=24, candidates=5, seed=7))


def evaluated() -> Evaluated:
    settings = Settings.of(model="toybox", precision="fp32", score_store_mb=0)
    plan = ModelRun(open=partial(Reranker, settings=settings), scorings=("yes-no",), details=("usual",))
    *_, evaluation = evaluate_stream(DRAWN, [plan])
    return evaluation.evaluated[0]


@pytest.fixture(scope="module")
def sound() -> Evaluated:
    return evaluated()


def against(sound: Evaluated) -> Comparison:
    """What is planted now, compared with the model as it is."""
    planted = evaluated()
    other = replace(planted, configuration=replace(planted.configuration, model="planted"))
    (comparison,) = compared(DRAWN.sets, [sound, other])
    return comparison


def is_a_real_drop(comparison: Comparison) -> bool:
    first, mrr = comparison.differences["first"], comparison.differences["mrr"]
    return all(one.value < 0 and one.is_real and one.interval.high < 0 for one in (first, mrr))


def test_nothing_planted_is_no_drop(sound):
    comparison = against(sound)
    assert sound.figures.first > 0.85
    assert comparison.changed_first == 0
    assert not any(one.is_real for one in comparison.differences.values())


@pytest.mark.extended
def test_a_wrong_prompt(sound, monkeypatch):
    """The document before the query, as in other rerankers' layouts: the picture is read without knowing what for."""
    parts = re.fullmatch(r"(.*)(<Query>:.*\n)(<Document>:.*?)(<\|im_end\|>.*)", opinions.LYCHEE.template, re.DOTALL)
    begin, query, document, end = parts.groups()
    monkeypatch.setattr(opinions, "LYCHEE", replace(opinions.LYCHEE, template=begin + document + query + end))
    assert is_a_real_drop(against(sound))


@pytest.mark.extended
def test_positions_of_one_dimension(sound, monkeypatch):
    """What transformers does in silence where it is not told which tokens are a picture's."""

    def counted(before: int, rows: int, columns: int, after: int) -> torch.Tensor:
        return torch.arange(before + rows * columns + after).expand(3, -1)

    monkeypatch.setattr(language, "rope_positions", counted)
    assert is_a_real_drop(against(sound))


def test_a_swapped_head(sound, monkeypatch):
    rightly = YesNoHead.of
    monkeypatch.setattr(YesNoHead, "of", lambda weight, yes, no: rightly(weight, no, yes))
    comparison = against(sound)
    assert is_a_real_drop(comparison)
    assert comparison.kendall_tau == pytest.approx(-1.0, abs=0.01)
