"""The verdict on two configurations, and what they are called."""

from dataclasses import replace

import pytest

from reranker.evaluation.results import Configuration, Difference, Interval
from reranker.ui.evaluate_tab.results_view import evaluation_value, method_name
from tests.support.evaluate_tab import TWO_METHODS


def way(scoring: str, visual_tokens: int = 49) -> Configuration:
    return Configuration(model="m", precision="bf16", scoring=scoring, visual_tokens=visual_tokens)


def compared(tab, numbers, **differences: float) -> dict:
    """The one verdict on two ways, where the second differs by so much, and really."""
    tab.add("a cat", numbers[1])
    tab.evaluate(*TWO_METHODS)
    found = tab.session.evaluation.result.evaluation
    values = {"hit_at_1": 0.0, "mrr": 0.0, "ndcg_at_10": 0.0} | differences
    pair = replace(
        found.comparisons[0],
        differences={
            name: Difference(
                value=value, interval=Interval(low=value - 0.1, high=value + 0.1), p=0.01, is_significant=value != 0
            )
            for name, value in values.items()
        },
    )
    board = evaluation_value(replace(found, comparisons=(pair,)), (1, 2, 3), {}.get, "en")
    return board["verdicts"][0]


@pytest.mark.parametrize(
    ("differences", "said"),
    [
        (
            {"hit_at_1": 0.25},
            "“rating · usual (2 tokens)” is significantly better than “yes or no · usual (2 tokens)”: "
            "first place +25 points (95 %: +15 to +35).",
        ),
        (
            {"hit_at_1": -0.25, "mrr": -0.2},
            "“yes or no · usual (2 tokens)” is significantly better than “rating · usual (2 tokens)”: "
            "first place +25 points (95 %: +15 to +35) and MRR +0.200 (+0.100 to +0.300).",
        ),
        (
            {},
            "“rating · usual (2 tokens)” and “yes or no · usual (2 tokens)” do not differ significantly: "
            "first place 0 points (95 %: −10 to +10).",
        ),
    ],
)
def test_the_better_of_two_is_named_first(tab, numbers, differences, said):
    verdict = compared(tab, numbers, **differences)
    assert verdict == {"text": f"{said} Their first pictures differ for 0 of 1 sentences.", "real": bool(differences)}


def test_a_way_is_called_by_its_detail_or_by_its_tokens():
    details = (25, 49, 64)
    assert method_name(way("yes-no", 64), details, "en") == "yes or no · high (64 tokens)"
    assert method_name(way("rating", 36), details, "zh") == "文字评分 · 36 token"
    assert method_name(way("rating", 49), (49, 49, 49), "en") == "rating · low (49 tokens)"
