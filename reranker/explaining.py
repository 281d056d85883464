"""Why one picture got its score: what the parts of the query score, where in the picture it fits, the model's words.

All of it is judged as in any run, a batch a turn, a failing one halved, so that who asks why keeps nobody waiting.
"""

from reranker.errors import PictureError, PictureUnrated
from reranker.judging import judge_prepared, picture_failure
from reranker.look_ahead import Outcome
from reranker.query_parts import query_parts
from reranker.ranking import rank
from reranker.scores import shown_score
from reranker.turns import Caller, Turns
from reranker.types import (
    Candidate,
    Explanation,
    JudgedPart,
    Judgement,
    Occluded,
    OcclusionMap,
    Query,
    Ranking,
    Scorer,
    ScoreStore,
    Words,
)


def explain(
    query: Query, candidate: Candidate, *, scorer: Scorer, turns: Turns, store: ScoreStore | None = None
) -> Explanation:
    """The whole query's judgement, that of each of its parts, and a map of the picture. Raises its `PictureError`."""

    def judged(asked: Query) -> Judgement:
        return _judgement(rank(asked, [candidate], scorer=scorer, turns=turns, store=store, readers=1))

    whole = judged(query)
    parts = [JudgedPart(text=text, judgement=judged(Query(text=text))) for text in query_parts(query.text)]
    with turns.caller() as caller:
        where = _where(query, candidate, whole, scorer, caller)
    return Explanation(
        query=query,
        fingerprint=scorer.fingerprint,
        temperature=scorer.temperature,
        judgement=whole,
        parts=tuple(parts),
        where=where,
    )


def words(
    query: Query, candidate: Candidate, *, scorer: Scorer, turns: Turns, store: ScoreStore | None = None
) -> Words:
    """What the scorer's model writes when it is asked to rate the picture. Raises its `PictureError`."""
    rated = scorer.asking("rating")
    try:
        judgement = _judgement(rank(query, [candidate], scorer=rated, turns=turns, store=store, readers=1))
    except PictureUnrated as error:
        return Words(text=error.words, rating=None)
    return Words(text=judgement.words or "", rating=shown_score(judgement.log_odds, rated.temperature))


def _judgement(ranking: Ranking) -> Judgement:
    """Of the only picture. Raises its `PictureError`."""
    if ranking.failed:
        raise ranking.failed[0].error
    return ranking.scored[0].judgement


def _where(query: Query, candidate: Candidate, whole: Judgement, scorer: Scorer, caller: Caller) -> OcclusionMap:
    occluded = _occluded(query, candidate, scorer, caller)
    names = [candidate.name] * len(occluded.pictures)
    blanked = judge_prepared(query, occluded.pictures, names, scorer, caller)
    falls = [whole.log_odds - _said(one).log_odds for one in blanked]
    starts = range(0, len(falls), occluded.columns)
    return OcclusionMap(falls=tuple(tuple(falls[start : start + occluded.columns]) for start in starts))


def _said(outcome: Outcome) -> Judgement:
    if isinstance(outcome, PictureError):
        raise outcome
    return outcome


def _occluded(query: Query, candidate: Candidate, scorer: Scorer, caller: Caller) -> Occluded:
    try:
        prepared = scorer.prepare(candidate)
        with caller.turn():
            return scorer.occluded(query, prepared)
    except Exception as error:
        failure = picture_failure(error, candidate.name)
    raise failure  # outside the handler, so that the pixels in the frames of the first do not live on
