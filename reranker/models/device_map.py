"""Where the layers of the language tower live: on a card, on several, in host memory; and the way between them."""

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


def distribute_layers(language: LanguageTower, rooms: Iterable[tuple[torch.device, float]]) -> None:
    """Each layer onto the first device that has room for it and for all that come after it there.

    rooms: devices, and bytes of weights that each may hold, asked for one after the other as they are needed; the
    tower's norm and rotations are on the first. What no device has room for stays in host memory, from where accelerate
    brings it to the first for as long as it is needed.
    """
    left = iter(rooms)
    first, room = next(left)
    gpu: torch.device | None = first
    for layer in layers_of(language):
        size = sum(weight.nbytes for weight in layer.parameters())
        while gpu is not None and room < size:
            gpu, room = next(left, (None, 0.0))
        if gpu is None:
            cpu_offload(layer, execution_device=first)
        else:
            layer.to(gpu)
            room -= size
    if len(gpus_of(language)) > 1:
        _carry_between(language)


def _carry_between(language: LanguageTower) -> None:
    """What is called as a module, the norm and in transformers' own pass the layers, is brought what it is given."""
    homes = [(layer, home_of(language, layer)) for layer in layers_of(language)]
    for module, home in [*homes, (language.norm, language.norm.weight.device)]:
        module.register_forward_pre_hook(partial(_brought, home), with_kwargs=True)


def _brought(home: torch.device, _: nn.Module, given: Any, named: Any) -> tuple[Any, Any]:
    return send_to_device(given, home), send_to_device(named, home)


def layers_of(language: LanguageTower) -> list[nn.Module]:
    """In the order of the pass."""
    return list(language.layers)


def home_of(language: LanguageTower, layer: nn.Module) -> torch.device:
    """Where a layer works: where it lives, and the device of the norm where that is host memory."""
    home = next(layer.parameters()).device
    return language.norm.weight.device if home.type == "meta" else home


def gpus_of(language: LanguageTower) -> tuple[torch.device, ...]:
    """The devices that layers work on, that of the norm first."""
    homes = (home_of(language, layer) for layer in layers_of(language))
    return tuple(dict.fromkeys((language.norm.weight.device, *homes)))


def are_brought(language: LanguageTower) -> bool:
    """Whether some layers live in host memory."""
    return any(weight.device.type == "meta" for weight in language.layers.parameters())
