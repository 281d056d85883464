"""Scenes of the drawn world, for tests."""

from pathlib import Path
from random import Random

from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import Box, Item, Scene, random_scene


def scene_of(*items, place="grass", boxes=None):
    default_boxes = [Box(x=0.2 + 0.3 * i, y=0.5, width=0.25, height=0.25) for i in range(len(items))]
    return Scene(place=place, items=items, boxes=tuple(boxes or default_boxes), width_px=300, height_px=300, seed=1)


def thing(name, colour="red", **worn):
    return Item(thing=name, colour=colour, **worn)


def drawn_files(folder: Path, count: int) -> list[Path]:
    """Draw scenes into a folder, and return their paths."""
    rng, paths = Random(4), [folder / f"{number:04}.png" for number in range(count)]
    for path in paths:
        draw_scene(random_scene(rng)).save(path)
    return paths


def many_scenes(count=300):
    rng = Random(9)
    return [random_scene(rng) for _ in range(count)]
