"""The labels of the pictures of a session: what the latest run has found, and what people have corrected.

The tab “Evaluate” labels queries, which is something else; see `session/labelled_queries.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any, Final

from reranker.core.errors import SessionUnknown, can_retry
from reranker.ui.labels_tab.label_records import (
    Correction,
    Outcome,
    OwnLabels,
    State,
    TaggingHeader,
    read_correction,
    read_header,
    read_outcome,
    read_own,
    stored_correction,
    stored_header,
    stored_outcome,
    stored_own,
    thresholds,
    vocabulary_view,
)
from reranker.ui.session.database import SessionDatabase, StoredSession
from reranker.ui.session.records import Picture, Text, sentences
from reranker.vocabulary.labels import Label, Name, language_of

RUN, OWN_LABELS = "run", "own"  # the parts in the database
NO_CORRECTION: Final = Correction()

Read = Callable[[Callable[[str], Any], str], Any]


@dataclass(frozen=True, kw_only=True)
class CorrectionChange:
    """What somebody changes in the labels of a picture.

    states: by names of labels; None takes the correction of a label back. is_checked: None leaves it as it is.
    """

    states: Mapping[str, State | None] = field(default_factory=dict)
    is_checked: bool | None = None


class PictureLabels:
    """The labels of one session. Every change is stored, and published. Thread-safe.

    lock: of the session. begin_change: is called with it before a change, and raises an error if there must be none.
    publish: tells browsers of a change.
    """

    def __init__(
        self,
        session: str,
        database: SessionDatabase,
        lock: RLock,
        begin_change: Callable[[], None],
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self._session, self._database, self._lock = session, database, lock
        self._begin_change, self._publish = begin_change, publish
        self._header: TaggingHeader | None = None
        self._own: OwnLabels | None = None
        self._problem: Text | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._corrections: dict[str, Correction] = {}

    def restore(self, stored: StoredSession, read: Read) -> None:
        """Take over what was stored. read: applies a function to a text; None if that raises an error of Python."""
        tagging = stored.tagging
        self._own = read(read_own, tagging[OWN_LABELS]) if OWN_LABELS in tagging else None
        self._header = read(read_header, tagging[RUN]) if RUN in tagging else None
        if self._header is not None:
            if self._header.state == "running":  # when the program ended
                self._header = replace(self._header, state="stopped")
            self._outcomes = _read_each(stored.picture_labels, read_outcome, read)
        self._corrections = _read_each(stored.label_corrections, read_correction, read)

    def view(self) -> dict[str, Any]:
        """Return what a browser needs at first; `detail` has the rest."""
        with self._lock:
            return {
                "tagging": self._header and self._header.view,
                "tagging_problem": self._problem,
                "own_labels": self._own and self._own.view,
                "label_corrections": {id_: correction.view for id_, correction in self._corrections.items()},
            }

    def detail(self, pictures: Mapping[str, Picture]) -> dict[str, Any]:
        """Return the labels that were judged and the results of pictures, for the browser. run: None without any."""
        with self._lock:
            header, outcomes = self._header, dict(self._outcomes)
        if header is None:
            return {"run": None}
        change = result_rows(header, {id_: each for id_, each in outcomes.items() if id_ in pictures})
        return {**change, **vocabulary_view(header.vocabulary), "thresholds": thresholds(header)}

    @property
    def header(self) -> TaggingHeader | None:
        """The latest run; None before the first."""
        return self._header

    @property
    def own(self) -> OwnLabels | None:
        """The labels that people have brought."""
        return self._own

    def outcome(self, picture: str) -> Outcome | None:
        """Return what the latest run has found for a picture; None if it has not judged it."""
        return self._outcomes.get(picture)

    def correction(self, picture: str) -> Correction:
        """Return what somebody has corrected of a picture."""
        return self._corrections.get(picture, NO_CORRECTION)

    def remaining(self, ids: Sequence[str]) -> list[str]:
        """Return those of some pictures that have no labels, but may get them in another try."""
        with self._lock:
            return [id_ for id_ in ids if _may_try(self._outcomes.get(id_))]

    # A run

    def begin(self, header: TaggingHeader, *, keeps_results: bool) -> None:
        """Note that a run begins. keeps_results: whether those of the run before stay. Raises `SessionUnknown`."""
        with self._lock:
            self._begin_change()
            self.put_problem(None)
            if not keeps_results:
                self._outcomes = {}
                self._database.delete_picture_labels(self._session)
            self._put_header(header)

    def add(self, run: str, outcomes: Mapping[str, Outcome]) -> None:
        """Add results of a run, by the ids of the pictures."""
        with self._lock:
            if self._header is None or self._header.id != run or not outcomes or not self._may_change():
                return
            self._outcomes.update(outcomes)
            self._database.put_picture_labels(
                self._session, [(id_, stored_outcome(outcome)) for id_, outcome in outcomes.items()]
            )
            self._publish({"tagged": result_rows(self._header, outcomes)})

    def end(self, header: TaggingHeader) -> None:
        """Note how a run has ended."""
        with self._lock:
            if self._may_change():
                self._put_header(header)

    def put_problem(self, problem: Text | None) -> None:
        """Show why a run could not begin, until the next one; the labels of the run before stay."""
        with self._lock:
            if problem != self._problem:
                self._problem = problem
                self._publish({"tagging_problem": problem})

    def _put_header(self, header: TaggingHeader) -> None:
        self._header = header
        self._database.put_tagging(self._session, RUN, stored_header(header))
        self._publish({"tagging": header.view})

    def _may_change(self) -> bool:
        """Return whether the session was not forgotten."""
        try:
            self._begin_change()
        except SessionUnknown:
            return False
        return True

    # What people bring and correct

    def put_own(self, own: OwnLabels | None) -> None:
        """Keep labels that somebody has brought; None forgets them. Raises `SessionUnknown`."""
        with self._lock:
            self._begin_change()
            self._own = own
            self._database.put_tagging(self._session, OWN_LABELS, None if own is None else stored_own(own))
            self._publish({"own_labels": None if own is None else own.view})

    def correct(self, picture: str, change: CorrectionChange) -> None:
        """Change the correction of a picture. Raises `SessionUnknown`."""
        with self._lock:
            self._begin_change()
            corrected = self._corrected(self.correction(picture), change)
            if corrected.is_empty:
                self._corrections.pop(picture, None)
            else:
                self._corrections[picture] = corrected
            content = None if corrected.is_empty else stored_correction(corrected)
            self._database.put_label_correction(self._session, picture, content)
            self._publish({"label_corrections": {picture: corrected.view}})

    def _corrected(self, before: Correction, change: CorrectionChange) -> Correction:
        states, names = dict(before.states), dict(before.names)
        for name, state in change.states.items():
            label = self._label(name, before)
            if state is None:
                states.pop(label.key, None)
                names.pop(label.key, None)
            else:
                states[label.key], names[label.key] = state, label.name
        is_checked = before.is_checked if change.is_checked is None else change.is_checked
        return Correction(states=states, names=names, is_checked=is_checked)

    def _label(self, name: str, correction: Correction) -> Label:
        """Return the label that somebody means: of the correction, of the vocabulary, or a new one."""
        if name in correction.names:
            return Label(name=correction.names[name])
        found = self._header.vocabulary.find(name) if self._header is not None else None
        return found or new_label(name)


def new_label(text: str) -> Label:
    """Return a label of which only one name is known."""
    name = text.strip()
    return Label(name=Name(zh=name) if language_of(name) == "zh" else Name(en=name))


def result_rows(header: TaggingHeader, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return results for the browser: confidences by the indexes of labels, and the reasons of failures."""
    rows = {label.key: index for index, label in enumerate(header.vocabulary)}
    judged = [
        [id_, [[rows[key], confidence] for key, confidence in outcome.confidences.items() if key in rows]]
        for id_, outcome in outcomes.items()
        if outcome.error is None
    ]
    failed = [
        [id_, sentences(outcome.error), int(can_retry(outcome.error))]
        for id_, outcome in outcomes.items()
        if outcome.error is not None
    ]
    return {"run": header.id, "judged": judged, "failed": failed}


def _may_try(outcome: Outcome | None) -> bool:
    return outcome is None or (outcome.error is not None and can_retry(outcome.error))


def _read_each(stored: Sequence[tuple[str, str]], read_one: Callable[[str], Any], read: Read) -> dict[str, Any]:
    found = {id_: read(read_one, content) for id_, content in stored}
    return {id_: value for id_, value in found.items() if value is not None}
