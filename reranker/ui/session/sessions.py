"""All sessions of the page: made, found again after a restart, and removed a day after their last use."""

import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reranker.api import Reranker
from reranker.core.errors import SessionUnknown, TooManyRequests
from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore
from reranker.ui.session.database import SessionDatabase
from reranker.ui.session.session import Session

SWEEP_INTERVAL_S: Final = 600.0
MAX_LOADED: Final = 10_000
HOUR_S: Final = 3_600
_ID_BYTES: Final = 24
_ID: Final = re.compile(r"[\w-]{32}", re.ASCII)


class Sessions:
    """The sessions of one program. Thread-safe.

    folder: for the database and a folder for each session. clock: seconds since 1970.
    """

    def __init__(self, reranker: Reranker, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._reranker, self._folder, self._clock = reranker, folder, clock
        self._hours = reranker.settings.server.session_hours
        self._database = SessionDatabase(folder / "sessions.sqlite")
        self._sessions: dict[str, Session] = {}
        self._lock, self._swept_at = threading.Lock(), -float("inf")

    @property
    def folder(self) -> Path:
        """The folder that the quota of uploads applies to."""
        return self._folder

    @property
    def hours(self) -> int:
        """How long an unused session lives."""
        return self._hours

    def ends_at(self) -> float:
        """Return when a session ends that nobody uses from now on, in seconds since 1970."""
        return self._clock() + HOUR_S * self._hours

    @property
    def running_count(self) -> int:
        """The number of sessions with a job."""
        return sum(session.is_running for session in self._loaded())

    def create(self, owner: str) -> Session:
        """Return a new session, which is stored once something is in it. owner: the name of the login, or empty.

        Raises `TooManyRequests` if there are too many.
        """
        self.sweep_if_due()
        session = self._session(secrets.token_urlsafe(_ID_BYTES), owner)
        with self._lock:
            self._drop_unused()
            if len(self._sessions) >= MAX_LOADED:
                raise TooManyRequests(max_count=MAX_LOADED)
            self._sessions[session.id] = session
        return session

    def find(self, id_: str, owner: str) -> Session:
        """Return a session. Raises `SessionUnknown` if it has ended, or is somebody else's."""
        with self._lock:
            session = self._sessions.get(id_) or self._restored(id_)
            if session is None or session.owner != owner or session.is_forgotten:
                raise SessionUnknown
            self._sessions[id_] = session
            return session

    def forget(self, session: Session) -> None:
        """Delete a session with all that is in it."""
        session.forget()
        with self._lock:
            self._sessions.pop(session.id, None)

    def sweep_if_due(self) -> None:
        """Remove sessions that were not used for long, unless that was done a short time ago."""
        with self._lock:
            is_due = self._clock() - self._swept_at >= SWEEP_INTERVAL_S
            if is_due:
                self._swept_at = self._clock()
        if is_due:
            self.sweep()

    def sweep(self) -> None:
        """Remove sessions that were not used for `hours`, and folders that belong to none."""
        in_use = [session.id for session in self._loaded() if session.is_watched or session.is_running]
        self._database.touch(in_use, self._clock())
        for id_ in self._database.unused_since(self._clock() - HOUR_S * self._hours):
            self.forget(self._sessions.get(id_) or self._session(id_, ""))
        for session in self._loaded():
            if not session.is_watched:
                session.delete_removed()
        known = self._database.all() | {session.id for session in self._loaded()}
        for path in self._folder.iterdir():
            if _ID.fullmatch(path.name) and path.name not in known and self._is_old(path):
                shutil.rmtree(path, ignore_errors=True)

    def _is_old(self, path: Path) -> bool:
        """Return whether a folder was not made a moment ago, perhaps by another program."""
        return path.stat().st_mtime < self._clock() - HOUR_S

    def touch(self, session: Session) -> None:
        """Note that a session is in use."""
        self._database.touch([session.id], self._clock())

    def close(self) -> None:
        """Stop all jobs. What is stored stays for the next start of the program."""
        for session in self._loaded():
            session.stop_job()

    def _loaded(self) -> list[Session]:
        with self._lock:
            return list(self._sessions.values())

    def _restored(self, id_: str) -> Session | None:
        stored = self._database.load(id_) if _ID.fullmatch(id_) else None
        if stored is None:
            return None
        session = self._session(id_, stored.owner)
        session.restore(stored)
        return session

    def _session(self, id_: str, owner: str) -> Session:
        folder = self._folder / id_
        engine = self._reranker.settings.engine
        paths = HashedThumbnailPaths(folder / "thumbnails")
        thumbnails = ThumbnailStore(paths, self._reranker.limits, engine.prefetch_threads)
        return Session(id_, owner, folder, self._database, thumbnails)

    def _drop_unused(self) -> None:
        """Forget the objects of sessions that nobody watches; those with content can be restored."""
        for id_, session in list(self._sessions.items()):
            if len(self._sessions) < MAX_LOADED:
                return
            if not (session.is_watched or session.is_running):
                del self._sessions[id_]
