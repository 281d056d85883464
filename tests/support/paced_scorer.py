"""A scorer of numbered pictures that goes on when the test says so."""

import threading
from collections.abc import Callable

from reranker import Query
from tests.support.numbered_pictures import number_in
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer


class PacedScorer:
    """Scores one picture a batch, and as many as the test has allowed. entered: is set in the first batch.

    judge: returns the log-odds of a picture, from a query and its bytes.
    """

    def __init__(self, judge: Callable[[Query, bytes], float] = number_in) -> None:
        self._log_odds = judge
        self.entered, self._allowed = threading.Event(), threading.Semaphore(0)
        self.scorer = ScriptedScorer(judge=self._judge, batch_tokens=1)

    def allow(self, count: int = 1) -> None:
        """Let so many more pictures be scored."""
        self._allowed.release(count)

    def _judge(self, query: Query, content: bytes) -> float:
        self.entered.set()
        assert self._allowed.acquire(timeout=2 * PATIENCE_S)
        return self._log_odds(query, content)
