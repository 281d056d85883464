"""An event loop for tests that call asynchronous code."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio.from_thread import start_blocking_portal

Result = TypeVar("Result")


def run_async(function: Callable[..., Awaitable[Result]], *arguments: object) -> Result:
    """Call a coroutine function in a thread of its own: the browser's event loop may be running in the main thread."""
    with start_blocking_portal() as portal:
        return portal.call(function, *arguments)
