"""How many sets are drawn of a dataset that has more to draw from, or has them drawn for it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What stands behind a dataset's name: `toybox:127:15:0`.

    sets: at most, at least 1. candidates: pictures of a set at most, at least 2. seed: the same one draws the same.
    """

    sets: int = 127
    candidates: int = 15
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.sets}:{self.candidates}:{self.seed}"
