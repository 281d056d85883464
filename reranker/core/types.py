"""The vocabulary of the program: what goes in, what comes out, and the contract between the rooms.

Nothing here knows torch, gradio or the disk. Every class is frozen and keyword-only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from reranker.core.errors import PictureError


@dataclass(frozen=True, kw_only=True)
class Query:
    """The sentence that pictures are judged by: Chinese, English or both.

    Made anew for each run; what keeps pictures in memory tells runs apart by its identity.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One picture to be judged: a file on the disk, or its encoded bytes.

    `name` is what people are shown; it need not be unique. `text` is judged with the picture: a product's title, say.
    """

    name: str
    source: Path | bytes
    text: str = ""

    @classmethod
    def of(cls, source: "Candidate | Path | str | bytes", position: int = 0) -> "Candidate":
        """A candidate from a path (named after its file) or from encoded bytes (named by `position`)."""
        if isinstance(source, Candidate):
            return source
        if isinstance(source, bytes):
            return cls(name=f"picture-{position + 1}", source=source)
        return cls(name=Path(source).name, source=Path(source))


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a scorer says of one picture.

    log_odds: natural logarithm, finite; z_yes - z_no at the last position, or logit(expected rating / 10). Larger is
        better; sorting compares it in float32.
    generated_text: what a rating model wrote, None where nothing was generated.
    visual_tokens: image positions in the language tower, at least 1.
    latency_ms: duration of the batch that it was scored in, milliseconds; 0 where the score was stored.
    cached: whether the picture's features (or its score) came from a cache.
    stage: of a run in several stages, coarse to fine; only scores of one stage are comparable, and those of a later
        stage come first.
    """

    log_odds: float
    generated_text: str | None = None
    visual_tokens: int
    latency_ms: float
    cached: bool = False
    stage: int = 0


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A candidate that was judged; `position` counts from 0 in the order of asking."""

    position: int
    candidate: Candidate
    score: Score


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A candidate that could not be judged, and why. Never a number."""

    position: int
    candidate: Candidate
    error: PictureError


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Every candidate exactly once: the scored ones, best first, then the failed ones by position.

    temperature: T of the score that people see, 10 * sigmoid(log-odds / T).
    """

    query: Query
    fingerprint: str
    temperature: float
    scored: tuple[Scored, ...]
    failed: tuple[Failed, ...]


@dataclass(frozen=True, kw_only=True)
class PartScore:
    """A part of a query, judged like a query of its own."""

    text: str
    score: Score


@dataclass(frozen=True, kw_only=True)
class OcclusionMap:
    """How much a picture's log-odds fall when a patch of it is blanked: above 0 where the patch speaks for the query.

    falls: rows from the top, each from the left; the patches divide the picture evenly. Natural logarithm, as the
        difference of two log-odds: 0.7 halves the odds.
    """

    drops: tuple[tuple[float, ...], ...]

    @property
    def rows(self) -> int:
        """At least 1."""
        return len(self.drops)

    @property
    def columns(self) -> int:
        """At least 1."""
        return len(self.drops[0])


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why one picture got its score: by the parts of the query, and by where in the picture.

    parts: in the query's order; none where it has only one. temperature: as in `Ranking`.
    """

    query: Query
    fingerprint: str
    temperature: float
    score: Score
    parts: tuple[PartScore, ...]
    where: OcclusionMap


@dataclass(frozen=True, kw_only=True)
class GeneratedRating:
    """What a model wrote when asked to rate a picture; rating: 0 to 10, None where its words have none."""

    text: str
    rating: float | None


class Prepared(Protocol):
    """A picture made ready for the device by `Scorer.prepare`; what is inside belongs to the scorer."""

    @property
    def content_hash(self) -> str:
        """Digest of the encoded bytes, and of the text beside the picture where there is one."""

    @property
    def visual_tokens(self) -> int:
        """Image positions that it takes in the language tower."""

    @property
    def nbytes(self) -> int:
        """Host memory that it holds, for a look-ahead bounded in bytes."""


@dataclass(frozen=True, kw_only=True)
class Occluded:
    """A picture as often as a grid has patches, row by row, with another patch blanked each time; ready for `score`."""

    rows: int
    columns: int
    pictures: Sequence[Any]


Scoring = Literal["yes-no", "rating"]
"""As rerankers are taught, nothing generated; or in the model's own words, for models that are not."""

LoadWarning = Literal["fp16", "split", "offloaded"]
"""On how a model had to be loaded: in FP16, as the card has no BF16; over several cards; with layers in host memory."""


class Scorer(Protocol):
    """Judges pictures by a sentence. The one implementation is `reranker.engine.cross_encoder`."""

    @property
    def fingerprint(self) -> str:
        """Digest of weights, prompt and instruction, precision, visual tokens and preprocessing."""

    @property
    def temperature(self) -> float:
        """T of the score that people see; 1 where the checkpoint is not calibrated."""

    @property
    def relevance_threshold(self) -> float | None:
        """The score of 10, as people see it, from which a picture fits its query; None where that is not known."""

    @property
    def calibration_key(self) -> str:
        """The name of its calibration: weights, precision and way to ask, whatever the visual tokens."""

    @property
    def precision(self) -> str:
        """Of the weights: fp32, bf16, fp16, int8 or nf4."""

    @property
    def load_warnings(self) -> tuple[LoadWarning, ...]:
        """On how it had to be loaded; people should know."""

    @property
    def device_memory(self) -> tuple[int, int] | None:
        """Bytes in use on the card, the fullest of several, and bytes in all; None where there is no card."""

    @property
    def batch_tokens(self) -> int:
        """Visual tokens worth handing to one call of `score`; may change from call to call. One picture always is."""

    @property
    def prefetch_bytes(self) -> int:
        """Host memory of prepared pictures worth having ready, those of the batch on the device counted in."""

    @property
    def cached_images(self) -> int:
        """About how many seen pictures its memory holds."""

    @property
    def detail_levels(self) -> tuple[int, int, int]:
        """Visual tokens of a picture at the lowest, the usual and the highest detail of the checkpoint."""

    def at(self, visual_tokens: int) -> "Scorer":
        """The same judge at another detail; everything but the fingerprint is shared."""

    def with_scoring(self, scoring: Scoring) -> "Scorer":
        """The same judge, asked in this way; what was seen and the weights are shared."""

    def identify(self, candidate: Candidate) -> str:
        """What `Prepared.content_hash` will be, nothing decoded; thread-safe. Raises the picture's `PictureError`."""

    def prepare(self, candidate: Candidate) -> Any:
        """Read and patch one picture on the CPU; thread-safe. Raises that picture's `PictureError`."""

    def score(self, query: Query, prepared: Sequence[Any]) -> Iterator[tuple[int, Score]]:
        """Yield (index into `prepared`, its judgement) as batches complete, each index once.

        May raise a `PictureError` or any device error; the caller then halves the batch.
        """

    def encode(self, query: Query, prepared: Sequence[Any]) -> Sequence[Any]:
        """The same prepared pictures, seen: those that nobody has looked at yet are, and `score` only asks.

        May raise a `PictureError` or any device error.
        """

    def occluded(self, query: Query, prepared: Any) -> Occluded:
        """A prepared picture with each of its patches blanked in turn; looks at it where nobody has.

        May raise a `PictureError` or any device error.
        """


class ScoreStore(Protocol):
    """Scores already known. The one implementation is `reranker.storage.score_store`."""

    def get(self, content_hash: str, query: Query, fingerprint: str) -> Score | None:
        """What this scorer said of this picture for this query; None where that is not known. Thread-safe."""

    def put(self, query: Query, fingerprint: str, scores: Mapping[str, Score]) -> None:
        """Keep what was said of each picture, by content hash."""
