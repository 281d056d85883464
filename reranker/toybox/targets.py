"""What each visual token shows: the dense targets that the model is taught with, thrown away afterwards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reranker.toybox.matching import ABSENT_GROUPS, Asked, Request
from reranker.toybox.scenes import COLOURS, FIGURE_PARTS, HELD, PLACES, THINGS, Box, Scene, Shown, part_of

MIN_COVERAGE = 0.4  # of a token's square, to count as showing the thing
PEOPLE_AND_THINGS = {name: index + 1 for index, name in enumerate(THINGS)}  # 0 is background
COLOUR_NUMBERS = {name: index + 1 for index, name in enumerate(COLOURS)}  # 0 is none
HELD_NUMBERS = {name: index + 1 for index, name in enumerate(HELD)}


@dataclass(frozen=True, kw_only=True)
class TokenClass:
    """One thing that every visual token is asked about: its name and how many answers there are."""

    name: str
    answers: int


TOKEN_CLASSES = (
    TokenClass(name="thing", answers=len(THINGS) + 1),
    TokenClass(name="colour", answers=len(COLOURS) + 1),
    TokenClass(name="of_kind", answers=6),
    TokenClass(name="of_kind_and_colour", answers=6),
    TokenClass(name="straw_hat", answers=2),
    TokenClass(name="held", answers=len(HELD) + 1),
    TokenClass(name="held_colour", answers=len(COLOURS) + 1),
    TokenClass(name="place", answers=len(PLACES)),
)
ANSWER_COUNT = sum(kind.answers for kind in TOKEN_CLASSES)
SLOT_CHANNELS = ("thing 0", "all 0", "thing 1", "all 1", "absent")


@dataclass(frozen=True, kw_only=True)
class TokenTargets:
    """Dense targets of one picture; tokens row by row.

    answers: int64 (tokens, len(TOKEN_CLASSES)); -1 where the question makes no sense (background has no colour).
    centres: float32 (tokens, 2), x and y in [0, 1] of the centre of the thing shown; undefined on background.
    shown: int64 (tokens,), index into `scene.shown`, -1 on background.
    """

    answers: NDArray[np.int64]
    centres: NDArray[np.float32]
    shown: NDArray[np.int64]


def _visible_box(thing: Shown) -> Box:
    return part_of(thing.box, *FIGURE_PARTS[thing.held])


def _overlap(low: float, high: float, cells: int) -> NDArray[np.float32]:
    """Share of each of `cells` equal intervals of [0, 1] that lies between the two."""
    edges = np.linspace(0.0, 1.0, cells + 1, dtype=np.float32)
    covered: NDArray[np.float32] = np.clip(high, edges[:-1], edges[1:]) - np.clip(low, edges[:-1], edges[1:])
    return covered * cells


def coverage(scene: Scene, rows: int, columns: int) -> NDArray[np.float32]:
    """Share of each token's square that each shown thing's box covers: (things, rows * columns)."""
    boxes = [_visible_box(thing) for thing in scene.shown]
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
    """The dense targets of a scene on a grid of visual tokens."""
    covered = coverage(scene, rows, columns)
    is_held = np.array([index >= len(scene.items) for index in range(len(scene.shown))])
    covered[is_held] *= 1.5  # a held thing is drawn over its bearer
    visible = np.maximum(covered.max(axis=1, keepdims=True) - 1e-6, 0) <= covered
    owner = np.where(covered.max(axis=0) >= MIN_COVERAGE, covered.argmax(axis=0), -1)
    owner = np.where(visible.any(axis=0), np.where(owner < 0, visible.argmax(axis=0), owner), owner)
    described = np.array([_answers(thing, scene) for thing in scene.shown] + [_background(scene)])
    middles = np.array([(thing.box.x, thing.box.y) for thing in scene.shown] + [(0.0, 0.0)], dtype=np.float32)
    return TokenTargets(answers=described[owner], centres=middles[owner], shown=owner)


def _answers(thing: Shown, scene: Scene) -> list[int]:
    of_kind = [other for other in scene.shown if other.thing == thing.thing]
    return [
        PEOPLE_AND_THINGS[thing.thing],
        COLOUR_NUMBERS[thing.colour],
        min(len(of_kind), 5),
        min(sum(other.colour == thing.colour for other in of_kind), 5),
        int(thing.straw_hat),
        HELD_NUMBERS.get(thing.held or "", 0),
        COLOUR_NUMBERS.get(thing.held_colour or "", 0),
        PLACES.index(scene.place),
    ]


def _background(scene: Scene) -> list[int]:
    return [0, -1, -1, -1, -1, -1, -1, PLACES.index(scene.place)]


def _fits(thing: Shown, asked: Asked) -> bool:
    return (
        thing.thing == asked.thing
        and asked.colour in (None, thing.colour)
        and (thing.straw_hat or not asked.straw_hat)
        and asked.held in (None, thing.held)
        and asked.held_colour in (None, thing.held_colour)
    )


def slot_targets(request: Request, scene: Scene, targets: TokenTargets) -> NDArray[np.float32]:
    """Whether each token shows what is asked: (tokens, len(SLOT_CHANNELS)), 0 or 1."""
    table = np.zeros((len(scene.shown) + 1, len(SLOT_CHANNELS)), dtype=np.float32)  # the last row is background
    for index, thing in enumerate(scene.shown):
        for slot, asked in enumerate(request.asked):
            table[index, 2 * slot] = thing.thing == asked.thing
            table[index, 2 * slot + 1] = _fits(thing, asked)
        if request.absent:
            table[index, 4] = thing.thing in ABSENT_GROUPS.get(request.absent, (request.absent,))
    return table[targets.shown]
