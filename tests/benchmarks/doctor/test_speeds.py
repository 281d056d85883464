"""Speeds are measured by the methods of the benchmark, on a model that is loaded already."""

import pytest

from reranker.benchmarks.doctor import speeds
from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.speeds import measure_speeds


def test_every_method_has_a_speed(context: CheckContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "ROUNDS", 1)
    monkeypatch.setattr(speeds, "product_tflops", lambda device, dtype: 0.1)
    methods = ("pairwise", "padded", "ours", "ours_known")
    measured = measure_speeds(context, context.toybox, methods, 2)
    assert tuple(measured.images_per_s) == methods
    assert min(measured.images_per_s.values()) > 0
    # The toybox takes some 2 * 5e6 operations for each of about 200 patches and 100 tokens.
    assert 1e-4 < 0.1 * measured.product_share / measured.images_per_s["ours"] < 1e-2
