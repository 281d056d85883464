"""Why one picture has its score: the scores of the parts of the query, a map of the picture, the text of the model.

All of it is scored as in any run, one batch per slot of the device, a failing batch in halves.
"""

import re
from dataclasses import dataclass
from typing import Final

from reranker.core.cancellation import Cancellation
from reranker.core.errors import DeviceFailed, PictureError, PictureSkipped, TicketCancelled
from reranker.core.protocols import ImageT
from reranker.core.scores import shown_score
from reranker.core.text import is_blank
from reranker.core.types import (
    Candidate,
    Explanation,
    GeneratedRating,
    OccludedImages,
    OcclusionMap,
    PartScore,
    Query,
    Ranking,
    Score,
    ScoreResult,
)
from reranker.engine.batching import score_prepared
from reranker.engine.device_queue import Ticket
from reranker.engine.prefetch import prepare_example
from reranker.engine.results import failure
from reranker.engine.scoring_run import ScoringEngine, new_run_id
from reranker.pipelines.exclusion import combined_log_odds, query_stream
from reranker.pipelines.rerank import drain, rank

# 和 and 与 join as "and" does, and are also syllables of other words. Those that the description of a picture may
# contain are not split (温和 is gentle, 和服 a kimono), unless the next character makes it another word: 帽子和服装 is
# hats and clothes.
_ONE_WORD: Final = (
    "与众不同|参与|温和|柔和|暖和|祥和|随和|缓和|饱和|和谐|和尚|和睦|和蔼|和煦|颐和园|雍和宫"
    "|和服(?![装饰])|和平(?![原台房地板底面])|和风(?![景车筝铃扇])"
)
_LATIN: Final = "0-9A-Za-z\u00c0-\u024f'’-"  # characters of a word, as in rock-and-roll and andante
_SEPARATOR: Final = re.compile(rf"{_ONE_WORD}|([,，、;；]|以及|[和与]|(?<![{_LATIN}])and(?![{_LATIN}]))", re.IGNORECASE)


def explain(
    query: Query, candidate: Candidate, engine: ScoringEngine[ImageT], cancellation: Cancellation | None = None
) -> Explanation:
    """Return the score for the whole query and for each of its parts, and an occlusion map.

    Raises the `PictureError` of the picture; `PictureSkipped` if cancelled; `DeviceFailed`.
    """

    def score_of(part: Query) -> Score:
        return _only_score(drain(query_stream(part, [candidate], engine, cancellation=cancellation)))

    whole = score_of(query)
    parts = [
        PartScore(text=part.query.title, score=score_of(part.query), is_excluded=part.is_excluded)
        for part in parts_of(query)
    ]
    ticket = engine.device_queue.ticket(cancellation)
    try:
        where = _occlusion_map(query, candidate, whole, engine, ticket)
    except TicketCancelled:
        raise PictureSkipped(name=candidate.name) from None
    finally:
        ticket.close()
    info = engine.executor.info
    return Explanation(
        query=query,
        fingerprint=info.fingerprint,
        temperature=info.temperature,
        score=whole,
        parts=tuple(parts),
        where=where,
    )


def generate_rating(
    query: Query, candidate: Candidate, engine: ScoringEngine[ImageT], cancellation: Cancellation | None = None
) -> GeneratedRating:
    """Return the most probable rating of a picture, and the expected one.

    engine: with a scorer that rates. Raises the `PictureError` of the picture; `PictureSkipped` if cancelled.
    """
    score = _only_score(rank(query, [candidate], engine, cancellation=cancellation))
    rating = shown_score(score.log_odds, engine.executor.info.temperature)
    return GeneratedRating(text=score.generated_text or "", rating=rating)


@dataclass(frozen=True, kw_only=True)
class QueryPart:
    """A part of a query that is scored by itself. is_excluded: it says what must not be in a picture."""

    query: Query
    is_excluded: bool = False


def parts_of(query: Query) -> tuple[QueryPart, ...]:
    """Return the parts of the sentence of a query, and what it excludes; nothing if there is only one part."""
    parts = [QueryPart(query=Query(text=text)) for text in query_parts(query.text)]
    if query.exclude:
        parts = parts or [QueryPart(query=query.without_exclude)]
        parts.append(QueryPart(query=Query(text=query.exclude), is_excluded=True))
    return tuple(parts)


def query_parts(text: str) -> tuple[str, ...]:
    """Split a query at commas, semicolons, 、, 和, 与, 以及 and the word "and".

    Returns the parts without surrounding blanks; nothing if there is only one.
    """
    cuts = [found.span() for found in _SEPARATOR.finditer(text) if found[1]]
    starts, ends = [0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(text)]
    parts = tuple(
        part for start, end in zip(starts, ends, strict=True) if not is_blank(part := text[start:end].strip())
    )
    return parts if len(parts) > 1 else ()


def _only_score(ranking: Ranking) -> Score:
    """Return the score of the only picture. Raises its `PictureError`."""
    if ranking.failed:
        raise ranking.failed[0].error
    return ranking.scored[0].score


def _occlusion_map(
    query: Query, candidate: Candidate, whole: Score, engine: ScoringEngine[ImageT], ticket: Ticket
) -> OcclusionMap:
    run_id = new_run_id()
    occluded = _occlude(candidate, engine, ticket, run_id)

    def log_odds_of(part: Query, example: ImageT | None) -> list[float]:
        names = [candidate.name] * len(occluded.images)
        results = score_prepared(part, occluded.images, names, engine.executor, ticket, run_id, example)
        return [_raise_error(result).log_odds for result in results]

    log_odds = log_odds_of(query.without_exclude, prepare_example(query, engine.preprocessor))
    if query.exclude:
        log_odds = list(map(combined_log_odds, log_odds, log_odds_of(Query(text=query.exclude), None)))
    drops = [whole.log_odds - each for each in log_odds]
    starts = range(0, len(drops), occluded.columns)
    return OcclusionMap(drops=tuple(tuple(drops[start : start + occluded.columns]) for start in starts))


def _raise_error(result: ScoreResult) -> Score:
    if isinstance(result, PictureError):
        raise result
    return result


def _occlude(
    candidate: Candidate, engine: ScoringEngine[ImageT], ticket: Ticket, run_id: str
) -> OccludedImages[ImageT]:
    try:
        preprocessor = engine.preprocessor
        image = preprocessor.prepare(preprocessor.identify(candidate))
        with ticket.slot():
            return engine.executor.occlude(image, run_id).result()
    except (DeviceFailed, TicketCancelled):
        raise
    except Exception as error:
        picture_error = failure(error, candidate.name)
    raise picture_error  # outside the handler, so that the pixels in the frames of the first error do not live on
