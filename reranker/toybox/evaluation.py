"""How good the toybox model is: on scenes of seeds that no lesson has, through the scorer that people use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from random import Random

import numpy as np
from numpy.typing import NDArray

from reranker.toybox.captions import LANGUAGES, word
from reranker.toybox.drawing import draw_scene
from reranker.toybox.exercises import Exercise, examination
from reranker.toybox.matching import match
from reranker.toybox.scenes import Scene
from reranker.types import Candidate, Query, Scorer

EXAMINATION_SEED = 1_000_003  # lessons are drawn from small seeds
STRUCTURES = ("count", "relation")
GRADE_EDGES = (0.0, 1e-9, 0.35, 0.55, 0.7, 0.999, 1.1)  # six bands of the graded match: none, four between, all


@dataclass(frozen=True, kw_only=True)
class ExamResult:
    """One set: the log-odds of the right picture and of the wrong ones, with their kinds and graded matches."""

    language: str
    right: float
    wrong: tuple[float, ...]
    kinds: tuple[str, ...]
    matches: tuple[float, ...]

    @property
    def is_first(self) -> bool:
        """Whether the right picture comes first, alone."""
        return self.right > max(self.wrong)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Shares in [0, 1]; `spearman` in [-1, 1]."""

    sets: int
    first: float
    first_by_language: dict[str, float]
    structure_pairs: float
    pairs_by_kind: dict[str, float]
    spearman: float
    spearman_pairs: int
    right_fits: float
    wrong_fits: float


def png_bytes(scene: Scene) -> bytes:
    """The drawn scene as a file."""
    buffer = BytesIO()
    draw_scene(scene).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def judge_scenes(scorer: Scorer, text: str, scenes: Sequence[Scene]) -> list[float]:
    """Log-odds of each scene for the sentence."""
    candidates = [Candidate(name=f"scene-{i}", source=png_bytes(scene)) for i, scene in enumerate(scenes)]
    prepared = [scorer.prepare(candidate) for candidate in candidates]
    judged = dict(scorer.score(Query(text=text), prepared))
    return [judged[index].log_odds for index in range(len(scenes))]


def examine(scorer: Scorer, exercise: Exercise, language: str, rng: Random) -> ExamResult:
    """Score one set."""
    text = word(exercise.request, language, rng).text
    right, *wrong = judge_scenes(scorer, text, (exercise.right, *exercise.wrong))
    matches = tuple(match(exercise.request, scene) for scene in exercise.wrong)
    return ExamResult(language=language, right=right, wrong=tuple(wrong), kinds=exercise.kinds, matches=matches)


def examinations(scorer: Scorer, sets: int, seed: int = EXAMINATION_SEED) -> Iterator[ExamResult]:
    """So many sets, the languages in turn."""
    rng = Random(seed)
    for number in range(sets):
        yield examine(scorer, examination(rng), LANGUAGES[number % len(LANGUAGES)], rng)


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation, ties given their mean rank."""
    return float(np.corrcoef(_mean_ranks(first), _mean_ranks(second))[0, 1])


def _mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def even_grades(results: Sequence[ExamResult], most: int, rng: Random) -> list[tuple[float, float]]:
    """(log-odds, match) of at most so many pairs, the same number from each band of the graded match."""
    pairs = [(result.right, 1.0) for result in results]
    pairs += [pair for result in results for pair in zip(result.wrong, result.matches, strict=True)]
    bands = [[pair for pair in pairs if low <= pair[1] < high] for low, high in pairwise(GRADE_EDGES)]
    each = min(most // len(bands), *(len(band) for band in bands))
    return [pair for band in bands for pair in rng.sample(band, each)]


def figures(results: Sequence[ExamResult], spearman_pairs: int = 2000) -> Figures:
    """All figures of so many examined sets."""
    outcomes: dict[str, list[bool]] = {}
    for result in results:
        for kind, odds in zip(result.kinds, result.wrong, strict=True):
            outcomes.setdefault(kind, []).append(result.right > odds)
    by_kind = {kind: float(np.mean(hits)) for kind, hits in sorted(outcomes.items())}
    structure = [hit for kind in STRUCTURES for hit in outcomes.get(kind, [])]
    graded = np.array(even_grades(results, spearman_pairs, Random(0)))
    by_language = {
        language: float(np.mean([result.is_first for result in results if result.language == language]))
        for language in LANGUAGES
    }
    return Figures(
        sets=len(results),
        first=float(np.mean([result.is_first for result in results])),
        first_by_language=by_language,
        structure_pairs=float(np.mean(structure)),
        pairs_by_kind=by_kind,
        spearman=spearman(graded[:, 0], graded[:, 1]),
        spearman_pairs=len(graded),
        right_fits=float(np.mean([result.right > 0 for result in results])),
        wrong_fits=float(np.mean([odds > 0 for result in results for odds in result.wrong])),
    )
