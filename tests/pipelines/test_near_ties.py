"""Pictures that are about as good as the first are scored again alone; everything else is as before."""

import threading
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.cancellation import Cancellation
from reranker.core.types import Failed, Query, Ranking, Scored
from reranker.engine.device_queue import DeviceQueue
from reranker.pipelines.near_ties import MARGIN, NearTies
from reranker.pipelines.rerank import rank_stream
from tests.support.scripted_scorer import QUERY, ScriptedScorer, engine_of, pictures


def stream_of(
    together: Sequence[float], alone: Sequence[float], cancellation: Cancellation | None = None
) -> tuple[NearTies, ScriptedScorer]:
    """A run whose pictures have these log-odds in a batch and alone, and the scorer of the latter."""

    def number_in(log_odds: Sequence[float]) -> ScriptedScorer:
        return ScriptedScorer(judge=lambda _, content: log_odds[int(content)], batch_tokens=4)

    device_queue = DeviceQueue()
    first, second = number_in(together), number_in(alone)
    second.batch_tokens = 1
    stream = rank_stream(QUERY, pictures(range(len(together))), engine_of(first, device_queue))
    return NearTies(QUERY, stream, engine_of(second, device_queue), top_k=None, cancellation=cancellation), second


def split(run: NearTies) -> tuple[list[Scored | Failed], Ranking]:
    *events, ranking = run
    assert isinstance(ranking, Ranking)
    return events, ranking


tenths = st.integers(-20, 20).map(lambda number: number / 25)
pairs = st.lists(st.tuples(tenths, tenths), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_the_first_place_is_the_best_alone_of_those_near_it(scores: list[tuple[float, float]]) -> None:
    together, alone = zip(*scores, strict=True)
    run, _ = stream_of(together, alone)
    events, ranking = split(run)
    assert sorted(event.position for event in events) == list(range(len(scores)))
    assert sorted(events, key=lambda each: each.position) == sorted(ranking.scored, key=lambda each: each.position)
    near = {index for index, value in enumerate(together) if value >= max(together) - MARGIN}
    leaders = near if len(near) > 1 else set()
    for each in ranking.scored:
        expected = alone if each.position in leaders else together
        assert each.score.log_odds == expected[each.position]
    best = max(leaders, key=lambda index: (alone[index], -index)) if leaders else together.index(max(together))
    assert ranking.scored[0].position == best


def test_a_picture_is_scored_alone_and_one_far_ahead_is_not_scored_again() -> None:
    run, second = stream_of([1.0, 1.05, 0.2, 0.99], [1.0, 1.0, 5.0, 1.1])
    _, ranking = split(run)
    assert sorted(second.batches) == [[b"0"], [b"1"], [b"3"]]
    assert [each.position for each in ranking.scored] == [3, 0, 1, 2]
    run, second = stream_of([1.0, 3.0], [9.0, 9.0])
    split(run)
    assert second.batches == []


def test_pictures_that_are_behind_are_reported_before_the_end() -> None:
    go = threading.Event()

    def judge(query: Query, content: bytes) -> float:
        assert content != b"2" or go.wait(20)
        return float(content)

    scorer, device_queue = ScriptedScorer(judge=judge, batch_tokens=1), DeviceQueue()
    stream = rank_stream(QUERY, pictures([0, 1, 2]), engine_of(scorer, device_queue, prefetch_threads=1))
    run = NearTies(QUERY, stream, engine_of(scorer, device_queue), top_k=None)
    first = next(run)
    go.set()
    assert isinstance(first, Scored)
    assert first.position == 0
    assert [each.position for each in split(run)[1].scored] == [2, 1, 0]


def test_leaders_keep_their_scores_where_scoring_again_is_cancelled() -> None:
    cancellation = Cancellation()
    run, _ = stream_of([1.0, 1.0, 0.0], [5.0, 5.0, 5.0], cancellation)
    assert isinstance(next(run), Scored)
    cancellation.cancel()
    events, ranking = split(run)
    assert len(events) == 2
    assert {each.position: each.score.log_odds for each in ranking.scored} == {0: 1.0, 1: 1.0, 2: 0.0}


def test_a_leader_that_fails_alone_keeps_its_score() -> None:
    scorer, device_queue = ScriptedScorer(judge=lambda *_: 1.0), DeviceQueue()

    def fail(query: Query, content: bytes) -> float:
        if content == b"1":
            raise ValueError
        return 0.9

    stream = rank_stream(QUERY, pictures(range(2)), engine_of(scorer, device_queue))
    alone = ScriptedScorer(judge=fail, batch_tokens=1)
    _, ranking = split(NearTies(QUERY, stream, engine_of(alone, device_queue), top_k=None))
    assert sorted((each.position, each.score.log_odds) for each in ranking.scored) == [(0, 0.9), (1, 1.0)]


def test_closing_ends_it() -> None:
    run, _ = stream_of([1.0, 1.0], [1.0, 1.0])
    run.close()
    assert list(run) == []
