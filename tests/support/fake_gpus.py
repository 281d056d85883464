"""Cards that are none: tensors that say they live on "card:0" or "card:1", and refuse to meet one from elsewhere.

They hold a tensor of the CPU, on which all is computed. The device type is torch's own hook for backends in Python.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_COPY = torch.ops.aten.copy_.default
_MOVES = {torch.ops.aten._to_copy.default, _COPY}
_INDEXING = {torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default}  # may be asked for by indices of the host
_READ = torch.ops.aten._local_scalar_dense.default
_IS_COMPATIBLE = torch.ops.aten._has_compatible_shallow_copy_type.default
_registered: list[str] = []


class Waits:
    """How often the host has waited for a GPU: at reads, and at copies that are not made from or to pinned memory."""

    def __init__(self) -> None:
        self.count = 0
        self._pinned: set[int] = set()

    def pin(self, tensor: torch.Tensor) -> torch.Tensor:
        """Note that a host tensor is in pinned memory."""
        if not isinstance(tensor, _OnCard):
            self._pinned.add(tensor.data_ptr())
        return tensor

    def note(self, func: Any, args: Any, kwargs: dict[str, Any], target: torch.device | None) -> None:
        """Count an operation if the host waits for it."""
        source = args[1] if func is _COPY else args[0]
        on_card = isinstance(source, _OnCard)
        if func is _READ:
            self.count += on_card
        elif func in _MOVES and target is not None and on_card != (target.type == "card"):
            asynchronous = bool(args[2] if func is _COPY and len(args) > 2 else kwargs.get("non_blocking"))
            self.count += not (asynchronous and (on_card or source.data_ptr() in self._pinned))


_waits: list[Waits] = []


@contextmanager
def counted_waits() -> Iterator[Waits]:
    """Count the waits for pretended GPUs while the context is open."""
    waits = Waits()
    _waits.append(waits)
    try:
        yield waits
    finally:
        _waits.remove(waits)


@contextmanager
def pretended_gpus() -> Iterator[tuple[torch.device, torch.device]]:
    """Two of them; within, modules and tensors can be moved there."""
    if not _registered:
        _setup_privateuseone_for_python_backend("card")
        _registered.append("card")
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Made(), _Cards():
            yield torch.device("card:0"), torch.device("card:1")
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


class _Made(TorchFunctionMode):
    """Tensors made of numbers, which torch does where no mode is asked."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = dict(kwargs or {})
        device = named.pop("device", None) if func is torch.tensor else None
        if func is torch.Tensor.__getitem__ and isinstance(args[1], list):
            args = args[0], torch.tensor(args[1])
        made = func(*args, **named)
        return made if device is None else made.to(device)


class _Cards(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name == "aten::to":  # without gradients it comes as it was called
            with self:
                return func.decompose(*args, **(kwargs or {}))
        return _computed(func, args, kwargs or {})


class _OnCard(torch.Tensor):
    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor, device: torch.device | None = None, **_: Any) -> torch.Tensor:
        """Without a device the tensor stays where it is, as when accelerate makes a parameter of this class anew."""
        if device is None:
            return torch.nn.Parameter(held, requires_grad=False)
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=device,
        )

    def __init__(self, held: torch.Tensor, device: torch.device | None = None, **_: Any) -> None:
        if device is not None:
            self.held = held

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.tolist:
            return args[0].held.tolist()
        with torch._C.DisableTorchFunctionSubclass():  # or what comes to the host would be given this class
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if func is _IS_COMPATIBLE:
        return False
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    _check(func, tensors)
    asked = kwargs.get("device")
    gpus = [one.device for one in tensors if isinstance(one, _OnCard)]
    target = asked or next(iter(gpus), None)
    for waits in _waits:
        waits.note(func, args, kwargs, args[0].device if func is _COPY else asked)
    if asked is not None and asked.type == "card":
        kwargs = kwargs | {"device": torch.device("cpu")}
    output = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if func._schema.name.endswith("_"):  # in place
        return args[0]
    if target is None or target.type != "card":
        return output
    return tree_map(lambda one: _OnCard(one, target) if isinstance(one, torch.Tensor) else one, output)


def _check(func: Any, tensors: list[torch.Tensor]) -> None:
    """As torch does: one device for all, but for single numbers, copies, and what indices come from."""
    where = {one.device for one in tensors if one.dim() or isinstance(one, _OnCard)}
    if len(where) > 1 and func not in _MOVES | _INDEXING:
        raise RuntimeError(f"{func} was given tensors on {sorted(map(str, where))}")


def _held(one: Any) -> Any:
    return one.held if isinstance(one, _OnCard) else one
