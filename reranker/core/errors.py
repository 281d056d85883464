"""All errors of the program, as a tree. An error carries fields; `reranker.i18n` makes sentences of them.

RerankerError
├── PictureError                 one picture could not be scored; the others are not affected
│   ├── PictureMissing           the file does not exist, or is not a file
│   ├── PictureForbidden         the file is outside the folders that may be opened
│   ├── PictureUnreadable        not a picture, truncated, damaged or in an unsupported format
│   ├── PictureFileTooLarge      the file has more bytes than the limit
│   ├── PictureTooLarge          the picture has more pixels than the limit
│   ├── PictureNeedsMemory       decoding it takes more memory than the limit
│   ├── PictureTooNarrow         the aspect ratio is beyond the limit
│   ├── PictureUnscored          the model failed on this picture
│   ├── WorkersEnded             every worker that got this picture has ended
│   ├── PictureScoreNotFinite    the score is infinite or not a number
│   ├── PictureOutOfMemory       the device has too little memory for this picture
│   ├── PictureBeyondContext     the picture and its texts are longer than what the model reads
│   └── PictureSkipped           the run was stopped before this picture was scored
├── CheckpointError              the model cannot be used
│   ├── CheckpointMissing        the folder, or a file in it, does not exist
│   ├── CheckpointNotDownloaded  files of a model of the hub are not on this machine
│   ├── CheckpointBroken         a file of the model cannot be read
│   │   ├── CheckpointFieldInvalid    a field of a file of the model is wrong
│   │   └── CheckpointWeightsInvalid  weights are missing or have another shape
│   ├── CheckpointUnsupported    unknown architecture, or "yes" and "no" are not one token each
│   ├── QuantizationMissing      the package that stores weights in 8 and 4 bits is not installed
│   ├── BackendFailed            ONNX Runtime cannot run the model
│   ├── BackendRefused           ONNX Runtime computes other vectors than torch
│   ├── ModelOutOfMemory         too little memory to load the model
│   ├── DownloadFailed           the files of the model could not be downloaded
│   └── ModelShapeUnknown        no model of this shape can be built
├── RequestError                 a mistake in the request
│   ├── QueryEmpty
│   ├── QueryTooLong
│   ├── TextTooLong
│   ├── TextNotUnicode
│   ├── ExampleUnreadable        the picture of a query cannot be read
│   ├── ExampleUnsupported       the model does not know queries with a picture
│   ├── ExampleInvalid           the picture of the query of an HTTP request is in no form that is accepted
│   ├── QueriesUnmatched         an HTTP request has neither one query nor one for each document
│   ├── TooFewPictures
│   ├── TooManyPictures
│   ├── TooManyQueries
│   ├── DocumentInvalid          a document of an HTTP request is not a picture
│   ├── DocumentFieldInvalid     a field of such a document is wrong, or does not belong there
│   ├── FilterInvalid            a filter of a search is wrong
│   ├── RequestMalformed         the request does not match the schema
│   ├── SessionUnknown           the session of the page has ended, or belongs to somebody else
│   ├── RankingUnknown           the session has no such ranking or picture
│   ├── RunActive                the session is ranking already
│   ├── NothingToRetry           no picture of the ranking can be scored that was not
│   ├── ResultUnreadable         the file is not a ranking that this program saved
│   ├── NameTemplateInvalid      a template for the names of files is empty or has unknown fields
│   ├── RequestTooLarge          the request has more bytes than the limit
│   │   └── RequestTextTooLarge  it has, even without its pictures
│   ├── RequestTimedOut          the client has stopped sending the request
│   ├── PathUnknown              the server has nothing at this path
│   ├── MethodUnknown            the server has something there, but not for this method
│   ├── HostForeign              the client has called the server by the name of another one
│   ├── OriginForeign            the page of another site has sent the request
│   ├── LibraryUpdateForbidden   only the owner of the server may update its libraries
│   ├── LoginRequired            the visitor has not logged in
│   ├── LoginRejected            the name or the password is wrong
│   ├── ApiKeyRejected           the API key is missing or wrong
│   ├── TooManyAttempts          too many wrong passwords or keys
│   ├── TooManyRequests          the queue is full
│   ├── ServerBusy               all requests together are as large as the server can hold
│   └── UploadsFull              the server has no room for more uploads
├── DatasetError                 the labelled pictures cannot be used
│   ├── DatasetMissing           the file or folder does not exist
│   ├── DatasetFormatUnknown     the format is not supported
│   ├── DatasetSpecInvalid       the numbers after the dataset's name are wrong
│   └── DatasetInvalid           the content is wrong; lists every fault
├── VocabularyError              the labels cannot be used
│   ├── VocabularyMissing        the file does not exist
│   └── VocabularyInvalid        the content is wrong; lists every fault
├── LibraryMissing               there is no library of this name
├── LibraryBusy                  another program changes the library
├── LibraryUnwritable            nothing more can be written into a library, such as on a full disk
├── LibraryUnreadable            the folder of a library or a file in it cannot be opened, or a newer version wrote it
├── LibraryEncoderDiffers        another dual encoder has made the vectors of a library
├── SidecarUnreadable            the file beside a picture, for its keywords, is no XMP
├── LabelFileBusy                another program does not stop changing the file of labels
├── PrecisionUnsuitable          no picture of a run got a finite score in this precision
├── DeviceMissing                there is no GPU that torch can use
├── DeviceFailed                 the GPU does not work any more, whatever it is given
├── ClusterError                 no workers can be had
│   ├── RayMissing               the package that runs workers is not installed
│   ├── ClusterUnreachable       there is no cluster at the address, or it does not accept this program
│   ├── WorkersMissing           the cluster has no machine or GPU for workers, or others use all of them
│   ├── WorkerFailed             a machine cannot load the model
│   ├── WorkerNotStarted         no worker starts on a machine
│   ├── WorkerDiffers            a machine has another version of the model than the others
│   └── WorkerPrecisionDiffers   a device computes in another precision than the others
├── ReplicasEnded                processes of the server have ended with this request
├── ServerStopping               the program ends before the request is finished
├── SettingInvalid               a setting is out of its range
│   └── DetailTooHigh            the detail is more visual tokens than the model has room for
└── TicketCancelled              the request was cancelled while it waited for the device
"""

from dataclasses import dataclass
from typing import Any, Literal

UnreadableReason = Literal[
    "empty", "not a picture", "truncated", "damaged", "unsupported", "no access", "no memory", "too slow"
]
DownloadFailureReason = Literal["network", "offline", "unknown", "gated", "no space", "no access", "not on the hub"]

# What the value of a field in a checkpoint's file must be.
FieldRule = Literal[
    "object",
    "text",
    "number",
    "probability",
    "positive number",
    "positive whole number",
    "three numbers",
    "three positive numbers",
    "three positive whole numbers",
    "true or false",
    "score",
    "at least the smallest area",
    "as in config.json",
    "files",
]
WeightFault = Literal["missing", "shape"]

VectorFault = Literal["cosine", "recall"]
DeviceFault = Literal["build", "none"]
TemplateFault = Literal["empty", "too long", "braces", "field"]
SpecReason = Literal["not allowed", "too many", "sets", "candidates", "scenes"]
FaultReason = Literal[
    "no access",
    "not UTF-8",
    "not JSON",
    "cut off",
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
    "no relevant picture",
    "only relevant pictures",
    "relevance",
    "score",
    "labelled twice",
    "unknown query",
    "no labels",
    "too many labels",
    "label empty",
    "label too long",
    "label twice",
    "unknown parent",
    "own parent",
    "unknown picture",
    "unknown category",
    "label both",
    "confidence",
    "no known labels",
    "nothing annotated",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault in a dataset or a vocabulary.

    file: name of the file, without folders.
    line: from 1; None if the file has no lines or the fault concerns the whole file.
    value: the faulty value or its place in the file, such as "b.jpg", "pictures" or "annotations[3].caption"; the
        expected value for "columns", "file missing" and "several files"; empty for the other reasons.
    """

    file: str
    line: int | None
    reason: FaultReason
    value: str


class RerankerError(Exception):
    """Base class of all errors that this program raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the error by its fields, so that it can cross processes."""
        return _rebuilt, (type(self), vars(self))

    def __str__(self) -> str:
        fields = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({fields})"


def _rebuilt(error_class: type[RerankerError], values: dict[str, Any]) -> RerankerError:
    return error_class(**values)


@dataclass(eq=False)
class PictureError(RerankerError):
    """One picture could not be scored. name: the name of the candidate."""

    name: str


class PictureMissing(PictureError):
    """The file does not exist, or the path is not a file."""


class PictureForbidden(PictureError):
    """The file is outside the folders that this interface may open."""


@dataclass(eq=False)
class PictureUnreadable(PictureError):
    """The file cannot be decoded.

    reason: "damaged" if the bytes are inconsistent; "unsupported" if the format is known but this variant of it is not;
        "no access" if the operating system refuses to read the file; "no memory" if there is too little memory to
        decode it; "too slow" if it takes longer to decode than any picture may, or would by its structure.
    """

    reason: UnreadableReason


@dataclass(eq=False)
class PictureFileTooLarge(PictureError):
    """The file has more bytes than the limit."""

    size_bytes: int
    max_bytes: int


@dataclass(eq=False)
class PictureTooLarge(PictureError):
    """The picture has more pixels than the limit. width, height: in pixels."""

    width: int
    height: int
    max_pixels: int


@dataclass(eq=False)
class PictureNeedsMemory(PictureError):
    """Decoding the picture takes more memory than the limit. width, height: in pixels."""

    width: int
    height: int
    needed_bytes: int
    max_bytes: int


@dataclass(eq=False)
class PictureTooNarrow(PictureError):
    """The longer side divided by the shorter side is beyond the limit. width, height: in pixels."""

    width: int
    height: int
    max_aspect_ratio: float


@dataclass(eq=False)
class PictureUnscored(PictureError):
    """The model failed on this picture alone, or returned no score for it."""

    reason: str


@dataclass(eq=False)
class WorkersEnded(PictureError):
    """Every worker that was given the picture has ended before it answered."""


@dataclass(eq=False)
class PictureScoreNotFinite(PictureError):
    """The score is infinite or not a number in this precision."""

    precision: str


@dataclass(eq=False)
class PictureOutOfMemory(PictureError):
    """The device has too little memory for this picture, even alone in a batch."""

    visual_tokens: int


@dataclass(eq=False)
class PictureBeyondContext(PictureError):
    """The picture, with the query and its own text, is longer than what the model reads.

    visual_tokens: of the picture. text_tokens: of the prompt, the query and the text. max_tokens: of all together.
    example_tokens: visual tokens of the query's example; 0 if it has none.
    """

    visual_tokens: int
    text_tokens: int
    max_tokens: int
    example_tokens: int = 0


class PictureSkipped(PictureError):
    """The run was stopped before this picture was scored."""


def can_retry(error: PictureError) -> bool:
    """Return whether the same picture can be read and scored at another time."""
    if isinstance(error, PictureUnreadable):
        return error.reason in ("no access", "no memory", "too slow")
    return isinstance(error, PictureSkipped | PictureUnscored | WorkersEnded | PictureOutOfMemory)


@dataclass(eq=False)
class CheckpointError(RerankerError):
    """The model cannot be used. name: its name or its folder, as it was given."""

    name: str


@dataclass(eq=False)
class CheckpointMissing(CheckpointError):
    """The folder of the model (`missing` is None), or the file `missing` in it, does not exist.

    missing: "preprocessing" if neither of the two files exists that say how to prepare pictures.
    """

    missing: str | None = None


class CheckpointNotDownloaded(CheckpointError):
    """Files of a model of the hub are not on this machine."""


@dataclass(eq=False)
class CheckpointBroken(CheckpointError):
    """A file of the model cannot be used.

    reason: "truncated" if the file ends too early; "digest" if its checksum differs from that of the hub; otherwise
        the name of a library's exception.
    """

    file: str
    reason: str


@dataclass(eq=False)
class CheckpointFieldInvalid(CheckpointBroken):
    """A field of a JSON file of the model has a wrong value. reason: a `FieldRule`, which the value breaks."""

    field: str


@dataclass(eq=False)
class CheckpointWeightsInvalid(CheckpointBroken):
    """The network needs weights that the files do not have, or have in another shape.

    reason: "missing" or "shape". weight: the first of them, as transformers names it. found, expected: its shape, such
        as "903 × 192"; found is empty if it is missing. more: how many other weights are missing or misshapen.
    """

    weight: str
    found: str
    expected: str
    more: int


@dataclass(eq=False)
class CheckpointUnsupported(CheckpointError):
    """The architecture is unknown, or the tokenizer does not fit the scoring method."""

    reason: str


@dataclass(eq=False)
class QuantizationMissing(CheckpointError):
    """The precision is int8 or nf4, and the package that computes in it is not installed."""

    precision: str


@dataclass(eq=False)
class BackendFailed(CheckpointError):
    """ONNX Runtime cannot run the dual encoder. backend: "onnx" or "onnx-int8".

    reason: "package" if the packages are not installed; "provider" if they cannot use the device; "precision" if they
        cannot compute in the one that is asked for; "disk" if the cache folder cannot be read or written; otherwise the
        name of a library's exception.
    """

    backend: str
    reason: str


@dataclass(eq=False)
class BackendRefused(CheckpointError):
    """The vectors of the dual encoder on ONNX Runtime differ too much from those on torch.

    backend: "onnx" or "onnx-int8". found, least: the lowest cosine of a vector and that of torch, or the share of the
        pictures which torch finds that are found, by `reason`; and the lowest that is accepted.
    """

    backend: str
    reason: VectorFault
    found: float
    least: float


@dataclass(eq=False)
class ModelOutOfMemory(CheckpointError):
    """The device, or the machine, has too little memory to load the model."""

    precision: str


@dataclass(eq=False)
class DownloadFailed(CheckpointError):
    """The files of the model could not be downloaded.

    reason: "network" if the hub was not reached or the connection was lost; "offline" if HF_HUB_OFFLINE is set;
        "unknown" if the hub has no such model; "gated" if its terms must be accepted first; "no space" if the disk is
        full; "no access" if the cache cannot be written; "not on the hub" for a folder or a built-in model.
    """

    reason: DownloadFailureReason


class ModelShapeUnknown(CheckpointError):
    """No model of this shape can be built for measuring."""


class RequestError(RerankerError):
    """A mistake in the request."""


class QueryEmpty(RequestError):
    """The query is empty."""


@dataclass(eq=False)
class QueryTooLong(RequestError):
    """The query is longer than the limit; both lengths in characters."""

    length: int
    max_length: int


@dataclass(eq=False)
class TextTooLong(RequestError):
    """The text of a picture is longer than the limit; both lengths in characters."""

    name: str
    length: int
    max_length: int


@dataclass(eq=False)
class TextNotUnicode(RequestError):
    """The query, or the text of a picture, has half a surrogate pair: it was not text, or in another encoding.

    where: "query", or the name of the picture.
    """

    where: str


@dataclass(eq=False)
class ExampleUnreadable(RequestError):
    """The example of a query cannot be used. error: what is wrong with the picture."""

    error: PictureError


@dataclass(eq=False)
class ExampleUnsupported(RequestError):
    """The query has an example, but the model was not trained with any. model: its name."""

    model: str


@dataclass(eq=False)
class ExampleInvalid(RequestError):
    """The picture of a query is not in a form that is accepted. where: the query's name in the request.

    reason: "address" for a URL, which would have to be downloaded; "base64" for invalid base64; "several pictures".
    """

    where: str
    reason: Literal["address", "base64", "several pictures"]


@dataclass(eq=False)
class QueriesUnmatched(RequestError):
    """There are several queries, but not one for each document."""

    count: int
    document_count: int


@dataclass(eq=False)
class TooFewPictures(RequestError):
    """Fewer pictures than this interface needs."""

    count: int
    min_count: int


@dataclass(eq=False)
class TooManyPictures(RequestError):
    """More pictures than this interface accepts."""

    count: int
    max_count: int


@dataclass(eq=False)
class TooManyQueries(RequestError):
    """More queries at once than this interface accepts."""

    count: int
    max_count: int


@dataclass(eq=False)
class DocumentInvalid(RequestError):
    """The document at `index`, from 0, is not a picture in a form that is accepted.

    reason: "address" for a URL, which would have to be downloaded; "text" for text that is not a picture; "base64" for
        invalid base64; "not one picture" if it holds several pictures or none; "form" for anything else.
    """

    index: int
    reason: Literal["address", "text", "base64", "not one picture", "form"]


@dataclass(eq=False)
class DocumentFieldInvalid(RequestError):
    """The document at `index`, from 0, has a field that is wrong, or that its form does not have.

    field: where the document is wrong, such as `content[1].title`.
    """

    index: int
    field: str


@dataclass(eq=False)
class FilterInvalid(RequestError):
    """A filter of a search is wrong. filter: its name; value: what was given; expected: what would be right."""

    filter: str
    value: str
    expected: str


@dataclass(eq=False)
class RequestMalformed(RequestError):
    """The request does not match the schema. where: the first field that does not, such as `documents[2]`."""

    where: str


class SessionUnknown(RequestError):
    """The session of the page has ended, never existed, or belongs to another login."""


class RankingUnknown(RequestError):
    """The session has no ranking, or no picture, of this id."""


class RunActive(RequestError):
    """The session is ranking already."""


class NothingToRetry(RequestError):
    """Every picture of the ranking is scored, or fails in the same way each time."""


@dataclass(eq=False)
class ResultUnreadable(RequestError):
    """The file is not a ranking that this program saved."""

    name: str


@dataclass(eq=False)
class NameTemplateInvalid(RequestError):
    """No names of files can be made by a template.

    reason: "braces" if a bracket has no counterpart; "field" if there is a field that is not known, or has a format.
    """

    reason: TemplateFault
    template: str


@dataclass(eq=False)
class RequestTooLarge(RequestError):
    """The request has more megabytes (1,000,000 bytes) than the limit."""

    max_mb: int


@dataclass(eq=False)
class RequestTextTooLarge(RequestTooLarge):
    """Without its pictures, the request still has more megabytes or more values than the limit."""

    max_values: int


class RequestTimedOut(RequestError):
    """The client has stopped sending the request, or sends it too slowly."""


class PathUnknown(RequestError):
    """The server has nothing at this path."""


class MethodUnknown(RequestError):
    """The server has something at this path, but not for this method."""


class HostForeign(RequestError):
    """The client has called a server for this machine alone by the name of another one."""


class OriginForeign(RequestError):
    """The page of another site has sent the request."""


class LibraryUpdateForbidden(RequestError):
    """The request is not of the machine of the server, or the server has guests."""


class LoginRequired(RequestError):
    """The visitor has not logged in."""


class LoginRejected(RequestError):
    """The name or the password of a login is wrong."""


class ApiKeyRejected(RequestError):
    """The API key is missing or wrong."""


@dataclass(eq=False)
class TooManyAttempts(RequestError):
    """Too many wrong passwords or keys came from one address. wait_s: seconds until another attempt is allowed."""

    wait_s: int


@dataclass(eq=False)
class TooManyRequests(RequestError):
    """The queue is full: `max_count` requests are waiting."""

    max_count: int


class ServerBusy(RequestError):
    """All requests together are as large as the server can hold."""


class UploadsFull(RequestError):
    """The uploads have reached their limit, or the disk is nearly full."""


@dataclass(eq=False)
class DatasetError(RerankerError):
    """The labelled pictures cannot be used. name: the name of the dataset."""

    name: str


class DatasetMissing(DatasetError):
    """The file or folder does not exist."""


class DatasetFormatUnknown(DatasetError):
    """The format of the file or folder is not supported."""


@dataclass(eq=False)
class DatasetSpecInvalid(DatasetError):
    """The numbers after the dataset's name, `:sets:candidates:seed` or `:scenes:seed`, are wrong.

    reason: "not allowed" if the dataset defines its own sets; "too many" for more than three numbers; "sets" if there
        would be fewer sets than one; "candidates" if a set would have fewer pictures than two; "scenes" for fewer
        scenes than one, or more than two numbers.
    """

    reason: SpecReason


@dataclass(eq=False)
class DatasetInvalid(DatasetError):
    """The content of the dataset is wrong. faults: all that were found, at least one."""

    faults: tuple[Fault, ...]


@dataclass(eq=False)
class VocabularyError(RerankerError):
    """The labels cannot be used. name: of the vocabulary, or its file as it was given."""

    name: str


class VocabularyMissing(VocabularyError):
    """The file does not exist."""


@dataclass(eq=False)
class VocabularyInvalid(VocabularyError):
    """The content of the vocabulary is wrong. faults: all that were found, at least one."""

    faults: tuple[Fault, ...]


@dataclass(eq=False)
class SidecarUnreadable(RerankerError):
    """The sidecar of a picture is no XMP. name: of the file, without folders."""

    name: str


@dataclass(eq=False)
class LabelFileBusy(RerankerError):
    """Another program has kept the file of labels locked for too long. name: of the file, without folders."""

    name: str


@dataclass(eq=False)
class PrecisionUnsuitable(RerankerError):
    """No picture of a run got a finite score in this precision."""

    precision: str


@dataclass(eq=False)
class DeviceMissing(RerankerError):
    """There is no GPU that torch can use.

    device: as the setting names it. reason: "build" if this build of torch is for the CPU alone; "none" if torch finds
        no GPU.
    """

    device: str
    reason: DeviceFault


class DeviceFailed(RerankerError):
    """The GPU does not work any more, whatever it is given, until the program is started again."""


class ClusterError(RerankerError):
    """No workers can be had."""


class RayMissing(ClusterError):
    """The package that runs workers is not installed."""


@dataclass(eq=False)
class ClusterUnreachable(ClusterError):
    """There is no cluster at the address, or it does not accept this program. reason: an error's class."""

    address: str
    reason: str


class WorkersMissing(ClusterError):
    """The cluster has no machine or GPU for workers, or others use all of them."""


@dataclass(eq=False)
class WorkerFailed(ClusterError):
    """A machine cannot load the model. machine: its name. error: why."""

    machine: str
    error: RerankerError


@dataclass(eq=False)
class WorkerNotStarted(ClusterError):
    """No worker starts on a machine. machine: its name. reason: an error's class."""

    machine: str
    reason: str


@dataclass(eq=False)
class WorkerDiffers(ClusterError):
    """A machine has another version of the model than the others. machine: its name."""

    machine: str


@dataclass(eq=False)
class WorkerPrecisionDiffers(ClusterError):
    """A device computes in another precision than the others, so scores could not be compared.

    machine: its name. precision, others: that of the device and of the others.
    """

    machine: str
    precision: str
    others: str


class ReplicasEnded(RerankerError):
    """One process of the server after the other has ended while it answered this request."""


class ServerStopping(RerankerError):
    """The program ends before the request is finished."""


@dataclass(eq=False)
class LibraryMissing(RerankerError):
    """There is no library of this name, or it was deleted. name: of the library."""

    name: str


@dataclass(eq=False)
class LibraryBusy(RerankerError):
    """Another program changes the library at the moment. name: of the library."""

    name: str


@dataclass(eq=False)
class LibraryUnwritable(RerankerError):
    """Nothing more can be written into a library; what was written is kept. name: of the library. reason: in words."""

    name: str
    reason: str


@dataclass(eq=False)
class LibraryUnreadable(RerankerError):
    """The folder of a library, or a file in it, cannot be opened. name: of the library. reason: an error's class."""

    name: str
    reason: str


@dataclass(eq=False)
class LibraryEncoderDiffers(RerankerError):
    """The vectors of a library come from another dual encoder.

    name: of the library. made_by: the name of that encoder; given: the name of this one.
    """

    name: str
    made_by: str
    given: str


@dataclass(eq=False)
class SettingInvalid(RerankerError):
    """A setting is out of its range. expected: the values that are allowed."""

    setting: str
    value: str
    expected: str


@dataclass(eq=False)
class DetailTooHigh(SettingInvalid):
    """The detail is more visual tokens than the model has room for. expected: the most that it has room for."""

    model: str


class TicketCancelled(RerankerError):
    """The request was cancelled while it waited for the device."""
