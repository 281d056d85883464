"""Dense training targets: what each visual token shows. The heads that predict them are not part of the model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reranker.toybox.matching import ABSENT_GROUPS, Request, RequestedThing
from reranker.toybox.scenes import COLOURS, FIGURE_PARTS, HELD, PLACES, THINGS, Box, Scene, VisibleThing, part_of

MIN_COVERAGE = 0.4  # share of a token's square that a thing must cover to be shown by it
THING_LABELS = {name: index + 1 for index, name in enumerate(THINGS)}  # 0 is background
COLOUR_LABELS = {name: index + 1 for index, name in enumerate(COLOURS)}  # 0 is none
HELD_LABELS = {name: index + 1 for index, name in enumerate(HELD)}


@dataclass(frozen=True, kw_only=True)
class TokenAttribute:
    """An attribute that is predicted from each visual token. classes: the number of its values."""

    name: str
    classes: int


TOKEN_ATTRIBUTES = (
    TokenAttribute(name="thing", classes=len(THINGS) + 1),
    TokenAttribute(name="colour", classes=len(COLOURS) + 1),
    TokenAttribute(name="of_kind", classes=6),
    TokenAttribute(name="of_kind_and_colour", classes=6),
    TokenAttribute(name="straw_hat", classes=2),
    TokenAttribute(name="held", classes=len(HELD) + 1),
    TokenAttribute(name="held_colour", classes=len(COLOURS) + 1),
    TokenAttribute(name="place", classes=len(PLACES)),
)
CLASS_COUNT = sum(attribute.classes for attribute in TOKEN_ATTRIBUTES)
SLOT_CHANNELS = ("thing 0", "all 0", "thing 1", "all 1", "absent")


@dataclass(frozen=True, kw_only=True)
class TokenTargets:
    """Dense targets of one picture; the tokens are ordered row by row.

    labels: int64 (tokens, len(TOKEN_ATTRIBUTES)); -1 if the attribute is undefined, as the colour of background is.
    centres: float32 (tokens, 2), x and y in [0, 1] of the centre of the thing shown; undefined on background.
    thing_indices: int64 (tokens,), into `scene.visible`; -1 on background.
    """

    labels: NDArray[np.int64]
    centres: NDArray[np.float32]
    thing_indices: NDArray[np.int64]


def _visible_box(thing: VisibleThing) -> Box:
    return part_of(thing.box, *FIGURE_PARTS[thing.held])


def _overlap(low: float, high: float, cells: int) -> NDArray[np.float32]:
    """The share of each of `cells` equal intervals of [0, 1] that lies between `low` and `high`."""
    edges = np.linspace(0.0, 1.0, cells + 1, dtype=np.float32)
    covered: NDArray[np.float32] = np.clip(high, edges[:-1], edges[1:]) - np.clip(low, edges[:-1], edges[1:])
    return covered * cells


def coverage(scene: Scene, rows: int, columns: int) -> NDArray[np.float32]:
    """The share of each token's square that the box of each visible thing covers: (things, rows * columns)."""
    boxes = [_visible_box(thing) for thing in scene.visible]
    return np.stack(
        [
            np.outer(
                _overlap(box.y - box.height / 2, box.y + box.height / 2, rows),
                _overlap(box.x - box.width / 2, box.x + box.width / 2, columns),
            ).ravel()
            for box in boxes
        ]
    )


def token_targets(scene: Scene, rows: int, columns: int) -> TokenTargets:
    """The dense targets of a scene for a grid of visual tokens."""
    covered = coverage(scene, rows, columns)
    is_held = np.array([index >= len(scene.items) for index in range(len(scene.visible))])
    covered[is_held] *= 1.5  # a held thing is drawn over the person
    visible = np.maximum(covered.max(axis=1, keepdims=True) - 1e-6, 0) <= covered
    owner = np.where(covered.max(axis=0) >= MIN_COVERAGE, covered.argmax(axis=0), -1)
    owner = np.where(visible.any(axis=0), np.where(owner < 0, visible.argmax(axis=0), owner), owner)
    labels = np.array([_labels(thing, scene) for thing in scene.visible] + [_background_labels(scene)])
    centres = np.array([(thing.box.x, thing.box.y) for thing in scene.visible] + [(0.0, 0.0)], dtype=np.float32)
    return TokenTargets(labels=labels[owner], centres=centres[owner], thing_indices=owner)


def _labels(thing: VisibleThing, scene: Scene) -> list[int]:
    of_kind = [other for other in scene.visible if other.thing == thing.thing]
    return [
        THING_LABELS[thing.thing],
        COLOUR_LABELS[thing.colour],
        min(len(of_kind), 5),
        min(sum(other.colour == thing.colour for other in of_kind), 5),
        int(thing.straw_hat),
        HELD_LABELS.get(thing.held or "", 0),
        COLOUR_LABELS.get(thing.held_colour or "", 0),
        PLACES.index(scene.place),
    ]


def _background_labels(scene: Scene) -> list[int]:
    return [0, -1, -1, -1, -1, -1, -1, PLACES.index(scene.place)]


def _fits(thing: VisibleThing, requested: RequestedThing) -> bool:
    return (
        thing.thing == requested.thing
        and requested.colour in (None, thing.colour)
        and (thing.straw_hat or not requested.straw_hat)
        and requested.held in (None, thing.held)
        and requested.held_colour in (None, thing.held_colour)
    )


def slot_targets(request: Request, scene: Scene, targets: TokenTargets) -> NDArray[np.float32]:
    """Whether each token shows what is requested: (tokens, len(SLOT_CHANNELS)), 0 or 1.

    Channels: for each requested thing, a thing of its kind and a thing with all its attributes; then the absent thing.
    """
    table = np.zeros((len(scene.visible) + 1, len(SLOT_CHANNELS)), dtype=np.float32)  # the last row is background
    for index, thing in enumerate(scene.visible):
        for slot, requested in enumerate(request.things):
            table[index, 2 * slot] = thing.thing == requested.thing
            table[index, 2 * slot + 1] = _fits(thing, requested)
        if request.absent:
            table[index, 4] = thing.thing in ABSENT_GROUPS.get(request.absent, (request.absent,))
    return table[targets.thing_indices]
