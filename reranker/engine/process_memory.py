"""What this process takes of the machine's memory and of its cards, now and at most."""

from contextlib import suppress
from pathlib import Path
from typing import Final

import torch

_RESET_PEAK: Final = "5"  # see proc_pid_clear_refs(5)


def process_bytes(field: str) -> int | None:
    """Of this process, as Linux counts: VmRSS resident now, VmHWM at most (getrusage's would be the parent's, too).

    None on systems that do not count it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:")), None)


class PeakMemory:
    """The most that was in use since `begin`: of the fullest card where there is one, else resident memory."""

    def __init__(self, *, on_gpu: bool) -> None:
        self._gpus = range(torch.cuda.device_count()) if on_gpu else range(0)
        if self._gpus:
            torch.cuda.empty_cache()  # of what was loaded before

    def begin(self) -> None:
        """Forget what was before. Where the system cannot, the peak is that of the process so far."""
        for gpu in self._gpus:
            torch.cuda.reset_peak_memory_stats(gpu)
        if not self._gpus:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")

    def taken(self) -> int | None:
        """Bytes; None where nobody counts them."""
        if self._gpus:
            return max(map(torch.cuda.max_memory_reserved, self._gpus))
        return process_bytes("VmHWM")
