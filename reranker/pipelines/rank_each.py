"""Rank the same pictures by several queries: each picture is encoded once, as a part of them is scored for all queries
before the next part.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from reranker.core.cancellation import Cancellation
from reranker.core.types import Candidate, Query, Ranking
from reranker.pipelines.rerank import Event, RankStream, StagedStream, merge_rankings

Stream = RankStream | StagedStream
OpenStream = Callable[[Query, Sequence[Candidate], Cancellation], Stream]


class RankEachStream(Iterator[tuple[int, Event]]):
    """A run over several queries that is being watched, like `RankStream`; each event has the index of its query.

    There is one event per query and candidate, and at the end the ranking of each query, in their order.

    open_stream: starts the run of one query over some candidates. part_size: candidates that are scored for all queries
        before the next ones, at least 1. cancellation: once cancelled, no further batch begins; candidates without a
        score come out as `PictureSkipped` for every query.
    """

    def __init__(
        self,
        queries: Sequence[Query],
        candidates: Sequence[Candidate],
        open_stream: OpenStream,
        *,
        part_size: int,
        top_k: int | None,
        cancellation: Cancellation | None = None,
    ) -> None:
        self._queries, self._candidates, self._open_stream = tuple(queries), tuple(candidates), open_stream
        self._part_size, self._top_k = part_size, top_k
        self._cancellation = Cancellation(parent=cancellation)
        self._current: Stream | None = None
        self._closed = False
        self._events = self._run()

    def __next__(self) -> tuple[int, Event]:
        if self._closed:
            raise StopIteration
        event = next(self._events)
        if self._closed:  # while it was on its way
            raise StopIteration
        return event

    @property
    def queue_position(self) -> int | None:
        """The `RankStream.queue_position` of the query that is being scored; None before the first."""
        return self._current.queue_position if self._current else None

    @property
    def coarse_count(self) -> int | None:
        """The `StagedStream.coarse_count` of the query that is being scored; None before the first."""
        return self._current.coarse_count if self._current else None

    def close(self) -> None:
        """Cancel the run, and end the iteration now; see `RankStream.close`."""
        self._closed = True
        self._cancellation.cancel()
        if self._current:
            self._current.close()

    def _run(self) -> Iterator[tuple[int, Event]]:
        parts: list[list[Ranking]] = [[] for _ in self._queries]
        try:
            for start in range(0, max(1, len(self._candidates)), self._part_size):
                yield from self._run_part(start, parts)
        finally:
            self._cancellation.detach()
        for number, rankings in enumerate(parts):
            yield number, merge_rankings(rankings, self._part_size, self._top_k)

    def _run_part(self, start: int, parts: Sequence[list[Ranking]]) -> Iterator[tuple[int, Event]]:
        """Score the candidates of a part for each query; their rankings are added to `parts`."""
        part = self._candidates[start : start + self._part_size]
        for number, query in enumerate(self._queries):
            self._current = self._open_stream(query, part, self._cancellation)
            with closing(self._current) as stream:
                for item in stream:
                    if isinstance(item, Ranking):
                        parts[number].append(item)
                    else:
                        yield number, replace(item, position=start + item.position)
