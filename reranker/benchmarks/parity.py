"""Compare scores with those of transformers' own image processor and forward pass, on pictures made here.

The pictures are drawn scenes in sizes below, inside and above the pixel range of a checkpoint; any checkpoint can score
them. A golden file keeps the scores of transformers, so that later versions of this program and of its libraries can be
compared with those of today.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Final

from PIL import Image

from reranker.benchmarks.model_shapes import Model
from reranker.benchmarks.transformers_reference import TransformersReference
from reranker.core.types import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.images.hashing import read_and_hash
from reranker.images.limits import Limits
from reranker.models.scoring.prompts import LYCHEE
from reranker.toybox.drawing import draw_scene
from reranker.toybox.scenes import random_scene

SIZES: Final = ((20, 30), (120, 90), (224, 224), (448, 336), (1600, 1200), (1500, 120), (90, 700))  # width and height
QUERIES: Final = (
    "a red ball on the grass",
    "雪地里的一只猫",
    "两只 yellow birds 在 a tree 旁边",
    "不存在的东西 nothing",
)
TEXT: Final = "A title: 商品 no. 5"  # beside the last picture
EXAMPLES: Final = (("", 1), (QUERIES[1], 5))  # texts of further queries, and the pictures that are their examples
SEED: Final = 14
# Largest difference of log-odds from transformers. Half precision rounds the states of both in different places.
TOLERANCE: Final = {"fp32": 1e-3}
HALF_TOLERANCE: Final = 0.25
GOLDEN_TOLERANCE: Final = 1e-2  # in float32, between machines and versions of libraries


@dataclass(frozen=True, kw_only=True)
class ParityScore:
    """The log-odds of one picture for one query, by transformers and by this program."""

    query: str
    picture: str
    transformers: float
    ours: float


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """All scores of a model. visual_tokens: most of a picture."""

    model: str
    digest: str
    precision: str
    visual_tokens: int
    instruction: str
    scores: tuple[ParityScore, ...]

    @property
    def largest_difference(self) -> float:
        """The largest difference between transformers and this program, in log-odds."""
        return largest(abs(score.transformers - score.ours) for score in self.scores)

    @property
    def tolerance(self) -> float:
        """The largest difference that rounding explains."""
        return TOLERANCE.get(self.precision, HALF_TOLERANCE)

    def difference_from(self, golden: "ParityReport") -> float:
        """Return the largest difference between this program's scores and those in a golden file.

        Raises `ValueError` if the file is of other weights, settings, pictures or queries.
        """
        if self._compared() != golden._compared():
            raise ValueError("The golden file is of other weights, settings, pictures or queries.")
        pairs = zip(self.scores, golden.scores, strict=True)
        return largest(abs(ours.ours - expected.transformers) for ours, expected in pairs)

    def _compared(self) -> tuple[object, ...]:
        names = [(score.query, score.picture) for score in self.scores]
        return self.digest, self.visual_tokens, self.instruction, names

    def as_json(self) -> str:
        """Return the contents of a golden file."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


def largest(differences: Iterable[float]) -> float:
    """Return the largest difference; what is not a number is larger than any."""
    return max(math.inf if math.isnan(difference) else difference for difference in differences)


def read_golden_file(path: Path) -> ParityReport:
    """Read a golden file.

    Raises `OSError`, or `ValueError`, `KeyError`, `TypeError` or `AttributeError` if it is another file.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    scores = tuple(ParityScore(**score) for score in content.pop("scores"))
    return ParityReport(scores=scores, **content)


def parity_pictures() -> list[Candidate]:
    """Return drawn scenes of all `SIZES` as PNG files, the last one with a text."""
    rng = Random(SEED)
    texts = [*[""] * (len(SIZES) - 1), TEXT]
    return [
        Candidate(
            name=f"{width}x{height}", source=_png(draw_scene(random_scene(rng)).resize((width, height))), text=text
        )
        for (width, height), text in zip(SIZES, texts, strict=True)
    ]


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def measure_parity(model: Model, visual_tokens: int | None = None) -> ParityReport:
    """Score all pictures for all queries in both ways: one pair at a time by transformers, in one batch by ours.

    visual_tokens: most of a picture; the usual detail of the checkpoint if None.
    """
    checkpoint, pictures = model.checkpoint, parity_pictures()
    visual_tokens = visual_tokens or checkpoint.detail_levels[1]
    reference = TransformersReference(model, visual_tokens)
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), visual_tokens=visual_tokens)
    prepared = [scorer.prepare(scorer.identify(picture)) for picture in pictures]
    scores: list[ParityScore] = []
    for query in _queries(pictures):
        example = None if query.example is None else scorer.prepare(query.example)
        ours = [score.log_odds for score in scorer.score(query, prepared, "parity", example)]
        theirs = [_reference_log_odds(reference, query, checkpoint.instruction, picture) for picture in pictures]
        scores += [
            ParityScore(query=_shown(query), picture=picture.name, transformers=expected, ours=value)
            for picture, expected, value in zip(pictures, theirs, ours, strict=True)
        ]
    return ParityReport(
        model=checkpoint.name,
        digest=checkpoint.digest,
        precision=checkpoint.precision,
        visual_tokens=visual_tokens,
        instruction=checkpoint.instruction,
        scores=tuple(scores),
    )


def _queries(pictures: Sequence[Candidate]) -> list[Query]:
    """Return the sentences, and the queries that have one of the pictures as their example."""
    with_example = [Query(text=text, example=read_and_hash(pictures[index], Limits())) for text, index in EXAMPLES]
    return [*(Query(text=text) for text in QUERIES), *with_example]


def _shown(query: Query) -> str:
    return query.text if query.example_name is None else f"like {query.example_name} {query.text}".rstrip()


def _reference_log_odds(reference: TransformersReference, query: Query, instruction: str, picture: Candidate) -> float:
    prompt = LYCHEE.fill(query.text, instruction, picture.text, has_example=query.example is not None)
    examples = [query.example.candidate] if query.example else []
    images = [_opened(candidate) for candidate in (*examples, picture)]
    (log_odds,) = reference.log_odds(reference.inputs(images, [prompt]))
    return log_odds


def _opened(candidate: Candidate) -> Image.Image:
    assert isinstance(candidate.source, bytes), "the pictures are made in memory"
    return Image.open(BytesIO(candidate.source))


def as_table(report: ParityReport) -> str:
    """Return the scores as a table for people, and the largest difference below it."""
    lines = [f"{'picture':>10} {'transformers':>13} {'ours':>9} {'difference':>11}  query"]
    lines += [_line(score) for score in report.scores]
    lines.append(f"Largest difference in {report.precision}: {report.largest_difference:.2e} log-odds.")
    return "\n".join(lines) + "\n"


def _line(score: ParityScore) -> str:
    difference = score.ours - score.transformers
    return f"{score.picture:>10} {score.transformers:13.4f} {score.ours:9.4f} {difference:11.1e}  {score.query}"
