"""Generated sets of the toybox's drawn world, like those that its model is evaluated on. They need no files."""

from collections.abc import Iterator
from random import Random
from typing import Final, cast

from reranker.evaluation.datasets.types import Dataset, LabelledPicture, LabelledSet, QueryLanguage, Sampling
from reranker.toybox.captions import LANGUAGES, write_caption
from reranker.toybox.drawing import png_bytes
from reranker.toybox.examples import EVALUATION_SEED, Example, differences, evaluation_example
from reranker.toybox.matching import Request, match
from reranker.toybox.scenes import Scene

_OUTFIT: Final = ("hat", "held", "held colour")


def draw_toybox_sets(sampling: Sampling) -> Dataset:
    """Generate the sets, each with exactly the number of candidates. Queries are in the three languages in turn.

    With 10 candidates and seed 0 they are the sets of the toybox's own evaluation. The kind of an irrelevant picture is
    the part of the query that does not match: thing, colour, place, count, relation, absence or outfit; several if more
    than one part does not match.
    """
    rng, position_rng = Random(EVALUATION_SEED + sampling.seed), Random(sampling.seed)
    sets = tuple(_generate_set(number, sampling.candidates, rng, position_rng) for number in range(sampling.sets))
    return Dataset(name="toybox", sets=sets)


def _generate_set(number: int, candidates: int, rng: Random, position_rng: Random) -> LabelledSet:
    """position_rng: draws the position of the relevant picture; `rng` then draws the scenes of the evaluation."""
    example = evaluation_example(rng, candidates)
    language = cast(QueryLanguage, LANGUAGES[number % len(LANGUAGES)])
    query = write_caption(example.request, language, rng).text
    position = position_rng.randrange(candidates)
    set_id = f"toybox-{number + 1:04}"
    pictures = tuple(_pictures(example, position, set_id))
    return LabelledSet(id=set_id, query=query, language=language, pictures=pictures)


def _pictures(example: Example, position: int, set_id: str) -> Iterator[LabelledPicture]:
    scenes = [*example.wrong[:position], example.right, *example.wrong[position:]]
    for number, scene in enumerate(scenes):
        is_relevant = number == position
        yield LabelledPicture(
            name=f"{set_id}-{number + 1:02}.png",
            source=png_bytes(scene),
            gain=int(is_relevant),
            grade=match(example.request, scene),
            kind="" if is_relevant else _kind(example.request, scene),
        )


def _kind(request: Request, scene: Scene) -> str:
    kinds = differences(request, scene)
    if len(kinds) > 1:
        return "several"
    return "outfit" if kinds[0] in _OUTFIT else kinds[0]
