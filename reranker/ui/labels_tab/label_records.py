"""What the tab “Labels” knows: a run, the labels of pictures, corrections; as values and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from reranker.core.errors import PictureError
from reranker.core.types import LabelCalibration
from reranker.ui.session.records import Text, error_json, read_error
from reranker.vocabulary.labels import Label, Name, Vocabulary

OWN: Final = "own"  # the choice of labels that people bring themselves
DECIMALS: Final = 6  # of a confidence

State = Literal["added", "confirmed", "absent"]


@dataclass(frozen=True, kw_only=True)
class TaggingHeader:
    """A run without its results.

    choice: of a vocabulary, as people made it: "auto", "general" and so on, or `OWN`. source: digest of all its labels.
    groups: by their keys; all labels if empty. vocabulary: the labels that were judged. judge: tells models apart.
    model, encoder: for people. total: of pictures. state: running, done, stopped or failed. error: why it failed.
    """

    id: str
    choice: str
    source: str
    groups: tuple[str, ...]
    vocabulary: Vocabulary
    calibration: LabelCalibration = field(default=LabelCalibration(slope=1.0, intercept=0.0, threshold=0.5))
    judge: str = ""
    model: str = ""
    encoder: str | None = None
    total: int = 0
    state: str = "running"
    seconds: float = 0.0
    error: Text | None = None

    @property
    def view(self) -> dict[str, Any]:
        """What the browser knows of it."""
        return {
            "id": self.id,
            "choice": self.choice,
            "source": self.source,
            "groups": list(self.groups),
            "vocabulary": self.vocabulary.name,
            "labels": len(self.vocabulary),
            "model": self.model,
            "encoder": self.encoder,
            "total": self.total,
            "state": self.state,
            "seconds": self.seconds,
            "error": self.error,
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run has found for a picture: confidences by the keys of labels, or why there are none."""

    confidences: Mapping[str, float] = field(default_factory=dict)
    error: PictureError | None = None


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What somebody says about the labels of a picture.

    states: of labels by their keys: "added" by hand, "confirmed", or "absent" if it does not fit. names: of these
    labels. is_checked: whether somebody has said that all labels are right.
    """

    states: Mapping[str, State] = field(default_factory=dict)
    names: Mapping[str, Name] = field(default_factory=dict)
    is_checked: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not self.states and not self.is_checked

    @property
    def view(self) -> dict[str, Any]:
        """What the browser knows of it."""
        names = {key: [name.en, name.zh] for key, name in self.names.items()}
        return {"states": dict(self.states), "names": names, "checked": self.is_checked}


@dataclass(frozen=True, kw_only=True)
class OwnLabels:
    """Labels that people have brought. name: of the file; empty if they were typed. text: that was typed."""

    name: str
    text: str
    vocabulary: Vocabulary

    @property
    def view(self) -> dict[str, Any]:
        """What the browser knows of it."""
        groups = groups_view(self.vocabulary)
        return {
            "name": self.name,
            "text": self.text,
            "labels": len(self.vocabulary),
            "groups": groups,
            "source": self.vocabulary.digest,
        }


def group_key(group: Name) -> str:
    """Return what identifies a group."""
    return group.en or group.zh


def groups_view(vocabulary: Vocabulary) -> list[list[str]]:
    """Return the names of all groups in English and Chinese."""
    return [[group.en, group.zh] for group in vocabulary.groups]


def vocabulary_view(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the labels for the browser: names, synonyms, and the indexes of the group and the parent, or -1."""
    groups = {group: index for index, group in enumerate(vocabulary.groups)}
    rows = {label.key: index for index, label in enumerate(vocabulary)}
    labels = [
        [
            label.name.en,
            label.name.zh,
            list(label.synonyms),
            -1 if label.group is None else groups[label.group],
            -1 if label.parent is None else rows[label.parent],
        ]
        for label in vocabulary
    ]
    return {"labels": labels, "groups": groups_view(vocabulary)}


def thresholds(header: TaggingHeader) -> list[float]:
    """Return the calibrated threshold of each label."""
    return [header.calibration.threshold_of(label.key) for label in header.vocabulary]


def stored_header(header: TaggingHeader) -> str:
    """Return a header as the JSON of the database."""
    fields = {
        **vars(header),
        "vocabulary": _vocabulary_json(header.vocabulary),
        "calibration": asdict(header.calibration),
    }
    return json.dumps(fields)


def read_header(text: str) -> TaggingHeader:
    """Return the header that `stored_header` has written."""
    fields = json.loads(text)
    calibration = fields["calibration"]
    known = tuple((str(key), float(value)) for key, value in calibration["thresholds"])
    return TaggingHeader(
        **{
            **fields,
            "groups": tuple(fields["groups"]),
            "vocabulary": _vocabulary(fields["vocabulary"]),
            "calibration": LabelCalibration(**{**calibration, "thresholds": known}),
        }
    )


def stored_own(own: OwnLabels) -> str:
    """Return labels that people have brought as the JSON of the database."""
    return json.dumps({"name": own.name, "text": own.text, "vocabulary": _vocabulary_json(own.vocabulary)})


def read_own(text: str) -> OwnLabels:
    """Return what `stored_own` has written."""
    fields = json.loads(text)
    return OwnLabels(name=fields["name"], text=fields["text"], vocabulary=_vocabulary(fields["vocabulary"]))


def stored_outcome(outcome: Outcome) -> str:
    """Return an outcome as the JSON of the database."""
    error = None if outcome.error is None else error_json(outcome.error)
    return json.dumps({"confidences": dict(outcome.confidences), "error": error})


def read_outcome(text: str) -> Outcome:
    """Return what `stored_outcome` has written."""
    fields = json.loads(text)
    confidences = {str(key): float(value) for key, value in fields["confidences"].items()}
    return Outcome(confidences=confidences, error=fields["error"] and read_error(fields["error"]))


def stored_correction(correction: Correction) -> str:
    """Return a correction as the JSON of the database."""
    return json.dumps(correction.view)


def read_correction(text: str) -> Correction:
    """Return what `stored_correction` has written."""
    fields = json.loads(text)
    names = {key: Name(en=en, zh=zh) for key, (en, zh) in fields["names"].items()}
    return Correction(states=dict(fields["states"]), names=names, is_checked=bool(fields["checked"]))


def _vocabulary_json(vocabulary: Vocabulary) -> dict[str, Any]:
    return {"name": vocabulary.name, "domain": vocabulary.domain, "labels": [asdict(label) for label in vocabulary]}


def _vocabulary(fields: Mapping[str, Any]) -> Vocabulary:
    return Vocabulary(name=fields["name"], domain=fields["domain"], labels=tuple(map(_label, fields["labels"])))


def _label(fields: Mapping[str, Any]) -> Label:
    group = fields["group"]
    return Label(
        name=Name(**fields["name"]),
        synonyms=tuple(fields["synonyms"]),
        group=None if group is None else Name(**group),
        parent=fields["parent"],
    )
