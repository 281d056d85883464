"""All checks are in every run; without a GPU, those of the GPU say so."""

import pytest
import torch

from reranker.benchmarks.doctor.checks import NotChecked, run_check
from reranker.benchmarks.doctor.cpu_checks import CPU_CHECKS
from reranker.benchmarks.doctor.gpu_checks import GPU_CHECKS
from reranker.benchmarks.doctor.suite import checks_for, missing_requirement

GPU = torch.device("cuda", 0)


def test_without_a_gpu_its_checks_are_not_made() -> None:
    checks = checks_for("cpu")
    assert list(checks) == [*CPU_CHECKS, *GPU_CHECKS]
    for name in GPU_CHECKS:
        with pytest.raises(NotChecked, match="needs a CUDA GPU"):
            checks[name]()
    assert run_check("settings", checks["settings"]).status == "passed"


@pytest.mark.parametrize("computes", [True, False])
def test_a_gpu_must_compute_in_bf16(computes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: computes)
    assert missing_requirement(GPU) == (None if computes else "It needs a GPU that computes in BF16.")
