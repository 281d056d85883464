"""Attention that differs from its formula is found, in every layout."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from reranker.benchmarks.doctor import attention as measured
from reranker.benchmarks.doctor.attention import CASES, AttentionCase, attention_by_formula, check_attention
from reranker.models.layers import attention
from tests.support.attention import kernel_by_its_description

CPU = torch.device("cpu")
PAIR = AttentionCase(
    name="a token after a prefix of one", lengths=(1,), head_dim=2, heads=1, key_heads=1, prefix_tokens=1
)


def test_the_formula_weighs_values_by_the_softmax_of_products() -> None:
    query = torch.tensor([[[2**0.5, 0.0]]])
    key, value = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]]]), torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    weight = 1 / (1 + torch.tensor(1.0).exp().item() ** -1)  # the products are 0 and 1
    assert attention_by_formula(PAIR, query, key, value).tolist() == [[pytest.approx([weight, 1 - weight])]]


def test_attention_of_this_program_passes_in_every_layout() -> None:
    found = check_attention(CPU, torch.float32)
    assert found.passed
    assert set(found.figures) == {case.name for case in CASES} | {"allowed", "kernel"}


@pytest.mark.usefixtures("small_cases")
def test_the_kernel_as_it_is_documented_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_kernel(monkeypatch, kernel_by_its_description)
    assert check_attention(CPU, torch.float32).passed


@pytest.fixture
def small_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same layouts with fewer tokens and heads."""
    cases = [
        replace(
            case,
            lengths=tuple(min(length, 40) for length in case.lengths),
            heads=2 * case.key_heads // 4,
            key_heads=case.key_heads // 4,
        )
        for case in CASES
    ]
    monkeypatch.setattr(measured, "CASES", tuple(cases))


def use_kernel(monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., torch.Tensor]) -> None:
    monkeypatch.setattr(attention, "has_kernel", lambda _: True)
    monkeypatch.setattr(attention, "varlen_attn", kernel)


@pytest.mark.usefixtures("small_cases")
def test_a_kernel_that_looks_ahead_fails_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_ahead(*inputs, window_size, num_splits, enable_gqa=False, **options) -> torch.Tensor:
        return kernel_by_its_description(
            *inputs, window_size=(-1, -1), num_splits=num_splits, enable_gqa=enable_gqa, **options
        )

    use_kernel(monkeypatch, look_ahead)
    found = check_attention(CPU, torch.float32)
    assert not found.passed
    wrong = {case.name for case in CASES if found.figures[case.name] > found.figures["allowed"]}
    assert wrong == {"grouped heads", "prefix", "branches", "tails with branches"}


@pytest.mark.usefixtures("small_cases")
@pytest.mark.parametrize(
    "spoil",
    [lambda output: output.roll(1, dims=0), lambda output: 1.01 * output, lambda output: torch.nan * output],
    ids=["tokens at other places", "one per cent too large", "no number"],
)
def test_wrong_attention_fails(spoil: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    attend = measured.attend
    monkeypatch.setattr(measured, "attend", lambda *inputs, **options: spoil(attend(*inputs, **options)))
    assert not check_attention(CPU, torch.float32).passed
