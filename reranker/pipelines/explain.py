"""Why one picture got its score: what the parts of the query score, where in the picture it fits, the model's words.

All of it is judged as in any run, a batch a turn, a failing one halved, so that who asks why keeps nobody waiting.
"""

from reranker.core.errors import PictureError, PictureUnrated
from reranker.core.scores import shown_score
from reranker.core.types import (
    Candidate,
    Explanation,
    GeneratedRating,
    Occluded,
    OcclusionMap,
    PartScore,
    Query,
    Ranking,
    Score,
    Scorer,
    ScoreStore,
)
from reranker.engine.batching import picture_failure, score_prepared
from reranker.engine.device_queue import DeviceQueue, Ticket
from reranker.engine.prefetch_buffer import ScoreResult
from reranker.pipelines.query_parts import query_parts
from reranker.pipelines.rerank import rank


def explain(
    query: Query, candidate: Candidate, *, scorer: Scorer, device_queue: DeviceQueue, store: ScoreStore | None = None
) -> Explanation:
    """The whole query's judgement, that of each of its parts, and a map of the picture. Raises its `PictureError`."""

    def judged(asked: Query) -> Score:
        return _judgement(
            rank(asked, [candidate], scorer=scorer, device_queue=device_queue, store=store, prefetch_threads=1)
        )

    whole = judged(query)
    parts = [PartScore(text=text, score=judged(Query(text=text))) for text in query_parts(query.text)]
    with device_queue.ticket() as ticket:
        where = _where(query, candidate, whole, scorer, ticket)
    return Explanation(
        query=query,
        fingerprint=scorer.fingerprint,
        temperature=scorer.temperature,
        score=whole,
        parts=tuple(parts),
        where=where,
    )


def words(
    query: Query, candidate: Candidate, *, scorer: Scorer, device_queue: DeviceQueue, store: ScoreStore | None = None
) -> GeneratedRating:
    """What the scorer's model writes when it is asked to rate the picture. Raises its `PictureError`."""
    rated = scorer.with_scoring("rating")
    try:
        score = _judgement(
            rank(query, [candidate], scorer=rated, device_queue=device_queue, store=store, prefetch_threads=1)
        )
    except PictureUnrated as error:
        return GeneratedRating(text=error.generated_text, rating=None)
    return GeneratedRating(text=score.generated_text or "", rating=shown_score(score.log_odds, rated.temperature))


def _judgement(ranking: Ranking) -> Score:
    """Of the only picture. Raises its `PictureError`."""
    if ranking.failed:
        raise ranking.failed[0].error
    return ranking.scored[0].score


def _where(query: Query, candidate: Candidate, whole: Score, scorer: Scorer, ticket: Ticket) -> OcclusionMap:
    occluded = _occluded(query, candidate, scorer, ticket)
    names = [candidate.name] * len(occluded.pictures)
    blanked = score_prepared(query, occluded.pictures, names, scorer, ticket)
    drops = [whole.log_odds - _said(one).log_odds for one in blanked]
    starts = range(0, len(drops), occluded.columns)
    return OcclusionMap(drops=tuple(tuple(drops[start : start + occluded.columns]) for start in starts))


def _said(outcome: ScoreResult) -> Score:
    if isinstance(outcome, PictureError):
        raise outcome
    return outcome


def _occluded(query: Query, candidate: Candidate, scorer: Scorer, ticket: Ticket) -> Occluded:
    try:
        prepared = scorer.prepare(candidate)
        with ticket.turn():
            return scorer.occluded(query, prepared)
    except Exception as error:
        failure = picture_failure(error, candidate.name)
    raise failure  # outside the handler, so that the pixels in the frames of the first do not live on
