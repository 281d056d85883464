"""The labels of the drawn world: the file is the current one, and scenes have the labels of what is in them."""

import json
from pathlib import Path
from random import Random

import pytest

from reranker.config.paths import LABELS
from reranker.toybox.labels import label_records, labels_of, write_labels
from reranker.toybox.scenes import random_scene
from reranker.vocabulary.label_files import load_vocabulary
from reranker.vocabulary.labels import language_of


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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_file_in_one_language_has_the_same_labels(language: str, tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.jsonl", language)
    both, one = load_vocabulary("toybox"), load_vocabulary(tmp_path / "labels.jsonl")
    assert [label.key for label in one] == [label.name.written(language) for label in both]
    assert {language_of(name) for label in one for name in label.all_names} == {language}
    for label, same in zip(one, both, strict=True):
        assert label.group == same.group
        assert label.parent == (same.parent and both.by_key[same.parent].name.written(language))
