"""Slow down those who guess passwords or keys."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from reranker.config.settings import ServerSettings
from reranker.core.errors import TooManyAttempts

MAX_FAILURES: Final = 10
PERIOD_S: Final = 60
_MAX_ADDRESSES: Final = 10_000


def address_of(scope: Scope, server: ServerSettings) -> str:
    """Return the address whose attempts are counted together.

    uvicorn believes the header X-Forwarded-For of clients on this machine, and then sets the port to 0. Only
    `root_path` tells that it comes from a proxy; without it, anybody may have written it.
    """
    host, port = scope.get("client") or ("", 0)
    return str(host) if port or server.root_path else ""


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

    def take_back(self, address: str) -> None:
        """Do not count the last attempt of an address: it has succeeded."""
        if self._times.get(address):
            self._times[address].pop()

    def add(self, address: str) -> None:
        """Count an attempt of an address as failed."""
        self._times.setdefault(address, deque(maxlen=MAX_FAILURES)).append(self._clock())
        self._times.move_to_end(address)
        if len(self._times) > _MAX_ADDRESSES:
            self._times.popitem(last=False)
