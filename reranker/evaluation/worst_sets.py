"""Select the sets that are ranked worst, with their pictures, for the report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Candidate
from reranker.evaluation.datasets.types import LabelledPicture, LabelledSet, QueryLanguage
from reranker.evaluation.metrics import ranked_indices, split_log_odds
from reranker.evaluation.results import Configuration, Evaluation, ScoredSet
from reranker.images.limits import Limits
from reranker.images.thumbnails import thumbnail_data_uris

MAX_SETS: Final = 10
MAX_PICTURES: Final = 15  # of a set, unless more are relevant
THUMBNAIL_PX: Final = 224


@dataclass(frozen=True, kw_only=True)
class WorstSetPicture:
    """A picture of a set in the report.

    rank, score: by the first configuration; None if it could not score the picture, for the reason in `error`.
    thumbnail: a `data:` URI; None if the picture can no longer be read.
    """

    rank: int | None
    score: str | None
    error: str
    picture: LabelledPicture
    thumbnail: str | None


@dataclass(frozen=True, kw_only=True)
class WorstSet:
    """A set in the report. ranks: of its first relevant picture, by configuration; None if that is not in the ranking.

    pictures: in the order of the first configuration. hidden: the number of irrelevant pictures that are not shown.
    """

    id: str
    query: str
    language: QueryLanguage
    ranks: Mapping[Configuration, int | None]
    pictures: tuple[WorstSetPicture, ...]
    hidden: int


def worst_sets(evaluation: Evaluation, limits: Limits) -> list[WorstSet]:
    """Return the `MAX_SETS` sets in which the first relevant picture has the worst rank, mean over all configurations.

    The mean shows both sets that no configuration ranks well and sets that a single one ranks badly. Sets with equal
    ranks are ordered by the mean margin between the best relevant and the best irrelevant picture, in units of T.
    """

    def quality(number: int) -> tuple[float, float]:
        return -_mean_rank(evaluation, number), _mean_margin(evaluation, number)

    worst_first = sorted(range(len(evaluation.dataset.sets)), key=quality)
    return [_worst_set(evaluation, number, limits) for number in worst_first[:MAX_SETS]]


def first_relevant_rank(labelled: LabelledSet, scored: ScoredSet) -> int | None:
    """Return the rank of the first relevant picture, from 1, or None if no relevant picture was scored."""
    order = ranked_indices(labelled, scored)
    return next((rank for rank, index in enumerate(order, start=1) if labelled.pictures[index].is_relevant), None)


def _mean_rank(evaluation: Evaluation, number: int) -> float:
    """Return the mean over the configurations; a relevant picture without a rank counts as behind all others."""
    labelled = evaluation.dataset.sets[number]
    ranks = (first_relevant_rank(labelled, result.scored_sets[number]) for result in evaluation.results)
    return fmean(len(labelled.pictures) + 1 if rank is None else rank for rank in ranks)


def _mean_margin(evaluation: Evaluation, number: int) -> float:
    labelled = evaluation.dataset.sets[number]
    return fmean(
        _margin(labelled, result.scored_sets[number]) / result.metrics.temperature for result in evaluation.results
    )


def _margin(labelled: LabelledSet, scored: ScoredSet) -> float:
    """Return the log-odds of the best relevant minus the best irrelevant picture; 0 if no relevant one was scored."""
    relevant, irrelevant = split_log_odds(labelled, scored)
    return max(relevant) - max(irrelevant, default=-math.inf) if relevant else 0.0


def _worst_set(evaluation: Evaluation, number: int, limits: Limits) -> WorstSet:
    labelled, first = evaluation.dataset.sets[number], evaluation.results[0]
    pictures = _pictures(labelled, first.scored_sets[number], first.metrics.temperature, limits)
    ranks = {
        result.configuration: first_relevant_rank(labelled, result.scored_sets[number]) for result in evaluation.results
    }
    return WorstSet(
        id=labelled.id,
        query=labelled.query,
        language=labelled.language,
        ranks=ranks,
        pictures=tuple(pictures),
        hidden=len(labelled.pictures) - len(pictures),
    )


def _pictures(labelled: LabelledSet, scored: ScoredSet, temperature: float, limits: Limits) -> list[WorstSetPicture]:
    order = ranked_indices(labelled, scored)
    scores = [shown_score(value, temperature) for index in order if (value := scored.log_odds[index]) is not None]
    rank_and_score = dict(zip(order, enumerate(score_texts(scores), start=1), strict=True))
    failed = (index for index in range(len(labelled.pictures)) if index not in rank_and_score)
    chosen = _choose_pictures(labelled, [*order, *failed])
    thumbnails = thumbnail_data_uris([_candidate(labelled.pictures[index]) for index in chosen], limits, THUMBNAIL_PX)
    return [
        WorstSetPicture(
            rank=rank_and_score.get(index, (None, None))[0],
            score=rank_and_score.get(index, (None, None))[1],
            error=scored.errors.get(index, ""),
            picture=labelled.pictures[index],
            thumbnail=thumbnail,
        )
        for index, thumbnail in zip(chosen, thumbnails, strict=True)
    ]


def _candidate(picture: LabelledPicture) -> Candidate:
    return Candidate(name=picture.name, source=picture.source)


def _choose_pictures(labelled: LabelledSet, order: Sequence[int]) -> list[int]:
    """Return all relevant pictures and the best irrelevant ones, in this order, up to `MAX_PICTURES` if possible."""
    relevant_count = sum(picture.is_relevant for picture in labelled.pictures)
    irrelevant = [index for index in order if not labelled.pictures[index].is_relevant]
    hidden = set(irrelevant[max(0, MAX_PICTURES - relevant_count) :])
    return [index for index in order if index not in hidden]
