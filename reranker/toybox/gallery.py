"""The sample gallery: drawn pictures that are hard to tell apart, and queries to try on them."""

import json
from pathlib import Path
from random import Random

from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import Item, Scene, arrange_scene

QUERIES = (
    "a woman in a red dress",
    "一只 black cat 在窗台上",
    "three yellow balls",
    "海边的房子,没有人",
    "a dog to the left of a tree",
    "戴草帽的男人",
)


def _person(thing: str, colour: str, *, hat: bool = False, held: str | None = None, held_colour: str = "") -> Item:
    return Item(thing=thing, colour=colour, straw_hat=hat, held=held, held_colour=held_colour or None)


def _thing(name: str, colour: str) -> Item:
    return Item(thing=name, colour=colour)


DOG_TREE = (_thing("dog", "white"), _thing("tree", "green"))
# By the stem of the file name: items, place, relation of the first item to the second.
PICTURES: dict[str, tuple[tuple[Item, ...], str, str | None]] = {
    "red_dress_meadow": ((_person("woman", "red"),), "grass", None),
    "red_dress_straw_hat": ((_person("woman", "red", hat=True),), "sea", None),
    "blue_dress_straw_hat": ((_person("woman", "blue", hat=True),), "sea", None),
    "red_fire_truck": ((_thing("fire truck", "red"),), "street at night", None),
    "red_fire_truck_snow": ((_thing("fire truck", "red"), _thing("house", "white")), "snow", None),
    "man_straw_hat": ((_person("man", "blue", hat=True),), "grass", None),
    "man_red_coat": ((_person("man", "red"),), "street at night", None),
    "girl_yellow_umbrella": (
        (_person("girl", "pink", held="umbrella", held_colour="yellow"),),
        "street at night",
        None,
    ),
    "girl_red_ball": ((_person("girl", "green", held="ball", held_colour="red"),), "grass", None),
    "black_cat_window_sill": ((_thing("cat", "black"),), "window sill", None),
    "white_cat_window_sill": ((_thing("cat", "white"),), "window sill", None),
    "black_cat_grass": ((_thing("cat", "black"),), "grass", None),
    "two_yellow_balls": ((_thing("ball", "yellow"),) * 2, "grass", None),
    "three_yellow_balls": ((_thing("ball", "yellow"),) * 3, "grass", None),
    "four_yellow_balls": ((_thing("ball", "yellow"),) * 4, "grass", None),
    "house_by_the_sea": ((_thing("house", "orange"),), "sea", None),
    "house_by_the_sea_with_man": ((_thing("house", "orange"), _person("man", "green")), "sea", None),
    "house_in_the_desert": ((_thing("house", "orange"),), "desert", None),
    "dog_left_of_tree": (DOG_TREE, "grass", "left of"),
    "dog_right_of_tree": (DOG_TREE, "grass", "right of"),
    "boat_and_fish": ((_thing("boat", "blue"), _thing("fish", "orange")), "sea", "above"),
    "purple_flower": ((_thing("flower", "purple"), _thing("cup", "white")), "window sill", None),
    "birds_in_the_snow": ((_thing("bird", "blue"),) * 3, "snow", None),
    "night_street_cars": ((_thing("car", "yellow"),) * 2, "street at night", None),
}


def sample_scenes(seed: int = 7) -> dict[str, Scene]:
    """The scenes of the gallery by the stem of their file name."""
    rng = Random(seed)
    return {name: arrange_scene(items, place, rng, relation) for name, (items, place, relation) in PICTURES.items()}


def write_gallery(folder: Path) -> None:
    """Write the PNG files and `queries.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in sample_scenes().items():
        draw_scene(scene).save(folder / f"{name}.png", optimize=True)
    text = json.dumps(QUERIES, ensure_ascii=False, indent=2)
    (folder / "queries.json").write_text(text + "\n", encoding="utf-8")
