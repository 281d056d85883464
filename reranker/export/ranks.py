"""The ranks of exported pictures. Who exports a part of a ranking, in any order, says which ranks they have in it."""

from collections.abc import Sequence

from reranker.core.types import Ranking

Ranks = Sequence[int] | None
"""Of the scored pictures of a ranking, from 1; None if they are all of them, so that their ranks are 1, 2, 3 ..."""


def ranks_of(ranking: Ranking, ranks: Ranks) -> Sequence[int]:
    """Return the rank of each scored picture."""
    return range(1, len(ranking.scored) + 1) if ranks is None else ranks


def with_ranks(rankings: Sequence[Ranking], ranks: Sequence[Ranks] | None) -> list[tuple[Ranking, Ranks]]:
    """Return rankings with their ranks. ranks: of each; None if all rankings are whole."""
    return list(zip(rankings, [None] * len(rankings) if ranks is None else ranks, strict=True))
