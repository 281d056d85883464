"""A reranker that records how its runs are cancelled."""

import threading
from collections.abc import Iterator
from typing import Any

from reranker import Reranker
from reranker.core.cancellation import Cancellation


class RecordedStops(Reranker):
    """Tests wait for `stops[0]` to know that the first run was cancelled."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.stops: list[threading.Event] = []

    def rank_stream(self, *arguments: Any, cancellation: Cancellation | None = None, **options: Any) -> Iterator[Any]:
        cancellation = cancellation or Cancellation()
        cancelled = threading.Event()
        cancellation.on_cancel(cancelled.set)
        self.stops.append(cancelled)
        return super().rank_stream(*arguments, cancellation=cancellation, **options)
