"""The visible things of many scenes as arrays, to match a request with thousands of scenes at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reranker.toybox.matching import ABSENT_GROUPS, Request, RequestedThing
from reranker.toybox.scenes import COLOURS, MIN_DISTANCE, PLACES, THINGS, Scene

_NONE = -1
_THING = {name: index for index, name in enumerate(THINGS)}
_COLOUR = {name: index for index, name in enumerate(COLOURS)}
_PLACE = {name: index for index, name in enumerate(PLACES)}


class SceneTable:
    """Scenes, each with as many places for things as the fullest one has."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        visible = [scene.visible for scene in scenes]
        shape = len(scenes), max(map(len, visible), default=0)
        self._place = np.array([_PLACE[scene.place] for scene in scenes], np.int8)
        self._thing, self._colour, self._held, self._held_colour = (np.full(shape, _NONE, np.int8) for _ in range(4))
        self._straw_hat = np.zeros(shape, bool)
        self._centre = np.zeros((*shape, 2), np.float64)
        for row, things in enumerate(visible):
            for column, thing in enumerate(things):
                at = row, column
                self._thing[at], self._colour[at] = _THING[thing.thing], _COLOUR[thing.colour]
                self._held[at] = _THING.get(thing.held or "", _NONE)
                self._held_colour[at] = _COLOUR.get(thing.held_colour or "", _NONE)
                self._straw_hat[at], self._centre[at] = thing.straw_hat, (thing.box.x, thing.box.y)

    def matches(self, request: Request, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """Return `matching.match` of a request with each of these scenes: float32 (rows,), in [0, 1]."""
        holding = self._things_holding(request, rows)
        count = sum(map(_condition_count, request.things)) + bool(request.relation)
        if request.place:
            count, holding = count + 1, holding + (self._place[rows] == _PLACE[request.place])
        if request.absent:
            count, holding = count + 1, holding + self._is_absent(request.absent, rows)
        return (holding / count).astype(np.float32)

    def _things_holding(self, request: Request, rows: NDArray[np.int64] | slice) -> NDArray[Any]:
        """Return how many conditions about things hold under the best assignment, for each scene."""
        options = [self._options(requested, rows) for requested in request.things]
        if not options:
            return np.zeros(len(self._place[rows]), np.int64)
        groups, holding = options[0]
        if len(options) == 1:
            return np.asarray(holding.max(1))
        other_groups, other_holding = options[1]
        together = holding[:, :, None] + other_holding[:, None, :]
        if request.relation:
            together = together + self._are_related(request.relation, groups, other_groups, rows)
        shared = (groups.astype(np.int64) @ other_groups.transpose(0, 2, 1).astype(np.int64)) > 0
        return np.asarray(np.where(shared, -1, together).max((1, 2)))

    def _options(
        self, requested: RequestedThing, rows: NDArray[np.int64] | slice
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Return the groups of things that a requested one can be assigned to, the empty group among them, as bool
        (scenes, groups, things), and how many of its conditions hold for each: (scenes, groups).
        """
        of_kind = self._thing[rows] == _THING[requested.thing]
        empty = np.zeros_like(of_kind)[:, None]
        if requested.count is None:
            groups = np.concatenate([empty, of_kind[:, None] & np.eye(of_kind.shape[1], dtype=bool)], 1)
        else:
            of_colour = of_kind & (self._colour[rows] == _COLOUR.get(requested.colour or "", len(COLOURS)))
            groups = np.stack([empty[:, 0], of_kind, of_colour], 1)
        return groups, self._holding(requested, groups, rows)

    def _holding(
        self, requested: RequestedThing, groups: NDArray[np.bool_], rows: NDArray[np.int64] | slice
    ) -> NDArray[Any]:
        there = np.asarray(groups.any(2))

        def all_have(values: NDArray[np.bool_]) -> NDArray[Any]:
            return np.asarray(there & (values[rows][:, None] | ~groups).all(2))

        holding = [there]
        if requested.colour:
            holding.append(all_have(self._colour == _COLOUR[requested.colour]))
        if requested.count:
            holding.append(groups.sum(2) == requested.count)
        if requested.straw_hat:
            holding.append(all_have(self._straw_hat))
        if requested.held:
            is_held = self._held == _THING[requested.held]
            holding.append(all_have(is_held))
            if requested.held_colour:
                holding.append(all_have(is_held & (self._held_colour == _COLOUR[requested.held_colour])))
        return np.asarray(np.sum(holding, axis=0))

    def _are_related(
        self,
        relation: str,
        groups: NDArray[np.bool_],
        other_groups: NDArray[np.bool_],
        rows: NDArray[np.int64] | slice,
    ) -> NDArray[Any]:
        """Return whether a thing of one group lies so beside one of the other: (scenes, groups, other groups)."""
        axis, sign = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}[relation]
        centre = sign * self._centre[rows, :, axis]
        related = centre[:, :, None] - centre[:, None, :] >= MIN_DISTANCE
        first, second = groups.astype(np.int64), other_groups.transpose(0, 2, 1).astype(np.int64)
        return np.asarray(first @ related.astype(np.int64) @ second > 0)

    def _is_absent(self, absent: str, rows: NDArray[np.int64] | slice) -> NDArray[Any]:
        kinds = [_THING[name] for name in ABSENT_GROUPS.get(absent, (absent,))]
        return np.asarray(~np.isin(self._thing[rows], kinds).any(1))


def _condition_count(requested: RequestedThing) -> int:
    attributes = requested.colour, requested.count, requested.straw_hat, requested.held
    return 1 + sum(map(bool, attributes)) + bool(requested.held and requested.held_colour)
