"""A reranker that keeps the events by which its runs are stopped."""

import threading
from collections.abc import Iterator
from typing import Any

from reranker import Reranker


class RecordedStops(Reranker):
    """Tests wait for `stops[0].is_set()` to know that somebody has stopped the first run."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stops: list[threading.Event] = []

    def rank_stream(self, *arguments: Any, stop: threading.Event, **options: Any) -> Iterator[Any]:
        self.stops.append(stop)
        return super().rank_stream(*arguments, stop=stop, **options)
