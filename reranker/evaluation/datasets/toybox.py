"""Sets drawn in the toybox's world, as its model is examined with: they need no files."""

from collections.abc import Iterator
from random import Random
from typing import Final, cast

from reranker.evaluation.datasets.labelled import Dataset, LabelledPicture, LabelledSet, QueryLanguage
from reranker.evaluation.datasets.sampling import Sampling
from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.drawing import png_bytes
from reranker.toybox.exercises import EXAMINATION_SEED, Exercise, differences, examination
from reranker.toybox.matching import Request, match
from reranker.toybox.scenes import Scene

_OUTFIT: Final = ("hat", "held", "held colour")


def draw_toybox_sets(sampling: Sampling) -> Dataset:
    """So many sets with exactly so many pictures each, the languages in turn.

    With 10 pictures and seed 0 they are those of the toybox's own examination. A wrong picture differs in a thing, a
    colour, the place, a count, a relation, an absence or an outfit; where more than one part does not hold, in several.
    """
    rng, places = Random(EXAMINATION_SEED + sampling.seed), Random(sampling.seed)
    sets = tuple(_drawn_set(number, sampling.candidates, rng, places) for number in range(sampling.sets))
    return Dataset(name="toybox", sets=sets)


def _drawn_set(number: int, candidates: int, rng: Random, places: Random) -> LabelledSet:
    """places: where the right picture goes; of its own, so that scenes are those of an examination."""
    exercise = examination(rng, candidates)
    language = cast(QueryLanguage, LANGUAGES[number % len(LANGUAGES)])
    query = write_caption(exercise.request, language, rng).text
    place = places.randrange(candidates)
    set_id = f"toybox-{number + 1:04}"
    pictures = tuple(_pictures(exercise, place, set_id))
    return LabelledSet(id=set_id, query=query, language=language, pictures=pictures)


def _pictures(exercise: Exercise, place: int, set_id: str) -> Iterator[LabelledPicture]:
    scenes = [*exercise.wrong[:place], exercise.right, *exercise.wrong[place:]]
    for number, scene in enumerate(scenes):
        is_right = number == place
        yield LabelledPicture(
            name=f"{set_id}-{number + 1:02}.png",
            source=png_bytes(scene),
            gain=int(is_right),
            grade=match(exercise.request, scene),
            kind="" if is_right else _kind(exercise.request, scene),
        )


def _kind(request: Request, scene: Scene) -> str:
    kinds = differences(request, scene)
    if len(kinds) > 1:
        return "several"
    return "outfit" if kinds[0] in _OUTFIT else kinds[0]
