"""Score the sample gallery in several ways, and compare the scores: batches, device and precision must matter little.

The queries describe some of its pictures, so scores are far apart, and the first place is clear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import cycle
from random import Random
from typing import Final

import torch

from reranker.benchmarks.doctor.checks import Finding
from reranker.core.types import Candidate, Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.preparation import PreparedImage
from reranker.toybox.drawing import draw_scene
from reranker.toybox.gallery import QUERIES, sample_scenes
from reranker.toybox.scenes import Scene

SIZES: Final = ((224, 224), (448, 336), (320, 200), (112, 168))  # width and height in pixels
SCORED_QUERIES: Final = tuple(Query(text=text) for text in QUERIES[:2])  # English, and both languages
SEED: Final = 24


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well scores agree with expected ones.

    largest_difference: of two scores of a picture, in log-odds. first_changed: of `rankings`, how many have another
        first place.
    """

    largest_difference: float
    first_changed: int
    rankings: int


def compare(scores: torch.Tensor, expected: torch.Tensor) -> Agreement:
    """Compare scores with expected ones, (..., images) each; no number is as far as can be from any."""
    first_changed = scores.argmax(dim=-1) != expected.argmax(dim=-1)
    return Agreement(
        largest_difference=float((scores - expected).abs().nan_to_num(nan=torch.inf).max()),
        first_changed=int(first_changed.sum()),
        rankings=first_changed.numel(),
    )


def agreement_finding(claim: str, agreements: Mapping[str, Agreement], allowed: float) -> Finding:
    """Pass if no difference is larger than allowed, in log-odds.

    claim: the start of a sentence that goes on with "by at most". agreements: by what was scored.
    """
    difference = max(each.largest_difference for each in agreements.values())
    changed, rankings = (
        sum(getattr(each, key) for each in agreements.values()) for key in ("first_changed", "rankings")
    )
    figures = {f"{name}, {key}": value for name, each in agreements.items() for key, value in asdict(each).items()}
    return Finding(
        passed=difference <= allowed,
        sentence=f"{claim} by at most {difference:.1e} log-odds ({allowed:g} is allowed); "
        f"the first place changed in {changed} of {rankings} rankings.",
        figures=figures,
    )


def drawn_pictures(count: int | None = None, sizes: Sequence[tuple[int, int]] = SIZES) -> list[Candidate]:
    """Return the first scenes of the sample gallery, all 24 if None, as PNG files in these sizes by turns."""
    scenes = list(sample_scenes().items())[:count]
    return [_drawn(name, scene, size) for (name, scene), size in zip(scenes, cycle(sizes), strict=False)]


def _drawn(name: str, scene: Scene, size: tuple[int, int]) -> Candidate:
    buffer = BytesIO()
    draw_scene(scene).resize(size).save(buffer, "PNG")
    return Candidate(name=name, source=buffer.getvalue())


def prepared(scorer: CrossEncoder, candidates: Sequence[Candidate]) -> list[PreparedImage]:
    """Return the pictures as the device takes them."""
    return [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]


def log_odds(scorer: CrossEncoder, images: Sequence[PreparedImage], batch: int = 8) -> torch.Tensor:
    """Return the scores for `SCORED_QUERIES` in batches of a size, (queries, images)."""
    rows = [
        [
            score.log_odds
            for start in range(0, len(images), batch)
            for score in scorer.score(query, images[start : start + batch], "doctor")
        ]
        for query in SCORED_QUERIES
    ]
    return torch.tensor(rows)


def measure_batch_invariance(scorer: CrossEncoder, candidates: Sequence[Candidate]) -> Agreement:
    """Compare scores by twos, by eights, and by eights in another order with those of each picture alone."""
    images = prepared(scorer, candidates)
    order = Random(SEED).sample(range(len(images)), len(images))
    shuffled = log_odds(scorer, [images[index] for index in order])
    in_order = shuffled[:, torch.tensor(order).argsort()]
    batched = torch.stack((log_odds(scorer, images, 2), log_odds(scorer, images), in_order))
    return compare(batched, log_odds(scorer, images, 1))


def measure_agreement(scorer: CrossEncoder, reference: CrossEncoder, candidates: Sequence[Candidate]) -> Agreement:
    """Compare the scores of two models or devices."""
    scores, expected = (log_odds(each, prepared(each, candidates)) for each in (scorer, reference))
    return compare(scores, expected)
