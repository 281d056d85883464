"""The checks of a run: those of the CPU, then those of the GPU."""

from collections.abc import Callable, Mapping
from functools import partial

import torch

from reranker.benchmarks.doctor.checks import Finding, NotChecked
from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.doctor.cpu_checks import CPU_CHECKS
from reranker.benchmarks.doctor.gpu_checks import GPU_CHECKS
from reranker.config.settings import Device
from reranker.models.memory_plan import choose_device


def checks_for(setting: Device) -> Mapping[str, Callable[[], Finding]]:
    """Return all checks of a device by their names, in order.

    Those of the CPU are always there. Those of a GPU raise `NotChecked` without one that computes in BF16.
    """
    device = choose_device(setting)
    context, missing = CheckContext(device), missing_requirement(device)
    on_cpu = {name: partial(check, context) for name, check in CPU_CHECKS.items()}
    on_gpu = {
        name: partial(check, context) if missing is None else partial(_not_checked, missing)
        for name, check in GPU_CHECKS.items()
    }
    return on_cpu | on_gpu


def missing_requirement(device: torch.device) -> str | None:
    """Return a sentence about why the checks of the GPU cannot be made with a device, or None if they can."""
    if device.type != "cuda":
        return "It needs a CUDA GPU, and this run uses the CPU alone."
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        return "It needs a GPU that computes in BF16."
    return None


def _not_checked(reason: str) -> Finding:
    raise NotChecked(reason)
