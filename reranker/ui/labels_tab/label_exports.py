"""Make the files of labels that people download: of the pictures that the tab shows, in the order shown.

A format is a line of `FORMATS`, and a button in `static/page/tagging_export.js`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Scope

from reranker.core.errors import RequestMalformed
from reranker.core.text import well_formed
from reranker.core.types import Failed
from reranker.export.label_rows import label_object, labels_as_csv, labels_as_json, labels_as_json_lines
from reranker.i18n.error_messages import Language
from reranker.pipelines.tag import Tagged, TaggedLabel, TagOptions, chosen_labels
from reranker.server.error_responses import requested_language
from reranker.ui.labels_tab.label_records import Correction, Outcome, TaggingHeader
from reranker.ui.session.export_files import ExportFiles
from reranker.ui.session.records import Picture
from reranker.ui.session.request_fields import number_field, share_field, text_field, texts_field
from reranker.ui.session.session import Session
from reranker.vocabulary.labels import Label, LabelLanguage

MAX_LABELS: Final = 10_000  # of a picture
BY_HAND: Final = 1.0  # the confidence of a label that somebody has added
LANGUAGES: Final[Mapping[str, LabelLanguage]] = {"en": "en", "zh": "zh", "both": "both"}


@dataclass(frozen=True, kw_only=True)
class LabelledPicture:
    """A picture with its labels as they are shown. result: a failure without corrections is a `Failed`."""

    result: Tagged | Failed
    correction: Correction


@dataclass(frozen=True, kw_only=True)
class LabelFormat:
    """A format of files. write: from the pictures, the language of labels, and that of errors."""

    file: str
    write: Callable[[Sequence[LabelledPicture], LabelLanguage, Language], str]


def _objects(pictures: Sequence[LabelledPicture], labels: LabelLanguage, language: Language) -> list[dict[str, Any]]:
    return [label_object(each.result, labels, language) for each in pictures]


def corrected_as_json_lines(pictures: Sequence[LabelledPicture], labels: LabelLanguage, _: Language) -> str:
    """Return a line for each picture that somebody has corrected or checked: what it shows, and what it does not."""
    lines = []
    for each in pictures:
        if each.correction.is_empty:
            continue
        states, names = each.correction.states, each.correction.names
        lines.append(
            {
                "path": each.result.candidate.name,
                "labels": [names[key].written(labels) for key, state in states.items() if state != "absent"],
                "absent": [names[key].written(labels) for key, state in states.items() if state == "absent"],
            }
        )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


FORMATS: Final[Mapping[str, LabelFormat]] = {
    "json": LabelFormat(file="labels.json", write=lambda *shown: labels_as_json(_objects(*shown))),
    "jsonl": LabelFormat(file="labels.jsonl", write=lambda *shown: labels_as_json_lines(_objects(*shown))),
    "csv": LabelFormat(file="labels.csv", write=lambda *shown: labels_as_csv(_objects(*shown))),
    "corrected": LabelFormat(file="labelled-pictures.jsonl", write=corrected_as_json_lines),
}
FILES: Final = frozenset(format_.file for format_ in FORMATS.values())


class LabelExports:
    """Writes labels into files. Thread-safe. files: of all sessions."""

    def __init__(self, files: ExportFiles) -> None:
        self._files = files

    def write(self, session: Session, request: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """Write a file and return its address, its name and its size in bytes.

        request: the format, the ids of the pictures in their order, the language of the labels, and the options of
        `TagOptions`. Raises `RequestError`, `OSError`.
        """
        body = dict(request)
        format_, language = FORMATS.get(text_field(body, "format")), LANGUAGES.get(text_field(body, "language", "en"))
        if format_ is None or language is None:
            raise RequestMalformed(where="format" if format_ is None else "language")
        options = TagOptions(
            threshold=share_field(body, "threshold"), top_k=number_field(body, "most", range(1, MAX_LABELS + 1))
        )
        pictures = session.pictures
        shown = [pictures[id_] for id_ in dict.fromkeys(texts_field(body, "pictures")) if id_ in pictures]
        labelled = [_labelled(session, position, picture, options) for position, picture in enumerate(shown)]
        text = format_.write(labelled, language, requested_language(scope))
        with self._files.new(session, format_.file) as (file, url):
            file.write(well_formed(text).encode())
            byte_count = file.tell()
        return {"url": url, "name": format_.file, "bytes": byte_count}


def _labelled(session: Session, position: int, picture: Picture, options: TagOptions) -> LabelledPicture:
    labels = session.picture_labels
    outcome, correction = labels.outcome(picture.id), labels.correction(picture.id)
    result: Tagged | Failed
    if outcome is not None and outcome.error is not None and correction.is_empty:
        result = Failed(position=position, candidate=picture.candidate, error=outcome.error)
    else:
        result = Tagged(
            position=position,
            candidate=picture.candidate,
            labels=final_labels(labels.header, outcome or Outcome(), correction, options),
            confidences={},
            content_hash=picture.sha256 or "",
        )
    return LabelledPicture(result=result, correction=correction)


def final_labels(
    header: TaggingHeader | None, outcome: Outcome, correction: Correction, options: TagOptions
) -> tuple[TaggedLabel, ...]:
    """Return the labels of a picture with its correction, most confident first.

    Those that somebody has added or confirmed are there whatever the options say. One that was removed takes those that
    imply it with it. `static/page/tagging_labels.js` does
    the same.
    """
    present = {key for key, state in correction.states.items() if state != "absent"}
    by_hand = [_by_hand(key, header, outcome, correction) for key in present]
    judged: list[TaggedLabel] = []
    if header is not None:
        unlimited = TagOptions(threshold=options.threshold)
        chosen = chosen_labels(header.vocabulary, outcome.confidences, header.calibration, unlimited)
        removed = correction.states.keys() - present
        judged = [
            each
            for each in chosen
            if each.label.key not in present
            and removed.isdisjoint(label.key for label in (each.label, *header.vocabulary.ancestors(each.label)))
        ]
    room = None if options.top_k is None else max(0, options.top_k - len(by_hand))
    every = [*by_hand, *judged[:room]]
    return tuple(sorted(every, key=lambda each: -each.confidence))


def _by_hand(key: str, header: TaggingHeader | None, outcome: Outcome, correction: Correction) -> TaggedLabel:
    known = header.vocabulary.by_key.get(key) if header is not None else None
    confidence = outcome.confidences.get(key, BY_HAND) if correction.states[key] == "confirmed" else BY_HAND
    return TaggedLabel(label=known or Label(name=correction.names[key]), confidence=confidence)
