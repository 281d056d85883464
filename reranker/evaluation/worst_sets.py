"""The sets that are ranked worst, picture by picture, for people to look at."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Candidate
from reranker.evaluation.datasets.labelled import LabelledPicture, LabelledSet, QueryLanguage
from reranker.evaluation.metrics import best_first
from reranker.evaluation.results import Configuration, Evaluation, JudgedSet
from reranker.images.limits import Limits
from reranker.images.thumbnails import thumbnail_data_uris

MOST_SETS: Final = 10
MOST_PICTURES: Final = 15  # of a set, unless more are right
THUMBNAIL_PX: Final = 224


@dataclass(frozen=True, kw_only=True)
class ShownPicture:
    """A picture of a set. rank, score: of the first combination, None where that could not judge it: `error` says why.

    thumbnail: a `data:` address, None where the picture cannot be read any more.
    """

    rank: int | None
    score: str | None
    error: str
    picture: LabelledPicture
    thumbnail: str | None


@dataclass(frozen=True, kw_only=True)
class ShownSet:
    """A set to look at. places: of its first right picture, by combination, None where that was not found.

    pictures: in the order of the first combination. hidden: how many wrong ones more there are.
    """

    id: str
    query: str
    language: QueryLanguage
    places: Mapping[Configuration, int | None]
    pictures: tuple[ShownPicture, ...]
    hidden: int


def worst_sets(evaluation: Evaluation, limits: Limits) -> list[ShownSet]:
    """The `MOST_SETS` sets whose first right picture comes last, on average over all combinations.

    Over all, and not in the first alone: so a set that one precision spoils stands beside those that none gets right.
    Equal ones by how far, on average, the best right picture is before the best wrong one, in units of T.
    """

    def goodness(number: int) -> tuple[float, float]:
        return -_mean_place(evaluation, number), _mean_margin(evaluation, number)

    worst_first = sorted(range(len(evaluation.dataset.sets)), key=goodness)
    return [_shown_set(evaluation, number, limits) for number in worst_first[:MOST_SETS]]


def place_of_right(labelled: LabelledSet, judged: JudgedSet) -> int | None:
    """From 1, of the first right picture; None where no right picture was judged."""
    order = best_first(labelled, judged)
    return next((place for place, index in enumerate(order, start=1) if labelled.pictures[index].is_right), None)


def _mean_place(evaluation: Evaluation, number: int) -> float:
    """Of one set over the combinations; a right picture that was not found is placed behind all others."""
    labelled = evaluation.dataset.sets[number]
    places = (place_of_right(labelled, one.judged[number]) for one in evaluation.evaluated)
    return fmean(len(labelled.pictures) + 1 if place is None else place for place in places)


def _mean_margin(evaluation: Evaluation, number: int) -> float:
    labelled = evaluation.dataset.sets[number]
    return fmean(_margin(labelled, one.judged[number]) / one.figures.temperature for one in evaluation.evaluated)


def _margin(labelled: LabelledSet, judged: JudgedSet) -> float:
    """Log-odds of the best right minus those of the best wrong picture; 0 where nothing right was judged."""
    sides: dict[bool, list[float]] = {True: [], False: []}
    for picture, odds in zip(labelled.pictures, judged.log_odds, strict=True):
        if odds is not None:
            sides[picture.is_right].append(odds)
    if not sides[True]:
        return 0.0
    return max(sides[True]) - max(sides[False], default=-math.inf)


def _shown_set(evaluation: Evaluation, number: int, limits: Limits) -> ShownSet:
    labelled, first = evaluation.dataset.sets[number], evaluation.evaluated[0]
    shown = _shown_pictures(labelled, first.judged[number], first.figures.temperature, limits)
    return ShownSet(
        id=labelled.id,
        query=labelled.query,
        language=labelled.language,
        places={one.configuration: place_of_right(labelled, one.judged[number]) for one in evaluation.evaluated},
        pictures=tuple(shown),
        hidden=len(labelled.pictures) - len(shown),
    )


def _shown_pictures(labelled: LabelledSet, judged: JudgedSet, temperature: float, limits: Limits) -> list[ShownPicture]:
    order = best_first(labelled, judged)
    shown = [shown_score(odds, temperature) for index in order if (odds := judged.log_odds[index]) is not None]
    placed = dict(zip(order, enumerate(score_texts(shown), start=1), strict=True))
    chosen = _chosen(labelled, [*order, *(index for index in range(len(labelled.pictures)) if index not in placed)])
    thumbnails = thumbnail_data_uris([_candidate(labelled.pictures[index]) for index in chosen], limits, THUMBNAIL_PX)
    return [
        ShownPicture(
            rank=placed.get(index, (None, None))[0],
            score=placed.get(index, (None, None))[1],
            error=judged.errors.get(index, ""),
            picture=labelled.pictures[index],
            thumbnail=thumbnail,
        )
        for index, thumbnail in zip(chosen, thumbnails, strict=True)
    ]


def _candidate(picture: LabelledPicture) -> Candidate:
    return Candidate(name=picture.name, source=picture.source)


def _chosen(labelled: LabelledSet, order: Sequence[int]) -> list[int]:
    """All right ones, and of the wrong ones the best, `MOST_PICTURES` together where so many are wrong."""
    right = sum(picture.is_right for picture in labelled.pictures)
    wrong = [index for index in order if not labelled.pictures[index].is_right]
    hidden = set(wrong[max(0, MOST_PICTURES - right) :])
    return [index for index in order if index not in hidden]
