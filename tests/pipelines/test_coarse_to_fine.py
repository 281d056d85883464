"""All at a low detail, then the best at a high one: the first places as if all had been looked at closely."""

import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker import Failed, Ranking, Reranker, Scored, Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureSkipped, PictureUnscored, SettingInvalid
from reranker.core.types import Candidate, Query
from reranker.engine.device_queue import DeviceQueue
from reranker.pipelines.coarse_to_fine import PATIENCE, CoarseToFine
from tests.support.scripted_scorer import ScriptedScorer, engine_of, until

QUERY = Query(text="a dog")


def pictures(count: int) -> list[Candidate]:
    return [Candidate(name=str(number), source=str(number).encode()) for number in range(count)]


def looked_at(low: list[float], high: list[float], first: int, batch: int = 1) -> tuple[CoarseToFine, ScriptedScorer]:
    """A run whose pictures have these log-odds at either detail, and the scorer of the high one."""
    judges = [lambda _, content, odds=odds: odds[int(content)] for odds in (low, high)]
    rough, close = (ScriptedScorer(judge=judge, batch_tokens=batch, fingerprint=str(judge)) for judge in judges)
    device_queue = DeviceQueue()

    low_engine, high_engine = (engine_of(scorer, device_queue, prefetch_threads=1) for scorer in (rough, close))
    run = CoarseToFine(QUERY, pictures(len(low)), low=low_engine, high=high_engine, first=first, top_k=None)
    return run, close


def split(run: CoarseToFine) -> tuple[list[Scored | Failed], Ranking]:
    *events, ranking = run
    assert isinstance(ranking, Ranking)
    return events, ranking


odds = st.floats(-9, 9, width=32)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(odds, odds), max_size=60), st.integers(1, 5), st.integers(1, 4))
def test_one_event_each_and_never_a_provisional_one(both: list[tuple[float, float]], first: int, batch: int) -> None:
    low, high = [one for one, _ in both], [other for _, other in both]
    events, ranking = split(looked_at(low, high, first, batch)[0])
    assert sorted(event.position for event in events) == list(range(len(both)))
    assert sorted(events, key=lambda event: event.position) == sorted(ranking.scored, key=lambda one: one.position)
    for one in ranking.scored:
        assert one.score.log_odds == (high if one.score.stage else low)[one.position]
    keys = [(one.score.stage, one.score.log_odds) for one in ranking.scored]
    assert keys == sorted(keys, reverse=True), "those looked at closely first"


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(80)), st.integers(1, 10))
def test_where_both_details_agree_the_first_places_are_those_of_the_high_one(order: list[int], first: int) -> None:
    low = [float(number) for number in order]
    run, _ = looked_at(low, [number / 2 for number in low], first)
    _, ranking = split(run)
    assert [order[one.position] for one in ranking.scored] == list(range(79, -1, -1))
    assert sum(one.score.stage for one in ranking.scored) == first + PATIENCE, "the others were only looked at roughly"


def test_one_that_was_underrated_a_little_is_found() -> None:
    low = [float(-number) for number in range(60)]
    high = [*low]
    high[15] = 5.0
    _, ranking = split(looked_at(low, high, first=10)[0])
    assert ranking.scored[0].position == 15


def test_each_one_that_reaches_the_first_places_gives_the_next_ones_a_chance() -> None:
    low = [float(-number) for number in range(60)]
    high = [*low]
    high[10], high[20] = 5.0, 6.0
    _, ranking = split(looked_at(low, high, first=2)[0])
    assert [one.position for one in ranking.scored[:2]] == [20, 10]


def test_what_is_provisional_is_counted_while_nothing_is_an_event() -> None:
    gate = threading.Event()

    def judge(_: Query, content: bytes) -> float:
        assert content != b"5" or gate.wait(20)
        return 1.0

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    run = Reranker(scorer=scorer, settings=Settings.of(detail="auto", score_store_mb=0)).rank_stream(
        "a dog", [str(number).encode() for number in range(6)]
    )
    events: list[object] = []
    reader = threading.Thread(target=lambda: events.extend(run))
    reader.start()
    until(lambda: run.coarse_count == 5)
    assert events == []
    gate.set()
    reader.join()
    assert len(events) == 7


@pytest.mark.parametrize("after", [3, 30, 45])
def test_a_stop_loses_nothing(after: int) -> None:
    cancellation, calls = Cancellation(), list[bytes]()

    def judge(_: Query, content: bytes) -> float:
        calls.append(content)
        if len(calls) == after:
            cancellation.cancel()
        return float(content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    reranker = Reranker(scorer=scorer, settings=Settings.of(detail="auto", score_store_mb=0))
    contents = [str(number).encode() for number in range(30)]
    *events, ranking = reranker.rank_stream("a dog", contents, cancellation=cancellation)
    assert sorted(event.position for event in events) == list(range(30))
    assert isinstance(ranking, Ranking)
    assert len(ranking.scored) == min(after, 30)
    assert all(isinstance(failed.error, PictureSkipped) for failed in ranking.failed)


def test_one_that_fails_closely_keeps_its_rough_score() -> None:
    def judge(fails: bool, _: Query, content: bytes) -> float:
        if fails and content == b"4":
            raise RuntimeError
        return float(content)

    low, high = (ScriptedScorer(judge=partial(judge, fails)) for fails in (False, True))
    device_queue = DeviceQueue()
    low_engine, high_engine = engine_of(low, device_queue), engine_of(high, device_queue)
    run = CoarseToFine(QUERY, pictures(5), low=low_engine, high=high_engine, first=5, top_k=None)
    _, ranking = split(run)
    assert [(one.position, one.score.stage) for one in ranking.scored] == [(3, 1), (2, 1), (1, 1), (0, 1), (4, 0)]


def test_one_that_cannot_be_judged_at_all_fails_once() -> None:
    def judge(_: Query, content: bytes) -> float:
        if content == b"2":
            raise RuntimeError
        return float(content)

    reranker = Reranker(scorer=ScriptedScorer(judge=judge), settings=Settings.of(detail="auto", score_store_mb=0))
    ranking = reranker.rank("a dog", [b"1", b"2", b"3"])
    assert [one.position for one in ranking.scored] == [2, 0]
    assert [type(one.error) for one in ranking.failed] == [PictureUnscored]


def test_closing_ends_it_in_either_part() -> None:
    for count in (0, 1):
        run, _ = looked_at([1.0] * 9, [2.0] * 9, first=3)
        for _ in range(count):
            next(run)
        run.close()
        assert list(run) == []


def test_each_detail_by_its_name_and_number() -> None:
    reranker = Reranker("toybox", settings=Settings.of(score_store_mb=0))
    prints = {detail: reranker.rank_stream("a dog", [], detail=detail) for detail in ("low", "usual", "49", "high")}
    fingerprints = {detail: next(stream).fingerprint for detail, stream in prints.items()}
    assert fingerprints["usual"] == fingerprints["49"]
    assert len(set(fingerprints.values())) == 3
    with pytest.raises(SettingInvalid):
        reranker.rank("a dog", [], detail="closest")
