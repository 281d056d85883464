"""Scenes of the toybox's drawn world, which training does not see. They need no files.

All labels of the drawn world are known of each scene.
"""

from pathlib import Path
from random import Random
from typing import Any, Final

from reranker.core.errors import DatasetSpecInvalid
from reranker.evaluation.label_datasets.annotations import Annotations
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.toybox.drawing import png_bytes
from reranker.toybox.labels import LABELS_SEED, label_records, labels_of
from reranker.toybox.scenes import random_scene
from reranker.vocabulary.labels import Vocabulary

SCENES: Final = 300


def draw_scenes(name: str, numbers: tuple[int, ...], vocabulary: Vocabulary) -> LabelDataset:
    """Draw scenes. numbers: how many, and the seed. Raises `DatasetInvalid` and `DatasetSpecInvalid`."""
    if len(numbers) > 2 or (numbers and numbers[0] < 1):
        raise DatasetSpecInvalid(name=name, reason="scenes")
    scenes, seed = (*numbers, *(SCENES, 0)[len(numbers) :])
    annotations = Annotations(vocabulary)
    keys = {record["en"]: annotations.keys([_known_name(record, vocabulary)]) for record in label_records()}
    annotated = frozenset().union(*keys.values())
    rng = Random(LABELS_SEED + seed)
    for number in range(1, scenes + 1):
        scene = random_scene(rng)
        present = frozenset().union(*(keys[label] for label in labels_of(scene)))
        annotations.add(f"toybox-{number:05}.png", png_bytes(scene), present, annotated - present)
    return annotations.dataset(f"{name}:{scenes}:{seed}", Path(name))


def _known_name(record: dict[str, Any], vocabulary: Vocabulary) -> str:
    """Return a name of a label that the vocabulary knows; the English one if it knows none."""
    names: list[str] = [record["en"], record["zh"], *record.get("synonyms", ())]
    return next((name for name in names if vocabulary.find(name)), names[0])
