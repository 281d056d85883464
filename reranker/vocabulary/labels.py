"""Labels: the names of what pictures can show, in Chinese and English, and which of them imply others."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final, Literal

LabelLanguage = Literal["en", "zh", "both"]
Domain = Literal["photo", "aerial"]
BOTH_SEPARATOR: Final = " / "  # between the two names of a label


def language_of(text: str) -> Literal["en", "zh"]:
    """Return the language of a name by its characters: Chinese if it has a Chinese one."""
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name in English, in Chinese or in both; at least one is not empty."""

    en: str = ""
    zh: str = ""

    def written(self, language: LabelLanguage) -> str:
        """Return the name in a language; in the other one if it has none."""
        if language == "both":
            return BOTH_SEPARATOR.join(dict.fromkeys(filter(None, (self.en, self.zh))))
        return (self.zh or self.en) if language == "zh" else (self.en or self.zh)

    @property
    def all(self) -> tuple[str, ...]:
        """The names that are not empty."""
        return tuple(dict.fromkeys(filter(None, (self.en, self.zh))))


@dataclass(frozen=True, kw_only=True)
class Label:
    """A label.

    synonyms: other names of the same thing, in any language. group: of labels that belong together; None if it has
    none. parent: the key of a label that every picture with this label has, too; None if there is none.
    """

    name: Name
    synonyms: tuple[str, ...] = ()
    group: Name | None = None
    parent: str | None = None

    @property
    def key(self) -> str:
        """What identifies the label in its vocabulary: its English name, or the Chinese one if it has none."""
        return self.name.en or self.name.zh

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names and the synonyms."""
        return (*self.name.all, *self.synonyms)


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """Labels with distinct names, whose parents are among them and form no circle.

    name: for people. labels: at least one. domain: what the pictures are, which decides how labels are put into
    sentences: "photo" or "aerial".
    """

    name: str
    labels: tuple[Label, ...]
    domain: Domain = "photo"

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    @cached_property
    def by_key(self) -> dict[str, Label]:
        """The labels by their keys."""
        return {label.key: label for label in self.labels}

    @cached_property
    def _by_name(self) -> dict[str, Label]:
        return {name.casefold(): label for label in self.labels for name in label.all_names}

    def find(self, name: str) -> Label | None:
        """Return the label with a name or a synonym, in any case; None if there is none."""
        return self._by_name.get(name.strip().casefold())

    def ancestors(self, label: Label) -> list[Label]:
        """Return the parent of a label, its parent, and so on."""
        found: list[Label] = []
        while label.parent is not None:
            label = self.by_key[label.parent]
            found.append(label)
        return found

    @cached_property
    def groups(self) -> tuple[Name, ...]:
        """The groups, in the order of the labels."""
        return tuple(dict.fromkeys(label.group for label in self.labels if label.group is not None))

    def only(self, groups: Iterable[str]) -> "Vocabulary":
        """Return the labels of groups with these names, in any language and case, and the labels that they imply."""
        wanted = {group.strip().casefold() for group in groups}
        chosen = [
            label
            for label in self.labels
            if label.group is not None and wanted & {name.casefold() for name in label.group.all}
        ]
        keys = {each.key for label in chosen for each in (label, *self.ancestors(label))}
        return Vocabulary(
            name=self.name, labels=tuple(each for each in self.labels if each.key in keys), domain=self.domain
        )

    @cached_property
    def digest(self) -> str:
        """A SHA-256 digest of all labels, in hexadecimal."""
        content = json.dumps([self.domain, *map(asdict, self.labels)], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()


def with_implied(vocabulary: Vocabulary, confidences: dict[str, float]) -> dict[str, float]:
    """Return confidences by the keys of labels, with those of all parents, which are never below those of children."""
    complete = dict(confidences)
    for key, confidence in confidences.items():
        for parent in vocabulary.ancestors(vocabulary.by_key[key]):
            complete[parent.key] = max(complete.get(parent.key, 0.0), confidence)
    return complete


def depth_first(vocabulary: Vocabulary, keys: Sequence[str]) -> list[str]:
    """Return keys with the most specific labels first, else in their order."""
    return sorted(keys, key=lambda key: -len(vocabulary.ancestors(vocabulary.by_key[key])))
