"""What can go wrong, as a tree. Errors carry fields; sentences are made at the edges, in the reader's language.

RerankerError
├── PictureError                one picture; costs only itself
│   ├── PictureMissing          no such file, or not a file
│   ├── PictureForbidden        a file that this door does not open
│   ├── PictureUnreadable       not a picture, truncated, or in a form that nothing here reads
│   ├── PictureTooHeavy         more bytes than the limit
│   ├── PictureTooLarge         more pixels than the limit
│   ├── PictureTooNarrow        an aspect ratio beyond the limit
│   ├── PictureUnjudged         the model failed on it
│   ├── PictureNotFinite        the model's number for it is none
│   ├── PictureUnrated          the model's words about it have no rating
│   ├── PictureOutOfMemory      the device has not the memory that it takes
│   └── PictureSkipped          the run was stopped before its turn
├── CheckpointError             a model that cannot be used
│   ├── CheckpointMissing       no such folder, or a file of it is missing
│   ├── CheckpointNotFetched    a model of the hub that is not on this machine
│   ├── CheckpointBroken        a file of it cannot be read
│   ├── CheckpointUnsupported   another architecture, or "yes" and "no" are not one token each
│   ├── ModelOutOfMemory        the device has not the memory to load it
│   ├── DownloadFailed          its files could not be fetched
│   └── GeometryUnknown         a shape of model that cannot be made
├── RequestError                a mistake in the asking
│   ├── QueryEmpty
│   ├── QueryTooLong
│   ├── TextTooLong
│   ├── TooFewPictures
│   ├── TooManyPictures
│   ├── TooManyQueries
│   ├── DocumentInvalid         what a program sent in the place of a picture
│   ├── RequestMalformed        not of the form that this door takes
│   ├── ResultUnreadable        a file that is no ranking of this program
│   ├── RequestTooLarge         more bytes than the limit
│   ├── KeyRefused              no key, or another one
│   └── TooManyCallers          as many wait as may
├── DatasetError                labelled pictures that cannot be used
│   ├── DatasetMissing          no such file or folder
│   ├── DatasetUnknown          of no form that is known
│   ├── DatasetNumbersInvalid   numbers behind its name that it does not take
│   └── DatasetInvalid          something in it is wrong, fault by fault
├── PrecisionUnfit              no picture of a run got a number in it
├── SettingInvalid              a setting out of its range
└── TurnCancelled               a caller left while waiting for the device
"""

from dataclasses import dataclass
from typing import Any, Literal

UnreadableReason = Literal["empty", "not a picture", "truncated", "damaged", "unsupported", "no access", "no memory"]
DownloadTrouble = Literal["network", "offline", "unknown", "gated", "no space", "no access", "not of the hub"]

NumbersReason = Literal["not taken", "too many", "sets", "candidates"]
FaultReason = Literal[
    "no access",
    "not UTF-8",
    "not JSON",
    "not an object",
    "field",
    "columns",
    "file missing",
    "several files",
    "no sets",
    "empty query",
    "id twice",
    "set twice",
    "no pictures",
    "too few pictures",
    "picture missing",
    "pictures elsewhere",
    "picture twice",
    "not among the pictures",
    "no right picture",
    "only right pictures",
    "relevance",
    "score",
    "judged twice",
    "unknown query",
    "unknown picture",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong with a dataset.

    file: its name, without folders. line: from 1; None where the file has none, or the whole of it is meant.
    value: what was found there, or the place within the file: "b.jpg", "pictures", "annotations[3].caption"; for
        "columns", "file missing" and "several files" what should be there; else empty.
    """

    file: str
    line: int | None
    reason: FaultReason
    value: str


class RerankerError(Exception):
    """Anything that this program says went wrong."""

    def __reduce__(self) -> tuple[Any, ...]:
        """By its fields, so that it comes whole out of another process."""
        return _rebuilt, (type(self), vars(self))

    def __str__(self) -> str:
        fields = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({fields})"


def _rebuilt(kind: type[RerankerError], values: dict[str, Any]) -> RerankerError:
    return kind(**values)


@dataclass(eq=False)
class PictureError(RerankerError):
    """One picture that could not be judged; `name` is the candidate's."""

    name: str


@dataclass(eq=False)
class PictureMissing(PictureError):
    """No such file, or not a file."""


@dataclass(eq=False)
class PictureForbidden(PictureError):
    """A file outside the folders that this door may open."""


@dataclass(eq=False)
class PictureUnreadable(PictureError):
    """Empty, truncated, not a picture, or of a format that is not read.

    reason: "damaged" where the bytes contradict themselves; "unsupported" where their format is known, but not this
    form of it; "no access" where the system refuses to read them; "no memory" where decoding needs more than is left.
    """

    reason: UnreadableReason


@dataclass(eq=False)
class PictureTooHeavy(PictureError):
    """More bytes than the limit."""

    size_bytes: int
    max_bytes: int


@dataclass(eq=False)
class PictureTooLarge(PictureError):
    """More pixels than the limit."""

    width: int
    height: int
    max_pixels: int


@dataclass(eq=False)
class PictureTooNarrow(PictureError):
    """Longer side over shorter side beyond the limit."""

    width: int
    height: int
    max_aspect_ratio: float


@dataclass(eq=False)
class PictureUnjudged(PictureError):
    """The model failed on this picture alone, or gave no answer."""

    reason: str


@dataclass(eq=False)
class PictureNotFinite(PictureError):
    """Its score is infinite, or not a number, in this precision."""

    precision: str


@dataclass(eq=False)
class PictureUnrated(PictureError):
    """The model was asked for a rating, and its words have none."""

    words: str


@dataclass(eq=False)
class PictureOutOfMemory(PictureError):
    """Even alone it takes more memory than the device has left."""

    visual_tokens: int


@dataclass(eq=False)
class PictureSkipped(PictureError):
    """The run was stopped before this picture's turn."""


class CheckpointError(RerankerError):
    """A model that cannot be used."""


@dataclass(eq=False)
class CheckpointMissing(CheckpointError):
    """No such folder (`missing` is None), or a file of it is missing."""

    name: str
    missing: str | None = None


@dataclass(eq=False)
class CheckpointNotFetched(CheckpointError):
    """A model of the hub whose files are not on this machine, or not all."""

    name: str


@dataclass(eq=False)
class CheckpointBroken(CheckpointError):
    """A file of it cannot be used.

    reason: "truncated" where it ends too early, "digest" where it is not what the hub has, "weights" where some that
        the architecture has are missing or of another shape; else what a library called it.
    """

    name: str
    file: str
    reason: str


@dataclass(eq=False)
class CheckpointUnsupported(CheckpointError):
    """Another architecture, or a tokenizer that does not fit the way of scoring."""

    name: str
    reason: str


@dataclass(eq=False)
class ModelOutOfMemory(CheckpointError):
    """The device, or the machine, has not the memory that it takes to load it."""

    name: str
    precision: str


@dataclass(eq=False)
class DownloadFailed(CheckpointError):
    """Its files could not be fetched.

    The hub was not reached or broke off ("network"), is not to be reached by a setting of its library ("offline"), has
    no such model ("unknown") or wants its terms accepted ("gated"); the disk is too full ("no space") or cannot be
    written to ("no access"); or the name is that of a folder, or of what comes with the program ("not of the hub").
    """

    name: str
    reason: DownloadTrouble


@dataclass(eq=False)
class GeometryUnknown(CheckpointError):
    """No shape of a model that can be made for measuring."""

    name: str


class RequestError(RerankerError):
    """A mistake in the asking."""


@dataclass(eq=False)
class QueryEmpty(RequestError):
    """No sentence to judge by."""


@dataclass(eq=False)
class QueryTooLong(RequestError):
    """A sentence of more characters than the limit."""

    length: int
    max_length: int


@dataclass(eq=False)
class TextTooLong(RequestError):
    """A text beside a picture, of more characters than the limit."""

    name: str
    length: int
    max_length: int


@dataclass(eq=False)
class TooFewPictures(RequestError):
    """Fewer pictures than this door asks for."""

    count: int
    min_count: int


@dataclass(eq=False)
class TooManyPictures(RequestError):
    """More pictures than this door takes."""

    count: int
    max_count: int


@dataclass(eq=False)
class TooManyQueries(RequestError):
    """More sentences at once than this door takes."""

    count: int
    max_count: int


@dataclass(eq=False)
class DocumentInvalid(RequestError):
    """What was sent in the place of the picture at `index`, from 0.

    reason: "address" of a picture that would have to be fetched; "text" that is no data URI; "base64" that is none;
        "not one picture" among content parts.
    """

    index: int
    reason: Literal["address", "text", "base64", "not one picture"]


@dataclass(eq=False)
class RequestMalformed(RequestError):
    """Not of the form that this door takes; `where` leads to the first place that is not, as in `documents[2]`."""

    where: str


@dataclass(eq=False)
class ResultUnreadable(RequestError):
    """A file that is no ranking as this program writes it."""

    name: str


@dataclass(eq=False)
class RequestTooLarge(RequestError):
    """A request of more megabytes (1,000,000 bytes) than the limit."""

    max_mb: int


@dataclass(eq=False)
class KeyRefused(RequestError):
    """A call without the key that this server asks for, or with another one."""


@dataclass(eq=False)
class TooManyCallers(RequestError):
    """As many callers wait as may."""

    max_count: int


class DatasetError(RerankerError):
    """Labelled pictures that cannot be used."""


@dataclass(eq=False)
class DatasetMissing(DatasetError):
    """No such file or folder."""

    name: str


@dataclass(eq=False)
class DatasetUnknown(DatasetError):
    """A file or folder of no form that is known."""

    name: str


@dataclass(eq=False)
class DatasetNumbersInvalid(DatasetError):
    """What stands behind its name, `:sets:candidates:seed`, cannot be meant.

    reason: "not taken" by a dataset that says itself what its sets are; "too many" numbers; fewer "sets" than one, or
        fewer "candidates" than two.
    """

    name: str
    reason: NumbersReason


@dataclass(eq=False)
class DatasetInvalid(DatasetError):
    """Something in it is wrong; `faults` has all that was found, at least one."""

    name: str
    faults: tuple[Fault, ...]


@dataclass(eq=False)
class PrecisionUnfit(RerankerError):
    """In this precision the model gave no picture of a run a finite number."""

    precision: str


@dataclass(eq=False)
class SettingInvalid(RerankerError):
    """A setting out of its range; `expected` says what it may be."""

    setting: str
    value: str
    expected: str


@dataclass(eq=False)
class TicketCancelled(RerankerError):
    """A caller left while waiting for the device."""
