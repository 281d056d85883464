"""Bring libraries and their labels up to date, in threads, and tell all browsers how far."""

import threading
from collections.abc import Callable
from typing import Any, Literal

from starlette.requests import Request

from reranker.config.settings import ServerSettings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import LibraryMissing
from reranker.library import Library
from reranker.pipelines.indexing import FolderChanges
from reranker.ui.session.model_state import may_download
from reranker.ui.session.session import Change
from reranker.ui.session.statuses import trouble

# What is done: the folders of a library are read and its labels kept current, or all its pictures are labelled.
Work = Literal["update", "labels"]


class LibraryUpdates:
    """At most one update of each library at a time. Thread-safe. publish: tells a change to all browsers."""

    def __init__(self, publish: Callable[[Change], None]) -> None:
        self._publish, self._lock = publish, threading.Lock()
        self._running: dict[str, Cancellation] = {}
        self._views: dict[str, dict[str, Any]] = {}

    def views(self) -> list[dict[str, Any]]:
        """Return how far the updates are, or how they have ended; see `_show`."""
        return list(self._views.values())

    def start(self, name: str, library: Library, work: Work = "update") -> None:
        """Start to work on a library, unless that is being done. Returns at once. Raises `LibraryMissing`.

        name: by which browsers know it.
        """
        if not library.exists:
            raise LibraryMissing(name=name)
        with self._lock:
            if name in self._running:
                return
            self._running[name] = Cancellation()
            self._show(name, state="comparing", work=work)
        threading.Thread(target=self._run, args=(name, library, work), name="reranker-update", daemon=True).start()

    def stop(self, name: str) -> None:
        """Stop the update of a library after its batch, if there is one. Returns at once."""
        with self._lock:
            cancellation = self._running.get(name)
        if cancellation is not None:
            cancellation.cancel()

    def stop_all(self) -> None:
        """Stop all updates after their batches. Returns at once."""
        for name in list(self._running):
            self.stop(name)

    def _run(self, name: str, library: Library, work: Work) -> None:
        try:
            if work == "labels":
                counts = self._label(name, library)
                self._end(name, work=work, state=_end_state(counts), **counts)
            else:
                self._carry_out(name, library, library.changes())
        except Exception as error:
            self._end(name, work=work, state="failed", error=trouble(error).text)

    def _label(self, name: str, library: Library) -> dict[str, int]:
        """Label pictures as they were before, or by the labels that suit the model. Returns the last counts."""
        counts = dict[str, int]()
        for progress in library.tag(cancellation=self._running[name]):
            counts = {"done": progress.done, "total": progress.total, "failed": progress.failed}
            self._show(name, work="labels", state="running", **counts)
        return counts

    def _carry_out(self, name: str, library: Library, changes: FolderChanges) -> None:
        found = {"removed": len(changes.removed), "unreadable": len(changes.unreadable)}
        cancellation, counts = self._running[name], dict[str, int]()
        for progress in library.carry_out(changes, cancellation=cancellation):
            counts = {"done": progress.done, "total": progress.total, "failed": progress.failed}
            self._show(name, state="running", **found, **counts)
        state = _end_state(counts)
        if state == "done" and not cancellation.cancelled:
            library.build_index()
            if library.vocabulary is not None:
                state = _end_state(self._label(name, library))
        self._end(name, state=state, **found, **counts)

    def _end(self, name: str, **view: Any) -> None:
        with self._lock:
            del self._running[name]
            self._show(name, **view)

    def _show(self, name: str, **view: Any) -> None:
        """Tell how far some work is: "comparing", "running", "done", "stopped" or "failed", and counts of files.

        work: see `Work`; the labels of an update are told as "labels" until they are done. removed: files that are
        gone. failed: files that cannot be read; unreadable: folders. error: in each language.
        """
        counts = dict.fromkeys(("done", "total", "failed", "removed", "unreadable"), 0)
        self._views[name] = {"name": name, "work": "update", **counts, "error": None, **view}
        self._publish({"library": self._views[name]})


def _end_state(counts: dict[str, int]) -> Literal["done", "stopped"]:
    return "done" if counts["done"] == counts["total"] else "stopped"


def may_update(request: Request, server: ServerSettings) -> bool:
    """Return whether a request may update libraries: only one of this machine, to a server without guests, may."""
    return not server.auth and may_download(request, server)
