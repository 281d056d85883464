"""Both stages of a search: the recalled pictures at once, then an event for each that was scored, then the result."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from reranker.core.types import Candidate, Failed, Ranking, Scored
from reranker.pipelines.rank_each import Stream
from reranker.pipelines.recall import Recalled, SearchQuery


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What the first stage has found, nearest first: a provisional order."""

    query: SearchQuery
    recalled: tuple[Recalled, ...]

    @property
    def candidates(self) -> list[Candidate]:
        """The recalled pictures as the second stage takes them; the position of each is its place here."""
        return [Candidate(name=str(each.path), source=each.path) for each in self.recalled]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a search has found.

    ranking: the recalled pictures, ranked by the cross-encoder; `position` is the place in `recall`. None if it was not
    asked, or cannot judge: then the order is that of the recall.
    """

    recall: Recall
    ranking: Ranking | None

    @property
    def ordered(self) -> tuple[tuple[Recalled, Scored | None], ...]:
        """The found pictures, best first, with their scores. Those that failed are not among them."""
        recalled = self.recall.recalled
        if self.ranking is None:
            return tuple((each, None) for each in recalled)
        return tuple((recalled[scored.position], scored) for scored in self.ranking.scored)


SearchEvent = Recall | Scored | Failed | SearchResult


def search_stream(recall: Recall, ranked: Stream | None) -> Iterator[SearchEvent]:
    """Yield the recall, an event for each picture as it is scored, and the result. ranked: None: nothing is scored."""
    yield recall
    ranking: Ranking | None = None
    for event in ranked or ():
        if isinstance(event, Ranking):
            ranking = event
        else:
            yield event
    yield SearchResult(recall=recall, ranking=ranking)


def drain(events: Iterator[SearchEvent]) -> SearchResult:
    """Return the result that the events of a search end with."""
    *_, result = events
    return cast(SearchResult, result)
