"""Choose the places for workers on the machines of a cluster."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from reranker.config.settings import AUTO, Device


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for a worker: equal to another one if it is the same place, whatever that is called.

    node: id of its machine in Ray. number: of the place there. processors: that a worker without a GPU claims of the
    machine. machine: name of the machine. name: of its first worker. threads: of torch.
    """

    node: str
    number: int
    on_gpu: bool
    processors: int
    machine: str = field(compare=False)
    name: str = field(compare=False)
    threads: int = field(compare=False)


def slots_of(nodes: Sequence[dict[str, Any]], wanted: str, device: Device) -> list[Slot]:
    """Return the places for workers on machines of `ray.nodes`.

    wanted: a number, or "auto" for one on each GPU, or one on each machine if there is no GPU or the device is "cpu".
    A number of workers is dealt to the machines in turn, at most one to a GPU.
    """
    gpus = {node["NodeID"]: int(node["Resources"].get("GPU", 0)) for node in nodes}
    on_gpu = device != "cpu" and any(gpus.values())
    if device == "cuda" and not on_gpu:
        return []
    if on_gpu:
        room = gpus
    elif wanted == AUTO:
        room = dict.fromkeys(gpus, 1)
    else:
        room = dict.fromkeys(gpus, int(wanted))
    counts = _dealt(room, sum(room.values()) if wanted == AUTO else int(wanted))
    names = _machine_names(nodes)
    return [
        Slot(
            node=node["NodeID"],
            number=number,
            on_gpu=on_gpu,
            processors=0 if on_gpu else share,
            machine=names[node["NodeID"]],
            name=f"{names[node['NodeID']]}/{number}",
            threads=share,
        )
        for node in nodes
        for count in [counts[node["NodeID"]]]
        for share in [max(1, int(node["Resources"].get("CPU", 1)) // max(1, count))]
        for number in range(count)
    ]


def _dealt(room: dict[str, int], wanted: int) -> Counter[str]:
    """Deal so many workers to machines in turn, to each at most what it has room for."""
    counts: Counter[str] = Counter()
    while sum(counts.values()) < wanted:
        free = [node for node in room if counts[node] < room[node]]
        if not free:
            break
        counts.update(free[: wanted - sum(counts.values())])
    return counts


def _machine_names(nodes: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the names of machines by their ids; with the start of the id where several have the same name."""
    names = Counter(node["NodeManagerHostname"] for node in nodes)
    return {
        node["NodeID"]: name if names[name] == 1 else f"{name}-{node['NodeID'][:8]}"
        for node in nodes
        for name in [node["NodeManagerHostname"]]
    }
