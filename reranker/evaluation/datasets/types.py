"""What is known before anything is judged: queries, their pictures, and which of them are right."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

QueryLanguage = Literal["zh", "en", "mixed"]

_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")


@dataclass(frozen=True, kw_only=True)
class LabelledPicture:
    """A picture of a set, and how well it is known to fit.

    name: what people and files know it by, unique in its set, and the same picture wherever a dataset repeats it.
    gain: how relevant it is, as qrels have it: 0 is wrong, 1 and more is right. grade: the same or finer, the larger
        the better it fits; of the toybox the share of the request that holds.
    kind: in what a wrong picture differs from what is asked for; empty where nobody knows.
    """

    name: str
    source: Path | bytes
    gain: int
    grade: float
    kind: str = ""

    @property
    def is_right(self) -> bool:
        """Whether it belongs before the others."""
        return self.gain > 0


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """A query and the pictures to be ranked by it; at least one is right. id: unique in its dataset."""

    id: str
    query: str
    language: QueryLanguage
    pictures: tuple[LabelledPicture, ...]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled sets, in their order. name: what people call it, without folders of the machine."""

    name: str
    sets: tuple[LabelledSet, ...]


def language_of(query: str) -> QueryLanguage:
    """By its letters: Han characters alone are zh, both kinds are mixed, anything else is en."""
    if not _HAN.search(query):
        return "en"
    return "mixed" if _LETTER.search(query) else "zh"
