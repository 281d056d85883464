"""By which names a page of this machine alone may be called."""

from typing import Final

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

LOOPBACK_HOSTS: Final = ["127.0.0.1", "localhost", "[::1]", "::1"]


def only_by_own_names() -> Middleware:
    """So that a foreign page that gives its own name this address (DNS rebinding) is turned away."""
    return Middleware(TrustedHostMiddleware, allowed_hosts=LOOPBACK_HOSTS)
