"""What can be asked of a scene, and how much of it holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from reranker.toybox.scenes import PEOPLE, Scene, Shown, related

ABSENT_GROUPS = {"people": PEOPLE}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A thing that is asked for; None where an attribute is left open.

    count: exactly so many things of the kind (and of the colour, where it is asked).
    """

    thing: str
    colour: str | None = None
    count: int | None = None
    straw_hat: bool = False
    held: str | None = None
    held_colour: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that a sentence asks: up to two things, how the first lies to the second, a place, what must be absent."""

    asked: tuple[Asked, ...] = ()
    relation: str | None = None
    place: str | None = None
    absent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that is asked: `kind` is thing, colour, place, count, relation or absence; `slot` whose it is."""

    kind: str
    slot: int
    holds: bool


def match(request: Request, scene: Scene) -> float:
    """Share in [0, 1] of what is asked that holds, under the best assignment of asked things to drawn ones."""
    parts = best_parts(request, scene)
    return sum(part.holds for part in parts) / len(parts)


def best_parts(request: Request, scene: Scene) -> list[Part]:
    """Every asked part, with its verdict under the assignment that satisfies most; empty where nothing is asked."""
    shown = scene.shown
    readings = [list(_readings(asked, shown)) for asked in request.asked]
    assignments = (chosen for chosen in product(*readings) if _is_injective(chosen))
    judged = (_parts(request, chosen, scene) for chosen in assignments)
    return max(judged, key=lambda parts: sum(part.holds for part in parts))


def _readings(asked: Asked, shown: tuple[Shown, ...]) -> Iterator[tuple[Shown, ...]]:
    """The groups of drawn things that the asked one may mean; () is: nothing of the kind is there."""
    of_kind = tuple(thing for thing in shown if thing.thing == asked.thing)
    yield ()
    if asked.count is None:
        yield from ((thing,) for thing in of_kind)
        return
    of_colour = tuple(thing for thing in of_kind if thing.colour == asked.colour)
    yield from dict.fromkeys(group for group in (of_kind, of_colour) if group)  # in this order, once each


def _is_injective(chosen: tuple[tuple[Shown, ...], ...]) -> bool:
    taken = [id(thing) for group in chosen for thing in group]
    return len(taken) == len(set(taken))


def _parts(request: Request, chosen: tuple[tuple[Shown, ...], ...], scene: Scene) -> list[Part]:
    parts = [part for slot, asked in enumerate(request.asked) for part in _asked_parts(asked, chosen[slot], slot)]
    if request.relation:
        holds = any(related(a.box, request.relation, b.box) for a in chosen[0] for b in chosen[1])
        parts.append(Part(kind="relation", slot=0, holds=holds))
    if request.place:
        parts.append(Part(kind="place", slot=0, holds=scene.place == request.place))
    if request.absent:
        parts.append(Part(kind="absence", slot=0, holds=is_absent(request.absent, scene)))
    return parts


def _asked_parts(asked: Asked, group: tuple[Shown, ...], slot: int) -> Iterator[Part]:
    """An attribute holds only of a thing that is there."""
    there = bool(group)
    yield Part(kind="thing", slot=slot, holds=there)
    if asked.colour:
        yield Part(kind="colour", slot=slot, holds=there and all(thing.colour == asked.colour for thing in group))
    if asked.count:
        yield Part(kind="count", slot=slot, holds=len(group) == asked.count)
    if asked.straw_hat:
        yield Part(kind="hat", slot=slot, holds=there and all(thing.straw_hat for thing in group))
    if asked.held:
        holding = there and all(thing.held == asked.held for thing in group)
        yield Part(kind="held", slot=slot, holds=holding)
        if asked.held_colour:
            of_colour = holding and all(thing.held_colour == asked.held_colour for thing in group)
            yield Part(kind="held colour", slot=slot, holds=of_colour)


def is_absent(absent: str, scene: Scene) -> bool:
    """Whether nothing of the thing, or of the group of things, is in the scene."""
    things = ABSENT_GROUPS.get(absent, (absent,))
    return not any(thing.thing in things for thing in scene.shown)
