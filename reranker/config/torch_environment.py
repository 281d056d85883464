"""Environment variables that torch and its libraries read once, when they are loaded."""

import os
from typing import Final

# Threads that wait for others sleep instead of spinning: a spinning thread takes the core of the one it waits for. With
# one of two cores busy, the toybox scored 31 pictures a second instead of 12 (docs/performance.md).
PASSIVE_WAITING: Final = {"OMP_WAIT_POLICY": "PASSIVE"}
# Segments of GPU memory that grow, so that batches of many sizes leave no unused blocks between them.
EXPANDABLE_SEGMENTS: Final = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
# If one of these is set, a person has chosen already.
CHOICES: Final = {
    "OMP_WAIT_POLICY": ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"),
    "PYTORCH_ALLOC_CONF": ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"),
}


def prepare() -> None:
    """Set the variables that nobody has set. It has no effect on a torch that is imported already."""
    for name, value in (PASSIVE_WAITING | EXPANDABLE_SEGMENTS).items():
        if not any(choice in os.environ for choice in CHOICES[name]):
            os.environ[name] = value
