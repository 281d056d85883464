"""The checks of the CPU pass on this program, and a planted fault makes them fail."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import ModuleType

import pytest
import torch

from reranker.benchmarks.doctor import cpu_checks
from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.cpu_checks import GOLDEN_FILE
from reranker.benchmarks.doctor.scores import drawn_pictures
from reranker.benchmarks.doctor.speeds import Speeds
from reranker.benchmarks.parity import read_golden_file
from reranker.models.qwen2_5_vl import vision
from reranker.models.qwen3_vl import vision as qwen3_vision


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_checks, "drawn_pictures", partial(drawn_pictures, 2))


PARITY = pytest.param(cpu_checks.parity, marks=pytest.mark.extended)


@pytest.mark.parametrize("check", [cpu_checks.settings, PARITY, cpu_checks.towers, cpu_checks.batch_invariance])
def test_this_program_passes(check: Callable, context: CheckContext) -> None:
    found = check(context)
    assert found.passed
    assert found.sentence.endswith(".")


@pytest.mark.parametrize("check", [PARITY, cpu_checks.batch_invariance])
def test_a_disturbed_vision_embedding_fails(check: Callable, context: CheckContext, disturbed) -> None:
    """The mean of all patches of a batch is added to each, so every picture changes the others."""
    with disturbed(context.toybox, lambda patches: patches + patches.mean(dim=0)):
        assert not check(context).passed


@pytest.mark.parametrize("planted", [vision, qwen3_vision])
def test_wrong_rotary_positions_of_either_architecture_fail(
    planted: ModuleType, context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation = planted.vision_rotation
    monkeypatch.setattr(planted, "vision_rotation", lambda network, at: rotation(network, at + (at > 3).long()))
    assert not cpu_checks.towers(context).passed


def test_scores_unlike_those_of_the_golden_file_fail(context: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to score have changed, as a library that changes would do it."""
    golden = read_golden_file(GOLDEN_FILE)
    moved = [replace(each, ours=each.ours + 0.02, transformers=each.transformers + 0.02) for each in golden.scores]
    monkeypatch.setattr(cpu_checks, "measure_parity", lambda _: replace(golden, scores=tuple(moved)))
    found = cpu_checks.parity(context)
    assert not found.passed
    assert found.figures["from_transformers"] < 1e-3
    assert found.figures["from_golden_file"] == pytest.approx(0.02, rel=0.01)


def test_an_invalid_setting_fails_with_its_sentence(context: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANKER_DETAIL", "finest")
    found = cpu_checks.settings(context)
    assert not found.passed
    assert found.sentence.startswith("The setting “detail” is “finest” but must be low | ")


@pytest.mark.parametrize("multiplies", [True, False])
def test_the_product_is_measured_in_the_precisions_that_the_cpu_multiplies(
    multiplies: bool, context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {torch.float32: 0.2, torch.bfloat16: 0.8}
    monkeypatch.setattr(cpu_checks, "multiplies_bf16", lambda: multiplies)
    monkeypatch.setattr(cpu_checks, "product_tflops", lambda device, dtype: rates[dtype])
    figures = cpu_checks.matrix_product(context).figures
    assert figures == {"fp32_tflops": 0.2} | ({"bf16_tflops": 0.8} if multiplies else {})


@pytest.mark.parametrize(("known", "passed"), [(500.0, True), (80.0, False)])
def test_cached_features_must_make_it_faster(
    known: float, passed: bool, context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    speeds = Speeds(images_per_s={"ours": 80.0, "ours_known": known}, product_share=0.5)
    monkeypatch.setattr(cpu_checks, "measure_speeds", lambda *_: speeds)
    found = cpu_checks.speed(context)
    assert found.passed == passed
    assert found.figures == {"new_images_per_s": 80.0, "cached_images_per_s": known}
