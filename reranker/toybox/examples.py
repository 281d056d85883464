"""Examples for training and evaluation: a request, a scene that fulfils it, and scenes that differ from it slightly."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle, islice
from random import Random

from reranker.toybox.matching import Condition, Request, RequestedThing, best_conditions, is_absent, match
from reranker.toybox.scenes import (
    COLOURS,
    HELD,
    MAX_COUNT,
    PEOPLE,
    PLACES,
    RELATIONS,
    THINGS,
    Item,
    Scene,
    SceneTooCrowded,
    arrange_scene,
    random_item,
    random_scene,
    related,
)

EVALUATION_SEED = 1_000_003  # training examples have small seeds
# Kinds of the wrong scenes of an evaluation example; they are drawn in this order.
WRONG_KINDS = ("attribute", "structure", "two attributes", "other")
# The kinds of the first wrong scenes; longer examples repeat them.
WRONG_KINDS_CYCLE = (*WRONG_KINDS, *WRONG_KINDS, "attribute")
THING_ATTRIBUTES = ("colour", "count", "hat", "held", "held colour")
MAX_ATTEMPTS = 50  # to find a wrong scene
OPPOSITES = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

RequestGenerator = Callable[[Random], tuple[Request, Scene]]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A request, a scene that fulfils it, and scenes that do not.

    kinds: the difference of each wrong scene: attribute, count, relation, two attributes or other.
    """

    request: Request
    right: Scene
    wrong: tuple[Scene, ...]
    kinds: tuple[str, ...]


def request_thing(item: Item, rng: Random, share: float = 0.8) -> RequestedThing:
    """A requested thing that an item fulfils. share: the probability that an attribute is requested."""
    held = item.held if rng.random() < share else None
    return RequestedThing(
        thing=item.thing,
        colour=item.colour if rng.random() < share else None,
        straw_hat=item.straw_hat and rng.random() < share,
        held=held,
        held_colour=item.held_colour if held and rng.random() < share else None,
    )


def request_surroundings(
    request: Request, scene: Scene, rng: Random, place: float = 0.5, absent: float = 0.12
) -> Request:
    """Add the place of the scene, and something that is not in it, to a request. place, absent: probabilities."""
    requested_place = scene.place if rng.random() < place else None
    missing = [thing for thing in (*THINGS, "people", "people", "people", "car") if is_absent(thing, scene)]
    requested_absence = rng.choice(missing) if missing and rng.random() < absent else None
    return replace(request, place=requested_place, absent=requested_absence)


def counting_request(rng: Random) -> tuple[Request, Scene]:
    """A request for a number of things of a kind, and a scene that fulfils it. Raises `SceneTooCrowded`."""
    count = rng.randint(1, MAX_COUNT)
    item = random_item(rng, equipped=0.0)
    others = [random_item(rng, equipped=0.0) for _ in range(rng.choice((0, 0, 1)))]
    others = [other for other in others if other.thing != item.thing or other.colour != item.colour]
    scene = arrange_scene((item,) * count + tuple(others), rng.choice(PLACES), rng)
    colour = item.colour if rng.random() < 0.7 or any(other.thing == item.thing for other in others) else None
    request = Request(things=(RequestedThing(thing=item.thing, colour=colour, count=count),))
    return request_surroundings(request, scene, rng, absent=0.06), scene


def relation_request(rng: Random) -> tuple[Request, Scene]:
    """A request for a relation of two things, and a scene that fulfils it. Raises `SceneTooCrowded`."""
    first = random_item(rng, equipped=0.35)
    second = random_item(rng, [thing for thing in THINGS if thing != first.thing], equipped=0.35)
    others = () if first.is_equipped or second.is_equipped or rng.random() < 0.75 else (random_item(rng, equipped=0),)
    relation = rng.choice(RELATIONS)
    scene = arrange_scene((first, second, *others), rng.choice(PLACES), rng, relation)
    things = (request_thing(first, rng, 0.6), request_thing(second, rng, 0.6))
    return request_surroundings(Request(things=things, relation=relation), scene, rng, place=0.3, absent=0.04), scene


def description_request(rng: Random) -> tuple[Request, Scene]:
    """A request for attributes of up to two things, or for the place alone, and a scene. Raises `SceneTooCrowded`."""
    first = random_item(rng)
    second = random_item(rng, [thing for thing in THINGS if thing not in (first.thing, first.held)])
    items = (first, second)[: rng.choice((1, 1, 2))]
    scene = arrange_scene(items, rng.choice(PLACES), rng)
    chosen = rng.sample(items, rng.choice((0, 1, 1, 1, 1, 1, 1, min(2, len(items)))))
    request = Request(things=tuple(request_thing(item, rng) for item in chosen))
    if not chosen:
        return request_surroundings(request, scene, rng, place=1.0, absent=0.6), scene
    return request_surroundings(request, scene, rng, absent=0.2), scene


def _requested_items(request: Request, items: tuple[Item, ...], rng: Random) -> list[int]:
    """The indices of the items that a random requested thing refers to: all of them if it has a count, else one."""
    if not request.things:
        return []
    requested = rng.choice(request.things)
    indices = [
        index
        for index, item in enumerate(items)
        if item.thing == requested.thing and (requested.colour is None or item.colour == requested.colour)
    ]
    return indices if requested.count else indices[:1]


def _change_items(items: tuple[Item, ...], indices: list[int], change: Callable[[Item], Item]) -> tuple[Item, ...]:
    return tuple(change(item) if index in indices else item for index, item in enumerate(items))


def change_attribute(
    request: Request, items: tuple[Item, ...], place: str, rng: Random
) -> tuple[tuple[Item, ...], str]:
    """Change one requested attribute of the items or the place: colour, thing, place, outfit or absence."""
    indices = _requested_items(request, items, rng)
    kind = rng.choice(("colour", "colour", "thing", "place", "outfit", "outfit", "absence"))
    if kind == "place":
        return items, rng.choice([other for other in PLACES if other != place])
    if kind == "absence" and request.absent and len(items) < 4:
        things = PEOPLE if request.absent == "people" else (request.absent,)
        return (*items, random_item(rng, things, equipped=0.0)), place
    if kind == "colour":
        colour = rng.choice(COLOURS)
        return _change_items(items, indices, lambda item: replace(item, colour=colour)), place
    if kind == "thing":
        return _change_items(items, indices, _other_thing(rng)), place
    return _change_items(items, indices, lambda item: _other_outfit(item, rng)), place


def _other_thing(rng: Random) -> Callable[[Item], Item]:
    """Turn a person into a random person with the same outfit, and any other thing into a random one."""
    person, thing = rng.choice(PEOPLE), rng.choice([thing for thing in THINGS if thing not in PEOPLE])
    return lambda item: replace(item, thing=person if item.is_person else thing)


def _other_outfit(item: Item, rng: Random) -> Item:
    if not item.is_equipped:
        return item
    kind = rng.choice(("hat", "held", "held colour"))
    if kind == "hat" and item.held != "umbrella":
        return replace(item, straw_hat=not item.straw_hat)
    if kind == "held" and item.held:
        held = rng.choice((None, *HELD))
        return replace(item, held=held, held_colour=item.held_colour if held else None)
    return replace(item, held_colour=rng.choice(COLOURS) if item.held else None)


def wrong_attributes(request: Request, scene: Scene, rng: Random, changes: int = 1) -> Scene:
    """A scene that differs in up to `changes` requested attributes. Raises `SceneTooCrowded`."""
    for _ in range(MAX_ATTEMPTS):
        items, place, lowest = scene.items, scene.place, 1.0
        for _ in range(changes):
            for _ in range(20):
                changed = change_attribute(request, items, place, rng)
                share = _try_match(request, changed, rng)
                if share is not None and share < lowest:
                    (items, place), lowest = changed, share
                    break
        if lowest < 1:
            wrong = arrange_scene(items, place, rng, request.relation)
            if match(request, wrong) < 1:
                return wrong
    raise SceneTooCrowded


def _try_match(request: Request, changed: tuple[tuple[Item, ...], str], rng: Random) -> float | None:
    try:
        return match(request, arrange_scene(changed[0], changed[1], rng, request.relation))
    except SceneTooCrowded:
        return None


def wrong_count(request: Request, scene: Scene, rng: Random) -> Scene:
    """A scene with the same things, but a different number of those counted. Raises `SceneTooCrowded`."""
    requested = request.things[0]
    others = [
        item for item in scene.items if item.thing != requested.thing or requested.colour not in (None, item.colour)
    ]
    item = next(item for item in scene.items if item not in others)
    near = (
        [count for count in (requested.count - 1, requested.count + 1) if 1 <= count <= MAX_COUNT]
        if requested.count
        else []
    )
    for _ in range(MAX_ATTEMPTS):
        count = rng.choice(near) if rng.random() < 0.7 else rng.randint(1, MAX_COUNT)
        try:
            changed = arrange_scene((item,) * count + tuple(others), scene.place, rng)
        except SceneTooCrowded:
            continue
        if failed_kinds(request, changed) == ["count"]:
            return changed
    raise SceneTooCrowded


def wrong_relation(request: Request, scene: Scene, rng: Random) -> Scene:
    """A scene with the same things in another relation. Raises `SceneTooCrowded`."""
    for _ in range(MAX_ATTEMPTS):
        relation = OPPOSITES[request.relation] if request.relation and rng.random() < 0.7 else rng.choice(RELATIONS)
        try:
            changed = arrange_scene(scene.items, scene.place, rng, relation)
        except SceneTooCrowded:
            continue
        if failed_kinds(request, changed) == ["relation"] and _is_clearly_unrelated(request, changed):
            return changed
    raise SceneTooCrowded


def _is_clearly_unrelated(request: Request, scene: Scene) -> bool:
    """Whether the centres are in the opposite relation, or level within 0.05 of a side."""
    first, second = scene.boxes[0], scene.boxes[1]
    distance = first.x - second.x if request.relation in ("left of", "right of") else first.y - second.y
    sign = 1 if request.relation in ("left of", "above") else -1
    return sign * distance > -0.05


def failed_kinds(request: Request, scene: Scene) -> list[str]:
    """The kinds of the conditions that do not hold; see `Condition.kind`."""
    return [condition.kind for condition in best_conditions(request, scene) if not condition.holds]


def differences(request: Request, scene: Scene) -> list[str]:
    """The result of `failed_kinds` without attributes and relations of things that are missing."""
    failed = [condition for condition in best_conditions(request, scene) if not condition.holds]
    missing = {condition.slot for condition in failed if condition.kind == "thing"}

    def is_implied(condition: Condition) -> bool:
        if condition.kind == "relation":
            return bool(missing)
        return condition.kind in THING_ATTRIBUTES and condition.slot in missing

    return [condition.kind for condition in failed if not is_implied(condition)]


def wrong_other(request: Request, rng: Random) -> Scene:
    """A random scene that does not fulfil the request."""
    while True:
        scene = random_scene(rng)
        if match(request, scene) < 1:
            return scene


def _fulfilled_request(rng: Random, generators: tuple[RequestGenerator, ...]) -> tuple[Request, Scene]:
    """A request that is not empty, and a scene that fulfils it. Raises `SceneTooCrowded`."""
    while True:
        request, scene = rng.choice(generators)(rng)
        if (request.things or request.place or request.absent) and match(request, scene) == 1:
            return request, scene


def wrong_scene(kind: str, request: Request, scene: Scene, rng: Random) -> Scene:
    """A wrong scene of a kind; see `Example.kinds`. Raises `SceneTooCrowded`."""
    if kind == "count":
        return wrong_count(request, scene, rng)
    if kind == "relation":
        return wrong_relation(request, scene, rng)
    if kind == "other":
        return wrong_other(request, rng)
    return wrong_attributes(request, scene, rng, changes=2 if kind == "two attributes" else 1)


def evaluation_example(rng: Random, candidates: int = 10) -> Example:
    """An example with a request for a count or a relation.

    candidates: the number of scenes, at least 2. One is right. Of nine wrong ones, three differ in one attribute, two
        in the count or the relation, two in two attributes, and two are other scenes; of another number, in proportion.
    """
    kinds = tuple(sorted(islice(cycle(WRONG_KINDS_CYCLE), candidates - 1), key=WRONG_KINDS.index))
    return _make_example((counting_request, relation_request), kinds, rng)


def training_example(rng: Random) -> Example:
    """An example with a request of any sort, and four wrong scenes."""
    kinds = ("attribute", "structure", rng.choice(("structure", "attribute")), rng.choice(("two attributes", "other")))
    generators = (counting_request, counting_request, relation_request, relation_request, description_request)
    return _make_example(generators, kinds, rng)


def _make_example(generators: tuple[RequestGenerator, ...], kinds: tuple[str, ...], rng: Random) -> Example:
    while True:
        try:
            request, scene = _fulfilled_request(rng, generators)
            wrong_kinds = tuple(_structure(request) if kind == "structure" else kind for kind in kinds)
            wrong = tuple(wrong_scene(kind, request, scene, rng) for kind in wrong_kinds)
        except SceneTooCrowded:
            continue
        return Example(request=request, right=scene, wrong=wrong, kinds=wrong_kinds)


def _structure(request: Request) -> str:
    """The kind that "structure" stands for: relation or count, or attribute if the request has neither."""
    if request.relation:
        return "relation"
    return "count" if request.things and request.things[0].count else "attribute"


def request_about(scene: Scene, rng: Random) -> Request:
    """A request about items of a scene. In rare cases the scene does not fulfil all of it."""
    chosen = rng.sample(range(len(scene.items)), min(len(scene.items), rng.choice((1, 1, 2))))
    things = tuple(request_thing(scene.items[index], rng, 0.6) for index in chosen)
    if len(chosen) == 2 and things[0].thing != things[1].thing and rng.random() < 0.6:
        first, second = (scene.boxes[index] for index in chosen)
        holding = [relation for relation in RELATIONS if related(first, relation, second)]
        if holding:
            return request_surroundings(Request(things=things, relation=rng.choice(holding)), scene, rng, place=0.3)
    if len(chosen) == 1 and rng.random() < 0.4:
        things = (_counted(things[0], scene),)
    return request_surroundings(Request(things=things), scene, rng)


def _counted(requested: RequestedThing, scene: Scene) -> RequestedThing:
    count = sum(thing.thing == requested.thing and requested.colour in (None, thing.colour) for thing in scene.visible)
    without_outfit = RequestedThing(thing=requested.thing, colour=requested.colour)
    return replace(without_outfit, count=count) if count <= MAX_COUNT else without_outfit
