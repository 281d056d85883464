"""Labelled sets as people make them: a query, the pictures that they looked at for it, and the right ones."""

from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

MarkingMistake = Literal["nothing_marked", "everything_marked"]


@dataclass(frozen=True, kw_only=True)
class LabelledQuery:
    """pictures: all that were on the board, in its order; relevant: those that were marked, in the same order."""

    query: str
    pictures: tuple[Path, ...]
    relevant: tuple[Path, ...]

    def among(self, there: Container[Path]) -> "LabelledQuery":
        """Without the pictures that are not there any more."""
        pictures, relevant = (tuple(one for one in all_ if one in there) for all_ in (self.pictures, self.relevant))
        return replace(self, pictures=pictures, relevant=relevant)

    @property
    def mistake(self) -> MarkingMistake | None:
        """Why nothing can be measured with it; None where something can."""
        if not self.relevant:
            return "nothing_marked"
        return "everything_marked" if len(self.relevant) == len(self.pictures) else None
