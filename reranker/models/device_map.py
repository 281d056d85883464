"""Distribute the layers of the language tower over GPUs and host memory, and move tensors between them."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Protocol

import torch
from accelerate import cpu_offload
from accelerate.utils import send_to_device
from torch import nn


class LanguageTower(Protocol):
    """The parts of a language tower of transformers that are placed on devices."""

    layers: nn.ModuleList
    norm: Any


def distribute_layers(language: LanguageTower, capacities: Iterable[tuple[torch.device, float]]) -> None:
    """Move the layers, in order, to the first device with enough capacity left, and offload the rest to host memory.

    capacities: devices, and the bytes of weights that each may hold. The next device is read only when it is needed,
        because reading the free memory of a GPU occupies some of it. The norm and the rotary embedding of the tower
        must be on the first device. For each pass, accelerate copies an offloaded layer to the first device.
    """
    remaining = iter(capacities)
    first, capacity = next(remaining)
    device: torch.device | None = first
    for layer in layers_of(language):
        size = sum(weight.nbytes for weight in layer.parameters())
        while device is not None and capacity < size:
            device, capacity = next(remaining, (None, 0.0))
        if device is None:
            cpu_offload(layer, execution_device=first)
        else:
            layer.to(device)
            capacity -= size
    if len(gpus_of(language)) > 1:
        _move_inputs_between_devices(language)


def _move_inputs_between_devices(language: LanguageTower) -> None:
    """Register hooks that move the inputs of the norm and of each layer to the device of that module.

    Hooks run only if a module is called. This program calls the norm; `forward` of transformers calls the layers too.
    """
    devices = [(layer, device_of_layer(language, layer)) for layer in layers_of(language)]
    for module, device in [*devices, (language.norm, language.norm.weight.device)]:
        module.register_forward_pre_hook(partial(_inputs_on_device, device), with_kwargs=True)


def _inputs_on_device(device: torch.device, _: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    return send_to_device(args, device), send_to_device(kwargs, device)


def layers_of(language: LanguageTower) -> list[nn.Module]:
    """Return the layers, in the order of the forward pass."""
    return list(language.layers)


def device_of_layer(language: LanguageTower, layer: nn.Module) -> torch.device:
    """Return the device on which a layer runs: that of its weights, or that of the norm if the layer is offloaded."""
    device = next(layer.parameters()).device
    return language.norm.weight.device if device.type == "meta" else device


def gpus_of(language: LanguageTower) -> tuple[torch.device, ...]:
    """Return the devices on which layers run, that of the norm first."""
    devices = (device_of_layer(language, layer) for layer in layers_of(language))
    return tuple(dict.fromkeys((language.norm.weight.device, *devices)))


def has_offloaded_layers(language: LanguageTower) -> bool:
    """Whether some layers are in host memory instead of on a device."""
    return any(weight.device.type == "meta" for weight in language.layers.parameters())
