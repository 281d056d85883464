"""The labels of the drawn world: the file is the current one, and scenes have the labels of what is in them."""

import json
from random import Random

from reranker.config.paths import LABELS
from reranker.toybox.labels import label_records, labels_of
from reranker.toybox.scenes import random_scene
from reranker.vocabulary.label_files import load_vocabulary


def test_the_file_has_the_labels() -> None:
    lines = (LABELS / "toybox.jsonl").read_text(encoding="utf-8").splitlines()
    assert list(map(json.loads, lines)) == label_records()


def test_scenes_have_labels_of_the_vocabulary_with_their_parents() -> None:
    vocabulary, rng = load_vocabulary("toybox"), Random(5)
    for _ in range(50):
        labels = labels_of(random_scene(rng))
        assert labels <= set(vocabulary.by_key)
        parents = {parent.key for key in labels for parent in vocabulary.ancestors(vocabulary.by_key[key])}
        assert parents <= labels
