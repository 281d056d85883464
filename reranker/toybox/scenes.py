"""The drawn world: what a scene can contain, and random scenes from a seed.

Lengths and positions are fractions of the picture's width (x) and height (y); the origin is the upper left corner.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

PEOPLE = ("woman", "man", "girl")
ASPECTS = {  # width divided by height of the drawn thing, in pixels
    "woman": 0.5,
    "man": 0.5,
    "girl": 0.55,
    "dog": 1.25,
    "cat": 1.0,
    "bird": 1.2,
    "fish": 1.5,
    "house": 1.0,
    "tree": 0.8,
    "flower": 0.75,
    "car": 1.6,
    "fire truck": 1.75,
    "boat": 1.3,
    "cup": 1.05,
    "ball": 1.0,
    "umbrella": 1.0,
}
THINGS = tuple(ASPECTS)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black")
PLACES = ("window sill", "grass", "sea", "snow", "street at night", "desert")
HELD = ("umbrella", "ball")
# The figure and the held thing in a person's box: left, top, right, bottom, in fractions of the box.
FIGURE_PARTS: dict[str | None, tuple[float, float, float, float]] = {
    None: (0.0, 0.0, 1.0, 1.0),
    "umbrella": (0.17, 0.24, 0.83, 1.0),
    "ball": (0.0, 0.0, 0.66, 1.0),
}
HELD_PARTS = {"umbrella": (0.0, 0.0, 1.0, 0.30), "ball": (0.5, 0.37, 1.0, 0.63)}
RELATIONS = ("left of", "right of", "above", "below")

MIN_SIDE_PX, MAX_SIDE_PX = 224, 640
PICTURE_ASPECTS = (1.0, 1.0, 4 / 3, 3 / 4, 3 / 2, 2 / 3, 16 / 9, 9 / 16)
MIN_DISTANCE = 0.15  # of a side; nearer centres are neither left nor right, above nor below
MAX_COUNT = 4
# By the number of items: smallest and largest square root of the share of the area.
SIZES = {1: (0.36, 0.62), 2: (0.30, 0.46), 3: (0.26, 0.36), 4: (0.23, 0.30), 5: (0.21, 0.26)}
PERSON_SIZES = {1: (0.48, 0.62), 2: (0.40, 0.50), 3: (0.32, 0.40), 4: (0.28, 0.34), 5: (0.25, 0.30)}
ACCESSORY_MIN_SIZE = 0.486  # a held ball, 13 % of the person's box, then covers 1.5 of 49 visual tokens


class SceneTooCrowded(Exception):
    """The items do not fit into the picture without overlap."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """A thing to draw.

    colour: of a person, the colour of dress or coat. straw_hat, held, held_colour: only for people.
    """

    thing: str
    colour: str
    straw_hat: bool = False
    held: str | None = None
    held_colour: str | None = None

    @property
    def is_person(self) -> bool:
        """Whether it is a person; only people wear and hold things."""
        return self.thing in PEOPLE

    @property
    def is_equipped(self) -> bool:
        """Whether it wears or holds something."""
        return self.straw_hat or self.held is not None


@dataclass(frozen=True, kw_only=True)
class Box:
    """The place of a thing: centre, width and height."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box", gap: float = 0.015) -> bool:
        """Whether the two boxes are nearer than `gap`."""
        return (
            abs(self.x - other.x) < (self.width + other.width) / 2 + gap
            and abs(self.y - other.y) < (self.height + other.height) / 2 + gap
        )


@dataclass(frozen=True, kw_only=True)
class VisibleThing:
    """A thing that can be seen: an item, or what an item holds. item_index: of that item in `Scene.items`."""

    thing: str
    colour: str
    box: Box
    item_index: int
    straw_hat: bool = False
    held: str | None = None
    held_colour: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture before it is drawn. seed: for details of the background, which no request mentions."""

    place: str
    items: tuple[Item, ...]
    boxes: tuple[Box, ...]
    width_px: int
    height_px: int
    seed: int

    @property
    def visible(self) -> tuple[VisibleThing, ...]:
        """Every thing that can be seen: each item, followed by the thing that it holds."""
        return tuple(_visible_things(self.items, self.boxes))


def _visible_things(items: tuple[Item, ...], boxes: tuple[Box, ...]) -> Iterator[VisibleThing]:
    for index, (item, box) in enumerate(zip(items, boxes, strict=True)):
        yield VisibleThing(
            thing=item.thing,
            colour=item.colour,
            box=box,
            item_index=index,
            straw_hat=item.straw_hat,
            held=item.held,
            held_colour=item.held_colour,
        )
        if item.held and item.held_colour:
            yield VisibleThing(
                thing=item.held, colour=item.held_colour, box=part_of(box, *HELD_PARTS[item.held]), item_index=index
            )


def part_of(box: Box, left: float, top: float, right: float, bottom: float) -> Box:
    """A part of a box, with limits in fractions of the box from its upper left corner."""
    return Box(
        x=box.x + ((left + right) / 2 - 0.5) * box.width,
        y=box.y + ((top + bottom) / 2 - 0.5) * box.height,
        width=(right - left) * box.width,
        height=(bottom - top) * box.height,
    )


def random_item(rng: Random, things: Iterable[str] = THINGS, *, equipped: float = 0.7) -> Item:
    """A random thing and colour. equipped: the probability that a person wears or holds something."""
    item = Item(thing=rng.choice(tuple(things)), colour=rng.choice(COLOURS))
    return equip(item, rng) if item.is_person and rng.random() < equipped else item


def equip(item: Item, rng: Random) -> Item:
    """Give a person a straw hat, something to hold, or both."""
    kind = rng.choice(("hat", "held", "held", "both"))
    held = rng.choice(HELD) if kind != "hat" else None
    hat = kind == "hat" or (kind == "both" and held == "ball")
    return replace(item, straw_hat=hat, held=held, held_colour=rng.choice(COLOURS) if held else None)


def random_items(rng: Random) -> tuple[Item, ...]:
    """One to five random items, often several of one thing, which can be counted."""
    if rng.random() < 0.45:
        return _counted_items(rng)
    items = [random_item(rng) for _ in range(rng.choice((1, 2, 2, 2, 3, 3)))]
    return tuple(_without_small_accessories(items))


def _counted_items(rng: Random) -> tuple[Item, ...]:
    count = rng.choice((1, 2, 2, 3, 3, 4, 4))
    item = random_item(rng, equipped=0.0)
    others = [random_item(rng, equipped=0.0) for _ in range(rng.choice((0, 0, 1)))]
    if others and rng.random() < 0.4:  # the same thing in another colour, so that the count depends on the colour
        others = [replace(item, colour=rng.choice(COLOURS))]
    return tuple(_without_small_accessories([item] * count + others))


def _without_small_accessories(items: list[Item]) -> list[Item]:
    """Three or more people are drawn too small for a hat or a ball to be recognised."""
    if len(items) < 3:
        return items
    return [replace(item, straw_hat=False, held=None, held_colour=None) for item in items]


def random_frame(rng: Random) -> tuple[int, int]:
    """Width and height of a picture in pixels, from 224 to 640, with one of `PICTURE_ASPECTS`."""
    aspect = rng.choice(PICTURE_ASPECTS)
    shorter = rng.randint(MIN_SIDE_PX, int(MAX_SIDE_PX / max(aspect, 1 / aspect)))
    longer = min(MAX_SIDE_PX, round(shorter * max(aspect, 1 / aspect)))
    return (longer, shorter) if aspect >= 1 else (shorter, longer)


def random_boxes(
    items: tuple[Item, ...], frame: tuple[int, int], rng: Random, relation: str | None = None
) -> tuple[Box, ...]:
    """A box for every item, without overlap.

    frame: width and height of the picture in pixels. relation: of the first item to the second.

    Raises `SceneTooCrowded` if no arrangement is found.
    """
    for _ in range(60):
        boxes = _try_boxes(items, frame, rng)
        if boxes and (relation is None or related(boxes[0], relation, boxes[1])):
            return boxes
    raise SceneTooCrowded


def _try_boxes(items: tuple[Item, ...], frame: tuple[int, int], rng: Random) -> tuple[Box, ...] | None:
    boxes: list[Box] = []
    for item in items:
        width, height = _extent(item, len(items), frame, rng)
        for _ in range(12):
            box = _random_box(width, height, rng)
            if not any(box.overlaps(other) for other in boxes):
                boxes.append(box)
                break
        else:
            return None
    return tuple(boxes)


def _random_box(width: float, height: float, rng: Random) -> Box:
    x = rng.uniform(0.02 + width / 2, 0.98 - width / 2)
    y = rng.uniform(0.02 + height / 2, 0.98 - height / 2)
    return Box(x=x, y=y, width=width, height=height)


def _extent(item: Item, item_count: int, frame: tuple[int, int], rng: Random) -> tuple[float, float]:
    """A random width and height of a box; in pixels it has the aspect ratio of the thing."""
    smallest, largest = (PERSON_SIZES if item.is_person else SIZES)[min(item_count, 5)]
    size = rng.uniform(max(smallest, ACCESSORY_MIN_SIZE) if item.is_equipped else smallest, largest)
    aspect = ASPECTS[item.thing] * (1.25 if item.held else 1.0) * frame[1] / frame[0]
    width, height = size * aspect**0.5, size / aspect**0.5
    shrink = min(1.0, 0.94 / width, 0.94 / height)
    return width * shrink, height * shrink


def related(first: Box, relation: str, second: Box) -> bool:
    """Whether the centre of the first box lies left of, above, ... that of the second by `MIN_DISTANCE` or more."""
    distance = {
        "left of": second.x - first.x,
        "right of": first.x - second.x,
        "above": second.y - first.y,
        "below": first.y - second.y,
    }
    return distance[relation] >= MIN_DISTANCE


def random_scene(rng: Random) -> Scene:
    """A random scene of random items."""
    while True:
        try:
            return arrange_scene(random_items(rng), rng.choice(PLACES), rng)
        except SceneTooCrowded:
            continue


def arrange_scene(items: tuple[Item, ...], place: str, rng: Random, relation: str | None = None) -> Scene:
    """A random arrangement of these items. Raises `SceneTooCrowded`."""
    frame = random_frame(rng)
    boxes = random_boxes(items, frame, rng, relation)
    return Scene(place=place, items=items, boxes=boxes, width_px=frame[0], height_px=frame[1], seed=rng.getrandbits(32))
