"""Slow down those who guess passwords or keys."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from reranker.core.errors import TooManyAttempts

MAX_FAILURES: Final = 10
PERIOD_S: Final = 60
_MAX_ADDRESSES: Final = 10_000


class FailedAttempts:
    """The failed attempts of each address in the last minute. After ten of them no attempt is allowed, right or wrong.

    clock: returns seconds; they need not start at a certain time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise `TooManyAttempts` if an address has failed too often."""
        times, now = self._times.get(address, deque()), self._clock()
        while times and times[0] <= now - PERIOD_S:
            times.popleft()
        if len(times) >= MAX_FAILURES:
            raise TooManyAttempts(wait_s=int(times[0] + PERIOD_S - now) + 1)

    def add(self, address: str) -> None:
        """Count a failed attempt of an address."""
        self._times.setdefault(address, deque(maxlen=MAX_FAILURES)).append(self._clock())
        self._times.move_to_end(address)
        if len(self._times) > _MAX_ADDRESSES:
            self._times.popitem(last=False)
