"""Requests about scenes, and the share of their conditions that hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from reranker.toybox.scenes import PEOPLE, Scene, VisibleThing, related

ABSENT_GROUPS = {"people": PEOPLE}


@dataclass(frozen=True, kw_only=True)
class RequestedThing:
    """A thing that a request mentions. An attribute that is None may have any value.

    count: exactly this number of things of the kind, and of the colour if one is given.
    """

    thing: str
    colour: str | None = None
    count: int | None = None
    straw_hat: bool = False
    held: str | None = None
    held_colour: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """The request of a sentence: up to two things, the relation of the first to the second, a place, an absence."""

    things: tuple[RequestedThing, ...] = ()
    relation: str | None = None
    place: str | None = None
    absent: str | None = None


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition of a request, and whether it holds.

    kind: thing, colour, count, hat, held, held colour, relation, place or absence. slot: the index of the requested
        thing; 0 if the condition concerns none.
    """

    kind: str
    slot: int
    holds: bool


def match(request: Request, scene: Scene) -> float:
    """The share of the conditions that hold, in [0, 1], under the best assignment; see `best_conditions`."""
    conditions = best_conditions(request, scene)
    return sum(condition.holds for condition in conditions) / len(conditions)


def best_conditions(request: Request, scene: Scene) -> list[Condition]:
    """All conditions, under the assignment of requested to visible things that fulfils the most of them.

    Empty if nothing is requested.
    """
    visible = scene.visible  # once, as `_is_injective` compares identities
    candidates = [list(_candidate_groups(requested, visible)) for requested in request.things]
    assignments = (groups for groups in product(*candidates) if _is_injective(groups))
    outcomes = (_conditions(request, groups, scene) for groups in assignments)
    return max(outcomes, key=lambda conditions: sum(condition.holds for condition in conditions))


def _candidate_groups(
    requested: RequestedThing, visible: tuple[VisibleThing, ...]
) -> Iterator[tuple[VisibleThing, ...]]:
    """The groups of visible things that the requested one can be assigned to; () stands for no thing at all."""
    of_kind = tuple(thing for thing in visible if thing.thing == requested.thing)
    yield ()
    if requested.count is None:
        yield from ((thing,) for thing in of_kind)
        return
    of_colour = tuple(thing for thing in of_kind if thing.colour == requested.colour)
    yield from dict.fromkeys(group for group in (of_kind, of_colour) if group)  # in this order, once each


def _is_injective(groups: tuple[tuple[VisibleThing, ...], ...]) -> bool:
    assigned = [id(thing) for group in groups for thing in group]
    return len(assigned) == len(set(assigned))


def _conditions(request: Request, groups: tuple[tuple[VisibleThing, ...], ...], scene: Scene) -> list[Condition]:
    conditions = [
        condition
        for slot, requested in enumerate(request.things)
        for condition in _thing_conditions(requested, groups[slot], slot)
    ]
    if request.relation:
        holds = any(related(a.box, request.relation, b.box) for a in groups[0] for b in groups[1])
        conditions.append(Condition(kind="relation", slot=0, holds=holds))
    if request.place:
        conditions.append(Condition(kind="place", slot=0, holds=scene.place == request.place))
    if request.absent:
        conditions.append(Condition(kind="absence", slot=0, holds=is_absent(request.absent, scene)))
    return conditions


def _thing_conditions(requested: RequestedThing, group: tuple[VisibleThing, ...], slot: int) -> Iterator[Condition]:
    """An attribute holds only if the thing is there."""
    there = bool(group)
    yield Condition(kind="thing", slot=slot, holds=there)
    if requested.colour:
        yield Condition(
            kind="colour", slot=slot, holds=there and all(thing.colour == requested.colour for thing in group)
        )
    if requested.count:
        yield Condition(kind="count", slot=slot, holds=len(group) == requested.count)
    if requested.straw_hat:
        yield Condition(kind="hat", slot=slot, holds=there and all(thing.straw_hat for thing in group))
    if requested.held:
        holding = there and all(thing.held == requested.held for thing in group)
        yield Condition(kind="held", slot=slot, holds=holding)
        if requested.held_colour:
            of_colour = holding and all(thing.held_colour == requested.held_colour for thing in group)
            yield Condition(kind="held colour", slot=slot, holds=of_colour)


def is_absent(absent: str, scene: Scene) -> bool:
    """Whether no such thing is in the scene. absent: a thing, or a name in `ABSENT_GROUPS`."""
    things = ABSENT_GROUPS.get(absent, (absent,))
    return not any(thing.thing in things for thing in scene.visible)
