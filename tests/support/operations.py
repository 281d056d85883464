"""Counts the operations that torch runs, each of which is a kernel launch on a GPU."""

from collections import Counter
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# They make views or memory, and launch nothing.
VIEWS = {
    "alias",
    "chunk",
    "detach",
    "empty",
    "expand",
    "select",
    "slice",
    "split",
    "t",
    "transpose",
    "unsqueeze",
    "view",
}
VIEWS |= {"_unsafe_view", "as_strided", "permute", "reshape", "unbind", "unflatten", "flatten", "split_with_sizes"}


class CountedOperations(TorchDispatchMode):
    """Counts by the name of the operation while the context is open. A conversion to the same type is none."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in VIEWS and result is not args[0]:
            self.counts[name.removesuffix("_")] += 1
        return result
