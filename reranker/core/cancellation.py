"""The one way to cancel work."""

import threading
from collections.abc import Callable


class Cancellation:
    """A flag that is set once, from any thread, and calls those who wait for something.

    parent: cancels this one too, but not the other way round.
    """

    def __init__(self, parent: "Cancellation | None" = None) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._cancelled = False
        self._remove_from_parent = parent.on_cancel(self.cancel) if parent is not None else None

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called, here or on the parent."""
        return self._cancelled

    def cancel(self) -> None:
        """Set the flag and call the callbacks, each once. May be called any number of times."""
        with self._lock:
            self._cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back on `cancel`, at once if that was before. Returns a function that removes the callback."""
        with self._lock:
            is_late = self._cancelled
            if not is_late:
                self._callbacks.append(callback)
        if is_late:
            callback()
        return lambda: self._remove(callback)

    def detach(self) -> None:
        """Leave the parent, when the work is done."""
        if self._remove_from_parent is not None:
            self._remove_from_parent()

    def _remove(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
