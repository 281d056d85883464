"""What people do on the tab “Labels”: choose labels, bring their own, start, and correct."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from reranker.core.errors import (
    Fault,
    NothingToRetry,
    RequestMalformed,
    RunActive,
    TooFewPictures,
    VocabularyInvalid,
)
from reranker.core.text import is_blank, is_well_formed
from reranker.export.file_names import safe_name
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import phrase
from reranker.tagger import AUTO, Tagger, Taggers
from reranker.ui.labels_tab.label_records import OWN, OwnLabels, State, TaggingHeader, group_key, groups_view
from reranker.ui.labels_tab.picture_labels import CorrectionChange
from reranker.ui.labels_tab.tagging_job import TaggingJob
from reranker.ui.session.admission import new_id
from reranker.ui.session.request_fields import text_field, texts_field
from reranker.ui.session.session import Session
from reranker.vocabulary.label_files import BUILT_IN, MAX_NAME_LENGTH, read_vocabulary
from reranker.vocabulary.labels import Vocabulary

CHOICES: Final = (AUTO, *BUILT_IN, OWN)
MAX_OWN_LABELS: Final = 10_000
MAX_CORRECTED: Final = 1_000  # labels in one request
_STATES: Final[Mapping[str | None, State | None]] = {
    "added": "added",
    "confirmed": "confirmed",
    "absent": "absent",
    None: None,
}


@dataclass(frozen=True, kw_only=True)
class TaggingRequest:
    """A run that somebody asks for.

    choice: of `CHOICES`. text: own labels, one a line; None for those that the session has. groups: by their keys.
    """

    choice: str
    text: str | None
    groups: tuple[str, ...]

    @classmethod
    def read(cls, body: dict[str, Any]) -> Self:
        """Return the request in a JSON object. Raises `RequestMalformed`."""
        choice = text_field(body, "vocabulary", AUTO)
        if choice not in CHOICES:
            raise RequestMalformed(where="vocabulary")
        text = None if body.get("text") is None else text_field(body, "text")
        groups = tuple(texts_field(body, "groups")) if "groups" in body else ()
        return cls(choice=choice, text=text, groups=groups)


class TaggingActions:
    """Thread-safe. taggers: share the models."""

    def __init__(self, taggers: Taggers) -> None:
        self._taggers = taggers

    def choices(self) -> list[dict[str, Any]]:
        """Return the vocabularies of the program, with the number of their labels and the names of their groups."""
        vocabularies = {choice: self._taggers.of(choice).vocabulary for choice in (AUTO, *BUILT_IN)}
        return [
            {"choice": choice, "name": each.name, "labels": len(each), "groups": groups_view(each)}
            for choice, each in vocabularies.items()
        ]

    def put_own(self, session: Session, content: bytes, name: str) -> dict[str, Any]:
        """Keep the labels of a file for a session, and return what the browser shows of them.

        Raises `VocabularyInvalid` with the faults of the file.
        """
        own = OwnLabels(name=name, text="", vocabulary=_parsed(content, name))
        session.picture_labels.put_own(own)
        return own.view

    def start(self, session: Session, request: TaggingRequest, language: Language) -> str:
        """Start to label all pictures of a session, or those that have no labels yet; returns the id of the run.

        language: of the person, for the name of labels that were typed. Raises `RequestError`, `VocabularyError`, and
        `CheckpointError` if a dual encoder is needed that is not on this machine.
        """
        pictures = list(session.pictures.values())
        if not pictures:
            raise TooFewPictures(count=0, min_count=1)
        if session.is_running:
            raise RunActive
        vocabulary, groups = self._wanted(session, request, language)
        tagger = self._tagger(vocabulary, groups)
        header = TaggingHeader(
            id=new_id(),
            choice=request.choice,
            source=vocabulary.digest,
            groups=tuple(groups),
            vocabulary=tagger.vocabulary,
            total=len(pictures),
        )
        missing = set(session.picture_labels.remaining([picture.id for picture in pictures]))
        remaining = [picture for picture in pictures if picture.id in missing]
        TaggingJob(session, tagger, header, pictures, remaining or None).start()
        return header.id

    def retry(self, session: Session) -> str:
        """Label the pictures that have no labels yet, as in the latest run. Raises `NothingToRetry`, `RunActive`."""
        header = session.picture_labels.header
        if header is None:
            raise NothingToRetry
        pictures = list(session.pictures.values())
        missing = set(session.picture_labels.remaining([picture.id for picture in pictures]))
        if not missing:
            raise NothingToRetry
        again = replace(header, id=new_id(), total=len(missing), state="running", seconds=0.0, error=None)
        remaining = [picture for picture in pictures if picture.id in missing]
        TaggingJob(session, self._tagger(header.vocabulary, ()), again, pictures, remaining).start()
        return again.id

    def _wanted(
        self, session: Session, request: TaggingRequest, language: Language
    ) -> tuple[Vocabulary, Sequence[str]]:
        """Return the labels of a request, and the groups of them; labels that were typed are kept for the session."""
        if request.choice != OWN:
            return self._taggers.of(request.choice).vocabulary, request.groups
        if request.text is not None:
            name = phrase("own_labels", language)
            typed = OwnLabels(name="", text=request.text, vocabulary=_parsed(request.text.encode(), name))
            session.picture_labels.put_own(typed)
        own = session.picture_labels.own
        if own is None:
            raise RequestMalformed(where="text")
        known = {group_key(group) for group in own.vocabulary.groups}
        return own.vocabulary, [group for group in request.groups if group in known]

    def _tagger(self, vocabulary: Vocabulary, groups: Sequence[str]) -> Tagger:
        """Return a tagger. Raises the error of a dual encoder that is not there, before anything begins."""
        tagger = self._taggers.of(vocabulary, groups=groups)
        _ = tagger.encoder_name
        return tagger

    def correct(self, session: Session, body: dict[str, Any]) -> None:
        """Change the correction of a picture. Raises `RequestMalformed`, `RankingUnknown`."""
        picture = session.picture(text_field(body, "picture"))
        is_checked = body.get("checked")
        if is_checked is not None and not isinstance(is_checked, bool):
            raise RequestMalformed(where="checked")
        session.picture_labels.correct(picture.id, CorrectionChange(states=_states(body), is_checked=is_checked))


def _states(body: dict[str, Any]) -> dict[str, State | None]:
    """Return the states of labels in a request. Raises `RequestMalformed`."""
    found = body.get("labels", {})
    if not isinstance(found, dict) or len(found) > MAX_CORRECTED:
        raise RequestMalformed(where="labels")
    for name, state in found.items():
        is_name = not is_blank(name) and is_well_formed(name) and len(name.strip()) <= MAX_NAME_LENGTH
        if not is_name or not (state is None or isinstance(state, str)) or state not in _STATES:
            raise RequestMalformed(where="labels")
    return {name: _STATES[state] for name, state in found.items()}


def _parsed(content: bytes, name: str) -> Vocabulary:
    """Return the labels of a file. Raises `VocabularyInvalid`."""
    with tempfile.TemporaryDirectory(prefix="reranker-labels-") as folder:
        file = Path(folder) / safe_name(name)
        file.write_bytes(content)
        vocabulary = read_vocabulary(file, name)
    if len(vocabulary) > MAX_OWN_LABELS:
        fault = Fault(file=name, line=None, reason="too many labels", value=f"{MAX_OWN_LABELS:,}")
        raise VocabularyInvalid(name=name, faults=(fault,))
    return vocabulary
