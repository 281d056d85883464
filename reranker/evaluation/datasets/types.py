"""Labelled datasets: queries, the pictures of each, and how relevant each picture is."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

QueryLanguage = Literal["zh", "en", "mixed"]

_HAN: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_LETTER: Final = re.compile(r"[A-Za-z\u00c0-\u024f]")


@dataclass(frozen=True, kw_only=True)
class LabelledPicture:
    """A picture of a set, and its relevance.

    name: unique in its set; the same name is the same picture in the whole dataset.
    gain: the relevance as in qrels: 0 is irrelevant, 1 or more is relevant.
    grade: the relevance on a scale that may be finer than `gain`; in the toybox the share of the request that matches.
    kind: how an irrelevant picture differs from the query; empty if unknown.
    """

    name: str
    source: Path | bytes
    gain: int
    grade: float
    kind: str = ""

    @property
    def is_relevant(self) -> bool:
        """Whether the gain is above 0."""
        return self.gain > 0


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """A query and the pictures to rank for it, at least one of them relevant. id: unique in its dataset."""

    id: str
    query: str
    language: QueryLanguage
    pictures: tuple[LabelledPicture, ...]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled sets in their order. name: without the folders of the machine."""

    name: str
    sets: tuple[LabelledSet, ...]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The number of sets that are drawn from a dataset, as in `toybox:127:15:0`.

    sets: at most, at least 1. candidates: pictures in a set at most, at least 2. seed: the same seed draws the same
    sets.
    """

    sets: int = 127
    candidates: int = 15
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.sets}:{self.candidates}:{self.seed}"


def language_of(query: str) -> QueryLanguage:
    """Return zh if all letters are Han characters, mixed if there are Latin ones too, and en without Han characters."""
    if not _HAN.search(query):
        return "en"
    return "mixed" if _LETTER.search(query) else "zh"
