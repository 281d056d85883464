"""Annotated datasets: pictures, and the labels that they have and do not have."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class AnnotatedPicture:
    """A picture and what is known of it.

    present: keys of the labels that it has, with all parents. absent: of those that it does not have, with all
    children. Nothing is known of other labels. name: for people; need not be unique.
    """

    name: str
    source: Path | bytes
    present: frozenset[str]
    absent: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class LabelDataset:
    """Annotated pictures in their order. name: without the folders of the machine.

    unknown_categories: what was annotated but is no label of the vocabulary. missing_pictures: how many annotated
    pictures are not on this machine.
    """

    name: str
    pictures: tuple[AnnotatedPicture, ...]
    unknown_categories: tuple[str, ...] = ()
    missing_pictures: int = 0
