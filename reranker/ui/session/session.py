"""One session of the page: its pictures, marks, rankings and running job, and the browsers that watch it."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock, RLock
from typing import Any, Final, Protocol, TypeVar

from reranker.core.errors import RankingUnknown, RerankerError, RunActive, SessionUnknown
from reranker.storage.thumbnail_store import ThumbnailStore
from reranker.ui.labels_tab.picture_labels import PictureLabels
from reranker.ui.session.background_run import BackgroundRun
from reranker.ui.session.database import SessionDatabase, StoredSession
from reranker.ui.session.labelled_queries import Evaluated, LabelledQueries
from reranker.ui.session.records import (
    Picture,
    RankingHeader,
    Results,
    picture_json,
    read_picture,
    read_results,
    read_summary,
    stored_results,
    summary,
)
from reranker.ui.upload_quota import list_entries

MAX_RANKINGS: Final = 2_000
LEFT_AFTER_S: Final = 3_600
INCOMING: Final = "incoming"  # the folder of files that are being uploaded

_log = logging.getLogger(__name__)

Change = dict[str, Any]
Notify = Callable[[Change], None]
_Value = TypeVar("_Value")


class Job(Protocol):
    """The work that a session waits for."""

    @property
    def results(self) -> dict[str, tuple[RankingHeader, Results]]:
        """The rankings that it writes, by id."""

    def missing(self, id_: str) -> Mapping[int, Picture]:
        """Return the pictures without a result in one of its rankings, by their positions."""

    def stop(self) -> None:
        """Stop it before the next batch. Returns at once."""


class Session:
    """Pictures and rankings of one tab of a browser, or of several that show the same address. Thread-safe.

    id: unguessable; who knows it may do everything. owner: the name of the login, or empty.
    folder: for the files of this session alone. Every change is stored, and told to those who watch. A session that was
    forgotten takes nothing more: methods that would add to it raise `SessionUnknown`. clock: seconds since 1970.
    """

    def __init__(
        self,
        id_: str,
        owner: str,
        folder: Path,
        database: SessionDatabase,
        thumbnails: ThumbnailStore,
        clock: Callable[[], float],
    ) -> None:
        self.id, self.owner, self.folder, self.thumbnails = id_, owner, folder, thumbnails
        self.lock = RLock()
        self._database, self._clock = database, clock
        self._watchers, self._watching = set[Notify](), Lock()
        self._pictures: dict[str, Picture] = {}
        self._removed: dict[str, Picture] = {}
        self._summaries: dict[str, dict[str, Any]] = {}
        self._positions: dict[str, int] = {}
        self._next_position = count(1)
        self._is_stored = False
        self.labelled = LabelledQueries(id_, database, self.lock, self._begin_change)
        self.picture_labels = PictureLabels(id_, database, self.lock, self._begin_change, self.publish)
        self.evaluation, self.ordering = BackgroundRun[Evaluated](), BackgroundRun[None]()
        self._job: Job | None = None
        self._job_view: dict[str, Any] | None = None
        self.is_forgotten = False
        self.used_at_s = clock()  # as `Sessions` notes it

    def restore(self, stored: StoredSession) -> None:
        """Take over what was stored. Pictures whose files are gone stay, and come out as failed."""
        self._is_stored = True
        for position, content in stored.pictures:
            if (picture := self._readable(read_picture, content)) is not None:
                self._pictures[picture.id] = replace(picture, place=position)
                self._positions[picture.id] = position
        for position, content in stored.summaries:
            if (view := self._readable(read_summary, content)) is not None:
                self._summaries[view["id"]], self._positions[view["id"]] = view, position
        self.labelled.restore(stored, self._readable)
        self.picture_labels.restore(stored, self._readable)
        self._next_position = count(1 + max(self._positions.values(), default=0))
        for view in list(self._summaries.values()):
            if view["state"] == "running":  # when the program ended
                self._end_interrupted(view)
        self._delete_leftovers()

    def _readable(self, read: Callable[[str], _Value], content: str) -> _Value | None:
        """Return what was stored, or None if another version of the program has written it in another form."""
        try:
            return read(content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("A part of a session cannot be read: %s", type(error).__name__)
            return None

    def _end_interrupted(self, view: Change) -> None:
        try:
            self.put_ranking(*self.ranking(view["id"]), "stopped", view["seconds"])
        except RankingUnknown:
            self.delete_ranking(view["id"])

    @property
    def pictures(self) -> dict[str, Picture]:
        """The pictures by id, in the order in which they came."""
        with self.lock:
            return dict(self._pictures)

    def picture(self, id_: str) -> Picture:
        """Return a picture. Raises `RankingUnknown`."""
        with self.lock:
            if id_ not in self._pictures:
                raise RankingUnknown
            return self._pictures[id_]

    @property
    def is_running(self) -> bool:
        """Whether a job or an evaluation is running."""
        return self._job is not None or self.evaluation.is_running

    @property
    def is_in_use(self) -> bool:
        """Whether a browser shows it, or a job is running."""
        return self.is_watched or self.is_running

    @property
    def is_watched(self) -> bool:
        """Whether a browser shows it."""
        return bool(self._watchers)

    def view(self) -> dict[str, Any]:
        """Return all that a browser needs to show the session."""
        with self.lock:
            return {
                "pictures": [picture.view for picture in self._pictures.values()],
                "marks": {picture.id: picture.mark for picture in self._pictures.values() if picture.is_marked},
                "rankings": list(self._summaries.values()),
                "job": self._job_view,
                "can_restore": len(self._removed),
                **self.picture_labels.view(),
            }

    def watch(self, notify: Notify) -> dict[str, Any]:
        """Return the `view`, and call a function at each change from then on, in the thread that makes it.

        The function must return at once. Raises `SessionUnknown`.
        """
        with self.lock:
            self._require()
            with self._watching:
                self._watchers.add(notify)
            return self.view()

    def unwatch(self, notify: Notify) -> None:
        """Do not call a function any more. Returns at once."""
        with self._watching:
            self._watchers.discard(notify)

    def publish(self, change: Change) -> None:
        """Tell a change to all who watch."""
        with self.lock:
            with self._watching:
                watchers = list(self._watchers)
            for notify in watchers:
                notify(change)

    def _require(self) -> None:
        """Raise `SessionUnknown` if the session was forgotten."""
        if self.is_forgotten:
            raise SessionUnknown

    def _begin_change(self) -> None:
        """Store the session before something of it is stored. Raises `SessionUnknown`."""
        self._require()
        self._store_session()

    # Pictures

    def find_equal(self, sha256: str) -> Picture | None:
        """Return the picture with the same bytes, or None."""
        with self.lock:
            return next((picture for picture in self._pictures.values() if picture.sha256 == sha256), None)

    def new_place(self) -> int:
        """Return the place after all others, for a picture that is on its way."""
        with self.lock:
            return next(self._next_position)

    def add(self, pictures: Sequence[Picture]) -> None:
        """Add pictures at their places, or at the end if they have none. Raises `SessionUnknown`."""
        with self.lock:
            self._require()
            added = [replace(picture, place=picture.place or self.new_place()) for picture in pictures]
            self._pictures.update({picture.id: picture for picture in added})
            self._pictures = dict(sorted(self._pictures.items(), key=lambda item: item[1].place))
            self._positions.update({picture.id: picture.place for picture in added})
            self._store(added)
            self.publish({"pictures_added": [picture.view for picture in added]})

    def amend(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """Change fields of pictures, by their ids; those that were removed meanwhile are left out."""
        with self.lock:
            if self.is_forgotten:
                return
            amended = [replace(self._pictures[id_], **each) for id_, each in facts.items() if id_ in self._pictures]
            self._pictures.update({picture.id: picture for picture in amended})
            self._store(amended)
            if amended:
                self.publish({"pictures_changed": [picture.view for picture in amended]})

    def mark(self, ids: Iterable[str], pick: int | None = None, rating: int | None = None) -> None:
        """Pick, reject or rate pictures; None leaves the pick or the rating as it is. Raises `SessionUnknown`."""
        with self.lock:
            self._require()
            present = [self._pictures[id_] for id_ in ids if id_ in self._pictures]
            marked = [
                replace(
                    picture,
                    pick=picture.pick if pick is None else pick,
                    rating=picture.rating if rating is None else rating,
                )
                for picture in present
            ]
            self._pictures.update({picture.id: picture for picture in marked})
            self._store(marked)
            if marked:
                self.publish({"marks": {picture.id: picture.mark for picture in marked}})

    def remove(self, ids: Iterable[str]) -> None:
        """Remove pictures. `restore_removed` brings them back; those of earlier removals are deleted now."""
        with self.lock:
            removed = {id_: self._pictures.pop(id_) for id_ in ids if id_ in self._pictures}
            if not removed:
                return
            self._delete_files(self._removed.values())
            self._removed = removed
            self._database.delete_pictures(self.id, removed)
            self.publish({"pictures_removed": list(removed), "can_restore": len(removed)})

    def restore_removed(self) -> int:
        """Bring back the pictures of the last removal, where they were, and return their number.

        Raises `SessionUnknown`.
        """
        with self.lock:
            self._require()
            pictures, self._removed = list(self._removed.values()), {}
            if pictures:
                self.add(pictures)
                self.publish({"marks": {picture.id: picture.mark for picture in pictures}})
                self.publish({"pictures_removed": [], "can_restore": 0})
            return len(pictures)

    def _delete_leftovers(self) -> None:
        """Delete files that no picture has: removed ones, and uploads that were cut off, when the program ended."""
        pictures, incoming = list_entries(self.folder / "pictures"), list_entries(self.folder / INCOMING)
        for entry in pictures:
            if entry.name not in self._pictures and self._is_left(entry):
                shutil.rmtree(entry.path, ignore_errors=True)
        for entry in incoming:
            if self._is_left(entry):
                Path(entry.path).unlink(missing_ok=True)

    def _is_left(self, entry: "os.DirEntry[str]") -> bool:
        """Return whether a file or folder is old: another program may be receiving new ones."""
        with suppress(OSError):
            return entry.stat(follow_symlinks=False).st_mtime < self._clock() - LEFT_AFTER_S
        return False

    def delete_removed(self) -> None:
        """Delete the files of removed pictures for good."""
        with self.lock:
            self._delete_files(self._removed.values())
            self._removed = {}

    def _store(self, pictures: Sequence[Picture]) -> None:
        rows = [(picture.id, self._position(picture.id), picture_json(picture)) for picture in pictures]
        self._store_session()
        self._database.put_pictures(self.id, rows)

    def _store_session(self) -> None:
        if not self._is_stored:
            self._database.add(self.id, self.owner, self._clock())
            self._is_stored = True

    def _position(self, id_: str) -> int:
        """Return the position of a picture or ranking in the database, which it keeps."""
        return self._positions.setdefault(id_, next(self._next_position))

    def _delete_files(self, pictures: Iterable[Picture]) -> None:
        for picture in pictures:
            self.thumbnails.path(picture.path).unlink(missing_ok=True)
            if self.folder in picture.path.parents:
                shutil.rmtree(picture.path.parent, ignore_errors=True)

    # Rankings

    def start_job(self, job: Job) -> None:
        """Show a job that is about to run. Raises `RunActive` if there is one, and `SessionUnknown`.

        Its rankings are stored as if it had been stopped at once, which is what is left if the program ends.
        """
        with self.lock:
            self._require()
            if self._job is not None:
                raise RunActive
            for id_, (header, results) in job.results.items():
                self._put(header, summary(header, results, "running", 0.0, None))
                self._store_ranking(id_, header, results, job.missing(id_))
            self._job = job

    def show_job(self, view: dict[str, Any]) -> None:
        """Show how far the job is."""
        with self.lock:
            self._job_view = view
            self.publish({"job": view})

    def end_job(self) -> None:
        """Remove the job, when it has ended."""
        with self.lock:
            self._job = self._job_view = None
            self.publish({"job": None})

    def stop_all(self) -> None:
        """Stop all that is running, before its next batch."""
        self.evaluation.stop()
        self.ordering.stop()
        self.stop_job()

    def stop_job(self) -> None:
        """Stop the job, if there is one, before its next batch."""
        with self.lock:
            if self._job is not None:
                self._job.stop()

    def put_ranking(
        self,
        header: RankingHeader,
        results: Results,
        state: str,
        seconds: float,
        error: RerankerError | None = None,
        *,
        store: bool = True,
    ) -> None:
        """Add or replace a ranking. state: running, done, stopped or failed. store: also in the database."""
        with self.lock:
            if self.is_forgotten:
                return
            self._put(header, summary(header, results, state, seconds, error))
            if store:
                self._store_ranking(header.id, header, results)
            for id_ in list(self._summaries)[:-MAX_RANKINGS]:
                self.delete_ranking(id_)

    def _put(self, header: RankingHeader, view: dict[str, Any]) -> None:
        self._summaries[header.id] = view
        self.publish({"ranking": view})

    def _store_ranking(
        self, id_: str, header: RankingHeader, results: Results, skipped: Mapping[int, Picture] | None = None
    ) -> None:
        self._store_session()
        view = json.dumps(self._summaries[id_])
        self._database.put_ranking(
            self.id, id_, self._position(id_), view, stored_results(header, results, skipped or {})
        )

    def ranking(self, id_: str) -> tuple[RankingHeader, Results]:
        """Return a ranking, as far as it is finished; it does not change any more. Raises `RankingUnknown`."""
        with self.lock:
            if self._job is not None and id_ in (running := self._job.results):
                header, results = running[id_]
                return header, results.copy()
            stored = self._database.results(self.id, id_) if id_ in self._summaries else None
            pictures = dict(self._pictures)
        read = None if stored is None else self._readable(lambda text: read_results(text, pictures), stored)
        if read is None:
            raise RankingUnknown
        return read

    def waiting(self, id_: str) -> list[str]:
        """Return the ids of the pictures that a ranking has still to score, in their order; none if it has ended."""
        with self.lock:
            if self._job is None or id_ not in self._job.results:
                return []
            return [picture.id for picture in self._job.missing(id_).values()]

    def summary(self, id_: str) -> dict[str, Any]:
        """Return what the browser knows of a ranking. Raises `RankingUnknown`."""
        with self.lock:
            if id_ not in self._summaries:
                raise RankingUnknown
            return self._summaries[id_]

    def delete_ranking(self, id_: str) -> None:
        """Delete a ranking that is not running; one that does not exist changes nothing."""
        with self.lock:
            is_running = self._job is not None and id_ in self._job.results
            if id_ in self._summaries and not is_running:
                del self._summaries[id_]
                self._database.delete_ranking(self.id, id_)
                self.publish({"ranking_removed": id_})

    def forget(self) -> None:
        """Stop all that is running, and delete everything."""
        with self.lock:
            self.is_forgotten = True
            self.stop_all()
            self._database.delete(self.id)
            self.end_watching()
            self.delete_folder()

    def end_watching(self) -> None:
        """Tell all who watch that nothing more comes."""
        self.publish({"ended": True})

    def delete_folder(self) -> None:
        """Delete all files."""
        shutil.rmtree(self.folder, ignore_errors=True)
