"""How well a dual encoder finds drawn scenes by captions.

A vague caption fits hundreds of scenes, so all that fit count, not only the one that it was written for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reranker.models.dual_encoders.encoder import Encoder
from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.encoder_training import caption_request, described_scene, pixels_of
from reranker.toybox.matching import Request
from reranker.toybox.scene_table import SceneTable

RARE: Final = 20  # most scenes that fit a rare caption
DEPTH: Final = 200  # of recall
BATCH: Final = 64
SEED: Final = 77_001  # of scenes that training does not see


@dataclass(frozen=True, kw_only=True)
class RecallReport:
    """Shares in [0, 1].

    rare_within: of rare captions, those with a fitting scene among the first so many, by number.
    recall: the mean, over all captions, of the share of the fitting scenes (at most `DEPTH`) that are in the first
        `DEPTH`. recall_by_language: the same for each language.
    """

    scenes: int
    captions: int
    rare_captions: int
    rare_within: dict[int, float]
    recall: float
    recall_by_language: dict[str, float]


def measure_recall(encoder: Encoder, *, scenes: int = 5000, captions: int = 1500, rare: int = 300) -> RecallReport:
    """Draw scenes, write captions of them, each language a third, and look where the fitting scenes are.

    captions: of any kind, at least. More are written until `rare` of them are rare.
    """
    rng = Random(SEED)
    described = [described_scene(rng) for _ in range(scenes)]
    table = SceneTable([each.scene for each in described])
    images = _encoded(encoder, (pixels_of(each.scene) for each in described))
    recalls: dict[str, list[float]] = {language: [] for language in LANGUAGES}
    rare_ranks: list[int] = []
    written = 0
    while written < captions or len(rare_ranks) < rare:
        language = LANGUAGES[written % len(LANGUAGES)]
        request = caption_request(rng.choice(described), rng)
        written += 1
        fits = table.matches(request) == 1
        if not fits.any():  # in rare cases, a scene does not fulfil its own request
            continue
        order = _order(encoder, images, request, language, rng)
        if written <= captions:
            recalls[language].append(float(fits[order[:DEPTH]].sum() / min(fits.sum(), DEPTH)))
        if fits.sum() <= RARE and len(rare_ranks) < rare:
            rare_ranks.append(int(np.flatnonzero(fits[order])[0]))
    return RecallReport(
        scenes=scenes,
        captions=sum(map(len, recalls.values())),
        rare_captions=len(rare_ranks),
        rare_within={depth: float(np.mean(np.array(rare_ranks) < depth)) for depth in (1, 10, 20, 50, 100)},
        recall=float(np.mean([each for values in recalls.values() for each in values])),
        recall_by_language={language: float(np.mean(values)) for language, values in recalls.items()},
    )


def _encoded(encoder: Encoder, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    batches: list[NDArray[np.float32]] = []
    batch: list[NDArray[np.uint8]] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == BATCH:
            batches.append(encoder.encode_images(batch))
            batch = []
    return np.concatenate([*batches, *([encoder.encode_images(batch)] if batch else [])])


def _order(
    encoder: Encoder, images: NDArray[np.float32], request: Request, language: str, rng: Random
) -> NDArray[np.int64]:
    """Return the scenes, nearest first, for a caption of a request."""
    (text,) = encoder.encode_texts([write_caption(request, language, rng).text])
    return np.argsort(-(images @ text), kind="stable")
