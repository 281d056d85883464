"""GPUs of which only the memory exists: what torch.cuda reports about it, with no GPU in the machine."""

from dataclasses import dataclass, field

import pytest
import torch


@dataclass(kw_only=True)
class PretendedGpu:
    """A GPU with `total` bytes. others: bytes that other programs use. allocated: by this program, for weights.

    runs: the bytes of each `run`, also of those that did not fit.
    """

    total: int
    others: int = 0
    allocated: int = 0
    reserved: int = 0
    peak: int = 0
    runs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reserved = self.peak = self.allocated

    def run(self, nbytes: int) -> None:
        """Use so many bytes for a moment, as a batch does; torch keeps them reserved."""
        self.runs.append(nbytes)
        needed = self.allocated + nbytes
        if needed > self.total - self.others:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.peak, self.reserved = max(self.peak, needed), max(self.reserved, needed)


def pretend_memory(monkeypatch: pytest.MonkeyPatch, *gpus: PretendedGpu) -> tuple[torch.device, ...]:
    """Let torch.cuda report the memory of these GPUs. Returns their devices."""

    def of(device: torch.device) -> PretendedGpu:
        return gpus[device.index]

    def free(device: torch.device) -> tuple[int, int]:
        return of(device).total - of(device).others - of(device).reserved, of(device).total

    def reset_peak(device: torch.device) -> None:
        of(device).peak = of(device).allocated

    def empty_cache() -> None:
        for gpu in gpus:
            gpu.reserved = gpu.allocated

    monkeypatch.setattr(torch.cuda, "mem_get_info", free)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: of(device).allocated)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: of(device).reserved)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: of(device).peak)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset_peak)
    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 1.0)
    return tuple(torch.device("cuda", number) for number in range(len(gpus)))
