"""Value objects of the program: what goes in and what comes out.

Nothing here knows torch, gradio or the disk. Every class is frozen and keyword-only, and can be pickled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar

from reranker.core.errors import BackendFailed, BackendRefused, PictureError
from reranker.core.text import well_formed

_ImageT = TypeVar("_ImageT")

Scoring = Literal["yes-no", "rating"]
"""How a score is read off a model: the log-odds of "yes" against "no", or the expected rating."""

LoadWarning = Literal["fp16", "split", "offloaded"]
"""What users should know of how a model was loaded: in FP16 because the GPU has no BF16; over several GPUs; with layers
in host memory.
"""


CaptureKey = Literal["camera", "lens", "exposure", "iso", "focal_length", "place", "software"]
"""What a camera writes into a picture, in the order in which people see it."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What pictures are scored against, validated: a sentence in Chinese, English or both, an example, or the two.

    text: empty only if there is an example. exclude: another sentence, which says what must not be in a picture; empty
    if nothing is excluded. example: a picture that the others should be like, with its bytes.
    """

    text: str
    exclude: str = ""
    example: "EncodedPicture | None" = None

    @property
    def example_name(self) -> str | None:
        """The name of the example; None if there is none."""
        return None if self.example is None else self.example.candidate.name

    @property
    def title(self) -> str:
        """The sentence, or the name of the example if there is none."""
        return self.text or self.example_name or ""

    @property
    def without_exclude(self) -> "Query":
        """This query without what is excluded."""
        return replace(self, exclude="")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A picture to score: a file on the disk, or its encoded bytes.

    name: shown to people; need not be unique; what is not text in it becomes U+FFFD. text: scored together with the
        picture, for example the title of a product.
    """

    name: str
    source: Path | bytes
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", well_formed(self.name))

    @classmethod
    def of(cls, source: "Candidate | Path | str | bytes", position: int = 0) -> "Candidate":
        """Make a candidate of a path (named after its file) or of encoded bytes (named by `position`)."""
        if isinstance(source, Candidate):
            return source
        if isinstance(source, bytes):
            return cls(name=f"picture-{position + 1}", source=source)
        return cls(name=Path(source).name, source=Path(source))


@dataclass(frozen=True, kw_only=True)
class EncodedPicture:
    """A candidate that was identified: read and hashed once, before it is decoded.

    content_hash: SHA-256 of the encoded bytes, in hexadecimal. key: digest of the content hash and the text of the
        candidate; candidates with equal keys get equal scores.
    data: the encoded bytes; None if the hash was remembered and the file was not read.
    """

    candidate: Candidate
    content_hash: str
    key: str
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Score:
    """The score of one picture for one query.

    log_odds: natural logarithm, finite; z_yes - z_no at the last position, or logit(expected rating / 10). Larger is
        better; sorting compares it in float32.
    generated_text: the most probable answer to the rating prompt; None with another scoring method.
    visual_tokens: image positions in the language tower, at least 1.
    latency_ms: duration of the batch in which the picture was scored, in milliseconds; 0 if the score was stored.
    cached: whether the features of the picture, or its score, came from a cache.
    stage: the stage of a run that scores the best pictures again (at a higher detail, or one by one), from 0. Only
        scores of one stage can be compared; those of a later stage
        rank first.
    """

    log_odds: float
    generated_text: str | None = None
    visual_tokens: int
    latency_ms: float
    cached: bool = False
    stage: int = 0


ScoreResult = Score | PictureError


@dataclass(frozen=True, kw_only=True)
class LabelCalibration:
    """How the log-odds of a label become a confidence, and from which confidence a picture has the label.

    slope, intercept: of Platt scaling, sigmoid(slope * log_odds + intercept); slope is above 0. threshold: in (0, 1).
    thresholds: other ones, of labels by their keys.
    """

    slope: float
    intercept: float
    threshold: float
    thresholds: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of_temperature(cls, temperature: float) -> Self:
        """Return the calibration of a scorer that has none for labels: sigmoid(log_odds / temperature), from 0.5."""
        return cls(slope=1 / temperature, intercept=0.0, threshold=0.5)

    @property
    def is_valid(self) -> bool:
        """Whether all numbers are in their ranges."""
        numbers = self.threshold, *(value for _, value in self.thresholds)
        return (
            math.isfinite(self.slope)
            and self.slope > 0
            and math.isfinite(self.intercept)
            and all(0 < number < 1 for number in numbers)
        )

    def threshold_of(self, key: str) -> float:
        """Return the threshold of a label."""
        return self._thresholds.get(key, self.threshold)

    @cached_property
    def _thresholds(self) -> dict[str, float]:
        return dict(self.thresholds)


@dataclass(frozen=True, kw_only=True)
class ScorerInfo:
    """Constant facts about a scorer, for cache keys, results and people.

    model: name of the checkpoint. fingerprint: digest of weights, prompt, instruction, precision, visual tokens and
        preprocessing; equal fingerprints give equal scores.
    precision: number format of the weights: fp32, bf16, fp16, int8 or nf4.
    visual_tokens: most visual tokens of a picture. detail_levels: visual tokens at low, usual and high detail.
    temperature: T of the score that people see, 10 * sigmoid(log_odds / T); 1 if the checkpoint is not calibrated.
    relevance_threshold: the score (0 to 10) from which a picture is relevant; None if it is not known.
    label_calibration: how confident the model is in labels.
    calibration_key: name of the calibration: weights, precision and scoring method, whatever the visual tokens.
    takes_example: whether the checkpoint knows queries with an example; its scores for others mean nothing.
    """

    model: str
    fingerprint: str
    precision: str
    visual_tokens: int
    detail_levels: tuple[int, int, int]
    temperature: float
    relevance_threshold: float | None
    label_calibration: LabelCalibration
    calibration_key: str
    takes_example: bool
    load_warnings: tuple[LoadWarning, ...]


EncoderPrecision = Literal["auto", "fp32", "bf16", "fp16"]

EncoderBackend = Literal["auto", "torch", "onnx", "onnx-int8"]
"""What runs a dual encoder: torch, or ONNX Runtime with weights in float32 or int8."""


@dataclass(frozen=True, kw_only=True)
class EncoderInfo:
    """Constant facts about a dual encoder.

    model: its name. fingerprint: digest of weights, tokenizer, prompt and preprocessing; vectors with equal ones can be
        compared. precision: number format of the weights: fp32, bf16, fp16 or int8. backend: "torch", "onnx" or
        "onnx-int8".
    dimensions: of a vector. image_px: side of the square that pictures are resized to.
    """

    model: str
    fingerprint: str
    precision: str
    backend: str
    dimensions: int
    image_px: int


@dataclass(frozen=True, kw_only=True)
class BackendChoice:
    """The backend that "auto" has chosen for a dual encoder, and why.

    backend: "torch" or "onnx". pictures_per_s: of both; empty if ONNX Runtime was not measured. refusal: why it was
    not; None if it was.
    """

    backend: str
    pictures_per_s: Mapping[str, float] = field(default_factory=dict)
    refusal: BackendFailed | BackendRefused | None = None


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A candidate with its score; `position` counts from 0 in the order of the request.

    content_hash: SHA-256 of the encoded bytes that were scored, in hexadecimal; None if the scores came from elsewhere.
    """

    position: int
    candidate: Candidate
    score: Score
    content_hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A candidate that could not be scored, and why. A failure is never a number.

    content_hash: as in `Scored`; None if the picture was not read.
    """

    position: int
    candidate: Candidate
    error: PictureError
    content_hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Every candidate exactly once: the scored ones, best first, then the failed ones by position.

    temperature: T of the score that people see, 10 * sigmoid(log_odds / T).
    """

    query: Query
    fingerprint: str
    temperature: float
    scored: tuple[Scored, ...]
    failed: tuple[Failed, ...]


@dataclass(frozen=True, kw_only=True)
class PartScore:
    """The score of a picture for one part of the query, scored like a query of its own.

    is_excluded: whether the text says what must not be in the picture.
    """

    text: str
    score: Score
    is_excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class OccludedImages(Generic[_ImageT]):
    """One image per cell of a grid, row by row, each with another cell blanked; ready to be scored."""

    rows: int
    columns: int
    images: Sequence[_ImageT]


@dataclass(frozen=True, kw_only=True)
class OcclusionMap:
    """By how much the log-odds of a picture drop if a cell of it is blanked: above 0 where the cell supports the query.

    drops: rows from the top, each from the left; the cells divide the picture evenly. A drop is a difference of two
        log-odds: 0.7 halves the odds.
    """

    drops: tuple[tuple[float, ...], ...]

    @property
    def rows(self) -> int:
        """The number of rows, at least 1."""
        return len(self.drops)

    @property
    def columns(self) -> int:
        """The number of columns, at least 1."""
        return len(self.drops[0])


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why one picture got its score: by the parts of the query, and by where in the picture.

    parts: in the order of the query, and then what it excludes; empty if the query has a single part and excludes
        nothing. temperature: as in `Ranking`.
    """

    query: Query
    fingerprint: str
    temperature: float
    score: Score
    parts: tuple[PartScore, ...]
    where: OcclusionMap


@dataclass(frozen=True, kw_only=True)
class CaptureData:
    """What the EXIF block of a picture says about how it was taken. All texts can be shown: they are clean and short.

    taken: local time of the camera in ISO 8601, such as "2024-05-01T10:22:33"; None if it is not known.
    details: keys and values in the order of `CaptureKey`, without those that are not known. An exposure is in seconds,
        with the aperture; a focal length in millimetres; a place in degrees, north and east.
    """

    taken: str | None = None
    details: tuple[tuple[CaptureKey, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class GeneratedRating:
    """The answer of a model that is prompted to rate a picture.

    text: the most probable answer. rating: the mean of all answers, weighted by their probabilities, 0 to 10.
    """

    text: str
    rating: float
