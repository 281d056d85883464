"""Measure the memory use of this process, on the host and on GPUs."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import torch

_RESET_PEAK: Final = "5"  # see proc_pid_clear_refs(5)


def process_bytes(field: str) -> int | None:
    """Return a field of /proc/self/status in bytes; None on systems without it.

    field: "VmRSS", the resident memory, or "VmHWM", its peak. `getrusage` is not used, because its peak includes that
        of the parent process.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)


class PeakMemory:
    """The peak memory use since `reset`, on the fullest GPU, or of the host if no GPU is used."""

    def __init__(self, *, on_gpu: bool) -> None:
        self._gpus = range(torch.cuda.device_count()) if on_gpu else range(0)
        if self._gpus:
            torch.cuda.empty_cache()  # free the unused memory of earlier work

    def reset(self) -> None:
        """Start a new measurement. If the system cannot reset the peak, it remains that of the whole process."""
        for gpu in self._gpus:
            torch.cuda.reset_peak_memory_stats(gpu)
        if not self._gpus:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")

    def peak_bytes(self) -> int | None:
        """Return the peak in bytes; None if the system does not measure it."""
        if self._gpus:
            return max(map(torch.cuda.max_memory_reserved, self._gpus))
        return process_bytes("VmHWM")
