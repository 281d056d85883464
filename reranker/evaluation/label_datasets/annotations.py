"""What annotations say, as the labels of a vocabulary.

A category is a label if it is its name or a synonym, in any language and case, perhaps with underscores for spaces. Who
has a label has its parents, too, and who lacks one lacks its children. If annotations contradict each other, the label
is there.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from reranker.core.errors import DatasetInvalid
from reranker.core.faults import FaultList
from reranker.evaluation.label_datasets.types import AnnotatedPicture, LabelDataset
from reranker.vocabulary.labels import Vocabulary

Keys = frozenset[str]


class Annotations:
    """Collects the annotated pictures of one dataset, for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.faults = FaultList()
        self.missing_pictures = 0
        self._vocabulary = vocabulary
        self._pictures: list[AnnotatedPicture] = []
        self._keys: dict[str, str | None] = {}
        self._implied: dict[tuple[Keys, Keys], tuple[Keys, Keys]] = {}
        self._children: defaultdict[str, set[str]] = defaultdict(set)
        for label in vocabulary:
            for ancestor in vocabulary.ancestors(label):
                self._children[ancestor.key].add(label.key)

    def keys(self, categories: Iterable[str]) -> Keys:
        """Return the keys of the labels that categories are. Those that are none are remembered."""
        return frozenset(key for key in map(self._key, categories) if key is not None)

    def _key(self, category: str) -> str | None:
        if category not in self._keys:
            label = self._vocabulary.find(category) or self._vocabulary.find(category.replace("_", " "))
            self._keys[category] = label.key if label else None
        return self._keys[category]

    def add(self, name: str, source: Path | bytes, present: Keys, absent: Keys) -> None:
        """Add a picture with the labels that were annotated. name, source: as in `AnnotatedPicture`."""
        annotated = present, absent
        if annotated not in self._implied:
            self._implied[annotated] = self._with_implied(present, absent)
        present, absent = self._implied[annotated]
        self._pictures.append(AnnotatedPicture(name=name, source=source, present=present, absent=absent))

    def _with_implied(self, present: Keys, absent: Keys) -> tuple[Keys, Keys]:
        labels = (self._vocabulary.by_key[key] for key in present)
        parents = {parent.key for label in labels for parent in self._vocabulary.ancestors(label)}
        children = {child for key in absent for child in self._children[key]}
        return present | parents, (absent | children) - present - parents

    def dataset(self, name: str, path: Path) -> LabelDataset:
        """Return the dataset. Raises `DatasetInvalid` if there are faults, no pictures, or no label of the vocabulary.

        path: the file or folder that the last two are faults of.
        """
        if not len(self.faults):
            if not self._pictures:
                self.faults.add(path, None, "nothing annotated")
            elif not any(picture.present or picture.absent for picture in self._pictures):
                self.faults.add(path, None, "no known labels")
        if len(self.faults):
            raise DatasetInvalid(name=name, faults=tuple(self.faults))
        return LabelDataset(
            name=name,
            pictures=tuple(self._pictures),
            unknown_categories=tuple(category for category, key in self._keys.items() if key is None),
            missing_pictures=self.missing_pictures,
        )
