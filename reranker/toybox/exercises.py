"""What the model is taught and examined with: a request, a scene where it holds, and scenes that differ in little."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle, islice
from random import Random

from reranker.toybox.matching import Asked, Part, Request, best_parts, is_absent, match
from reranker.toybox.scenes import (
    COLOURS,
    HELD,
    MAX_COUNT,
    PEOPLE,
    PLACES,
    RELATIONS,
    THINGS,
    Crowded,
    Item,
    Scene,
    arranged,
    random_item,
    random_scene,
    related,
)

EXAMINATION_SEED = 1_000_003  # lessons are drawn from small seeds
# Of the wrong scenes of an examination, in turn, and in the order in which they are drawn.
WRONG_KINDS = ("attribute", "structure", "two attributes", "other")
WRONG_IN_TURN = (*WRONG_KINDS, *WRONG_KINDS, "attribute")
OF_A_THING = ("colour", "count", "hat", "held", "held colour")
TRIES = 50  # a wrong scene is given up after so many
OPPOSITES = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A request, a scene where all of it holds, and wrong scenes named by what differs.

    `kinds[i]` is of `wrong[i]`: attribute, count, relation, two attributes or other.
    """

    request: Request
    right: Scene
    wrong: tuple[Scene, ...]
    kinds: tuple[str, ...]


def ask_thing(item: Item, rng: Random, share: float = 0.8) -> Asked:
    """A question for the item, each attribute with probability `share`."""
    held = item.held if rng.random() < share else None
    return Asked(
        thing=item.thing,
        colour=item.colour if rng.random() < share else None,
        straw_hat=item.straw_hat and rng.random() < share,
        held=held,
        held_colour=item.held_colour if held and rng.random() < share else None,
    )


def ask_surroundings(request: Request, scene: Scene, rng: Random, place: float = 0.5, absent: float = 0.12) -> Request:
    """The request with the scene's place, and with something that is not there, each with its probability."""
    wanted = scene.place if rng.random() < place else None
    missing = [thing for thing in (*THINGS, "people", "people", "people", "car") if is_absent(thing, scene)]
    without = rng.choice(missing) if missing and rng.random() < absent else None
    return replace(request, place=wanted, absent=without)


def counting(rng: Random) -> tuple[Request, Scene]:
    """Several of a kind, and how many; raises `Crowded`."""
    count = rng.randint(1, MAX_COUNT)
    item = random_item(rng, equipped=0.0)
    others = [random_item(rng, equipped=0.0) for _ in range(rng.choice((0, 0, 1)))]
    others = [other for other in others if other.thing != item.thing or other.colour != item.colour]
    scene = arranged((item,) * count + tuple(others), rng.choice(PLACES), rng)
    colour = item.colour if rng.random() < 0.7 or any(other.thing == item.thing for other in others) else None
    request = Request(asked=(Asked(thing=item.thing, colour=colour, count=count),))
    return ask_surroundings(request, scene, rng, absent=0.06), scene


def relating(rng: Random) -> tuple[Request, Scene]:
    """Two different things and how one lies to the other; raises `Crowded`."""
    first = random_item(rng, equipped=0.35)
    second = random_item(rng, [thing for thing in THINGS if thing != first.thing], equipped=0.35)
    others = () if first.is_equipped or second.is_equipped or rng.random() < 0.75 else (random_item(rng, equipped=0),)
    relation = rng.choice(RELATIONS)
    scene = arranged((first, second, *others), rng.choice(PLACES), rng, relation)
    asked = (ask_thing(first, rng, 0.6), ask_thing(second, rng, 0.6))
    return ask_surroundings(Request(asked=asked, relation=relation), scene, rng, place=0.3, absent=0.04), scene


def describing(rng: Random) -> tuple[Request, Scene]:
    """One thing or two with attributes, or the place alone, anything absent; raises `Crowded`."""
    first = random_item(rng)
    second = random_item(rng, [thing for thing in THINGS if thing not in (first.thing, first.held)])
    items = (first, second)[: rng.choice((1, 1, 2))]
    scene = arranged(items, rng.choice(PLACES), rng)
    chosen = rng.sample(items, rng.choice((0, 1, 1, 1, 1, 1, 1, min(2, len(items)))))
    request = Request(asked=tuple(ask_thing(item, rng) for item in chosen))
    if not chosen:
        return ask_surroundings(request, scene, rng, place=1.0, absent=0.6), scene
    return ask_surroundings(request, scene, rng, absent=0.2), scene


def _concerned(request: Request, items: tuple[Item, ...], rng: Random) -> list[int]:
    """Indices of the items that one asked thing, chosen at random, is about; all of a kind together."""
    if not request.asked:
        return []
    asked = rng.choice(request.asked)
    found = [
        index
        for index, item in enumerate(items)
        if item.thing == asked.thing and (asked.colour is None or item.colour == asked.colour)
    ]
    return found if asked.count else found[:1]


def _with(items: tuple[Item, ...], chosen: list[int], change: Callable[[Item], Item]) -> tuple[Item, ...]:
    return tuple(change(item) if index in chosen else item for index, item in enumerate(items))


def change_attribute(
    request: Request, items: tuple[Item, ...], place: str, rng: Random
) -> tuple[tuple[Item, ...], str]:
    """Items and place with one attribute of what is asked changed: colour, thing, place, hat, held thing, absence."""
    chosen = _concerned(request, items, rng)
    kind = rng.choice(("colour", "colour", "thing", "place", "outfit", "outfit", "absence"))
    if kind == "place":
        return items, rng.choice([other for other in PLACES if other != place])
    if kind == "absence" and request.absent and len(items) < 4:
        things = PEOPLE if request.absent == "people" else (request.absent,)
        return (*items, random_item(rng, things, equipped=0.0)), place
    if kind == "colour":
        colour = rng.choice(COLOURS)
        return _with(items, chosen, lambda item: replace(item, colour=colour)), place
    if kind == "thing":
        return _with(items, chosen, _other_thing(rng)), place
    return _with(items, chosen, lambda item: _other_outfit(item, rng)), place


def _other_thing(rng: Random) -> Callable[[Item], Item]:
    """A person becomes another person and keeps the outfit; anything else becomes anything else."""
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
    """A scene that differs in so many attributes of what is asked; raises `Crowded`."""
    for _ in range(TRIES):
        items, place, remaining = scene.items, scene.place, 1.0
        for _ in range(changes):
            for _ in range(20):
                changed = change_attribute(request, items, place, rng)
                share = _try_match(request, changed, rng)
                if share is not None and share < remaining:
                    (items, place), remaining = changed, share
                    break
        if remaining < 1:
            wrong = arranged(items, place, rng, request.relation)
            if match(request, wrong) < 1:
                return wrong
    raise Crowded


def _try_match(request: Request, changed: tuple[tuple[Item, ...], str], rng: Random) -> float | None:
    try:
        return match(request, arranged(changed[0], changed[1], rng, request.relation))
    except Crowded:
        return None


def wrong_count(request: Request, scene: Scene, rng: Random) -> Scene:
    """The same things, but more or fewer of what is counted; raises `Crowded`."""
    asked = request.asked[0]
    kept = [item for item in scene.items if item.thing != asked.thing or asked.colour not in (None, item.colour)]
    item = next(item for item in scene.items if item not in kept)
    near = [count for count in (asked.count - 1, asked.count + 1) if 1 <= count <= MAX_COUNT] if asked.count else []
    for _ in range(TRIES):
        count = rng.choice(near) if rng.random() < 0.7 else rng.randint(1, MAX_COUNT)
        try:
            changed = arranged((item,) * count + tuple(kept), scene.place, rng)
        except Crowded:
            continue
        if failed_kinds(request, changed) == ["count"]:
            return changed
    raise Crowded


def wrong_relation(request: Request, scene: Scene, rng: Random) -> Scene:
    """The same things, the first on the other side of the second, or neither here nor there; raises `Crowded`."""
    for _ in range(TRIES):
        relation = OPPOSITES[request.relation] if request.relation and rng.random() < 0.7 else rng.choice(RELATIONS)
        try:
            changed = arranged(scene.items, scene.place, rng, relation)
        except Crowded:
            continue
        if failed_kinds(request, changed) == ["relation"] and _is_plainly_unrelated(request, changed):
            return changed
    raise Crowded


def _is_plainly_unrelated(request: Request, scene: Scene) -> bool:
    """Not by a hair: the centres lie the other way, or level."""
    first, second = scene.boxes[0], scene.boxes[1]
    distance = first.x - second.x if request.relation in ("left of", "right of") else first.y - second.y
    sign = 1 if request.relation in ("left of", "above") else -1
    return sign * distance > -0.05


def failed_kinds(request: Request, scene: Scene) -> list[str]:
    """The kinds of the parts that do not hold."""
    return [part.kind for part in best_parts(request, scene) if not part.holds]


def differences(request: Request, scene: Scene) -> list[str]:
    """As `failed_kinds`, without what follows from a thing that is not there: its attributes, and how it lies."""
    failed = [part for part in best_parts(request, scene) if not part.holds]
    missing = {part.slot for part in failed if part.kind == "thing"}

    def follows(part: Part) -> bool:
        return (part.kind in OF_A_THING and part.slot in missing) or (part.kind == "relation" and bool(missing))

    return [part.kind for part in failed if not follows(part)]


def wrong_other(request: Request, rng: Random) -> Scene:
    """Any other scene where not all holds."""
    while True:
        scene = random_scene(rng)
        if match(request, scene) < 1:
            return scene


def posed(rng: Random, ways: tuple[Callable[[Random], tuple[Request, Scene]], ...]) -> tuple[Request, Scene]:
    """A request and a scene where all of it holds, made in one of the ways; raises `Crowded`."""
    while True:
        request, scene = rng.choice(ways)(rng)
        if (request.asked or request.place or request.absent) and match(request, scene) == 1:
            return request, scene


def wrong_scene(kind: str, request: Request, scene: Scene, rng: Random) -> Scene:
    """A wrong scene of the kind: attribute, count, relation, two attributes or other; raises `Crowded`."""
    if kind == "count":
        return wrong_count(request, scene, rng)
    if kind == "relation":
        return wrong_relation(request, scene, rng)
    if kind == "other":
        return wrong_other(request, rng)
    return wrong_attributes(request, scene, rng, changes=2 if kind == "two attributes" else 1)


def examination(rng: Random, candidates: int = 10) -> Exercise:
    """One right picture among so many, at least 2: of nine wrong ones three differ in one attribute, two in the count
    or the relation, two in two attributes, and two are other scenes; of more or fewer the same shares."""
    turns = islice(cycle(WRONG_IN_TURN), candidates - 1)
    kinds = tuple(sorted(turns, key=WRONG_KINDS.index))
    return _exercise((counting, relating), kinds, rng)


def lesson(rng: Random) -> Exercise:
    """Like an examination, of every way of asking, with fewer wrong scenes."""
    kinds = ("attribute", "structure", rng.choice(("structure", "attribute")), rng.choice(("two attributes", "other")))
    return _exercise((counting, counting, relating, relating, describing), kinds, rng)


def _exercise(
    ways: tuple[Callable[[Random], tuple[Request, Scene]], ...], kinds: tuple[str, ...], rng: Random
) -> Exercise:
    while True:
        try:
            request, scene = posed(rng, ways)
            named = tuple(_structure(request) if kind == "structure" else kind for kind in kinds)
            wrong = tuple(wrong_scene(kind, request, scene, rng) for kind in named)
        except Crowded:
            continue
        return Exercise(request=request, right=scene, wrong=wrong, kinds=named)


def _structure(request: Request) -> str:
    """What "count or relation" means for this request."""
    if request.relation:
        return "relation"
    return "count" if request.asked and request.asked[0].count else "attribute"


def ask_about(scene: Scene, rng: Random) -> Request:
    """A request that one could make with the scene before one's eyes; not always all of it holds."""
    chosen = rng.sample(range(len(scene.items)), min(len(scene.items), rng.choice((1, 1, 2))))
    asked = tuple(ask_thing(scene.items[index], rng, 0.6) for index in chosen)
    if len(chosen) == 2 and asked[0].thing != asked[1].thing and rng.random() < 0.6:
        first, second = (scene.boxes[index] for index in chosen)
        holding = [relation for relation in RELATIONS if related(first, relation, second)]
        if holding:
            return ask_surroundings(Request(asked=asked, relation=rng.choice(holding)), scene, rng, place=0.3)
    if len(chosen) == 1 and rng.random() < 0.4:
        asked = (_counted(asked[0], scene),)
    return ask_surroundings(Request(asked=asked), scene, rng)


def _counted(asked: Asked, scene: Scene) -> Asked:
    count = sum(thing.thing == asked.thing and asked.colour in (None, thing.colour) for thing in scene.shown)
    plain = Asked(thing=asked.thing, colour=asked.colour)
    return replace(plain, count=count) if count <= MAX_COUNT else plain
