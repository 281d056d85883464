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
from reranker.ui.session.session import Change, Session
from reranker.ui.upload_quota import list_entries

SWEEP_INTERVAL_S: Final = 600.0
NOTE_INTERVAL_S: Final = 60.0  # between two notes that a session is in use
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
        self._closed = threading.Event()

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
        """The number of sessions with a job or an evaluation."""
        return sum(session.is_running for session in self._loaded())

    def create(self, owner: str) -> Session:
        """Return a new session, which is stored once something is in it. owner: the name of the login, or empty.

        Raises `TooManyRequests` if there are too many.
        """
        self.sweep_if_due()
        session = self._session(secrets.token_urlsafe(_ID_BYTES), owner)
        if len(self._sessions) >= MAX_LOADED:
            self._unload(0)
        with self._lock:
            if len(self._sessions) >= MAX_LOADED:
                raise TooManyRequests(max_count=MAX_LOADED)
            self._sessions[session.id] = session
        return session

    def find(self, id_: str, owner: str) -> Session:
        """Return a session, which is in use now. Raises `SessionUnknown` if it has ended, or is somebody else's."""
        self.sweep_if_due()
        with self._lock:
            session = self._sessions.get(id_)
        session = session or self._restored(id_)
        if session is None or session.owner != owner:
            raise SessionUnknown
        with self._lock:
            session = self._sessions.setdefault(id_, session)  # two requests may have restored it
            if session.is_forgotten or (self._is_expired(session) and not session.is_in_use):
                raise SessionUnknown
            is_noted = self._clock() - session.used_at_s < NOTE_INTERVAL_S
            session.used_at_s = session.used_at_s if is_noted else self._clock()
        if not is_noted:
            self._database.touch([id_], session.used_at_s)
        return session

    def _is_expired(self, session: Session) -> bool:
        return session.used_at_s < self._clock() - HOUR_S * self._hours

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
        """Remove sessions that were not used for `hours`, and folders that belong to none.

        Sessions that nobody has used for an hour are taken out of memory.
        """
        for session in self._loaded():
            if session.is_in_use:
                session.used_at_s = self._clock()
        self._database.touch([session.id for session in self._loaded() if session.is_in_use], self._clock())
        for id_ in self._database.unused_since(self._clock() - HOUR_S * self._hours):
            self.forget(self._sessions.get(id_) or self._session(id_, ""))
        for session in self._loaded():
            if not session.is_watched:
                session.delete_removed()
        self._unload(HOUR_S)
        self._remove_unknown_folders()

    def _unload(self, idle_s: float) -> None:
        """Take sessions out of memory that were not used for so long; those with content can be restored."""
        if not self._database.is_complete:
            return
        with self._lock:
            for id_, session in list(self._sessions.items()):
                if not session.is_in_use and session.used_at_s < self._clock() - idle_s:
                    del self._sessions[id_]

    def _remove_unknown_folders(self) -> None:
        """Remove the folders of sessions that do not exist, which stay if the program is killed."""
        stored = self._database.all()
        if stored is None:  # nobody knows whether they exist
            return
        known = stored | {session.id for session in self._loaded()}
        for entry in list_entries(self._folder):
            if _ID.fullmatch(entry.name) and entry.name not in known and self._is_old(Path(entry.path)):
                shutil.rmtree(entry.path, ignore_errors=True)

    def _is_old(self, path: Path) -> bool:
        """Return whether a folder was not made a moment ago, perhaps by another program."""
        try:
            return path.stat().st_mtime < self._clock() - HOUR_S
        except OSError:  # deleted meanwhile
            return False

    def start_sweeping(self) -> None:
        """Sweep in a thread of its own until `close`, also while nobody uses the page."""
        threading.Thread(target=self._keep_sweeping, name="reranker-sweep", daemon=True).start()

    def _keep_sweeping(self) -> None:
        while not self._closed.wait(SWEEP_INTERVAL_S):
            self.sweep_if_due()

    def close(self) -> None:
        """Stop all jobs, and tell the browsers that the program ends. What is stored stays for its next start."""
        self._closed.set()
        for session in self._loaded():
            session.stop_all()
            session.end_watching()

    def publish(self, change: Change) -> None:
        """Tell a change to all browsers, whatever session they show."""
        for session in self._loaded():
            session.publish(change)

    def _loaded(self) -> list[Session]:
        with self._lock:
            return list(self._sessions.values())

    def _restored(self, id_: str) -> Session | None:
        stored = self._database.load(id_) if _ID.fullmatch(id_) else None
        if stored is None:
            return None
        session = self._session(id_, stored.owner)
        session.restore(stored)
        session.used_at_s = stored.used_at_s
        return session

    def _session(self, id_: str, owner: str) -> Session:
        folder = self._folder / id_
        paths = HashedThumbnailPaths(folder / "thumbnails")
        thumbnails = ThumbnailStore(paths, self._reranker.limits)
        return Session(id_, owner, folder, self._database, thumbnails, self._clock)
