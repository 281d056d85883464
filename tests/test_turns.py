import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.errors import TurnCancelled
from reranker.turns import Caller, Turns
from tests.scripted import PATIENCE_S, until


def wait_in_line(pool: ThreadPoolExecutor, caller: Caller, place: int) -> "Waiter":
    """A thread that waits for its turn, known to stand at `place`."""
    waiter = Waiter(pool, caller)
    until(lambda: caller.place == place)
    return waiter


class Waiter:
    def __init__(self, pool: ThreadPoolExecutor, caller: Caller) -> None:
        self._caller = caller
        self._turn = pool.submit(self._take)

    def _take(self) -> bool:
        with self._caller.turn():
            return True

    def had_turn(self) -> bool:
        try:
            return self._turn.result(PATIENCE_S)
        except TurnCancelled:
            return False


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def assert_free(turns: Turns, pool: ThreadPoolExecutor) -> None:
    assert Waiter(pool, turns.caller()).had_turn()


def round_robin(counts: list[int]) -> list[int]:
    return [caller for batch in range(max(counts)) for caller, count in enumerate(counts) if batch < count]


@settings(deadline=None, max_examples=20, database=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_callers_have_the_device_in_turn_batch_by_batch(counts: list[int]) -> None:
    turns = Turns()
    callers = [turns.caller() for _ in counts]
    left = list(counts)
    log: list[int] = []

    def work(me: int) -> None:
        for _ in range(counts[me]):
            with callers[me].turn():
                log.append(me)
                left[me] -= 1
                until(lambda: all(callers[i].place is not None or not left[i] for i in range(len(counts))))

    with ThreadPoolExecutor(len(counts)) as pool, turns.caller() as gate:
        with gate.turn():
            done = []
            for me in range(len(counts)):
                done.append(pool.submit(work, me))
                until(lambda me=me: callers[me].place == me)  # type: ignore[misc]
        for each in done:
            each.result(PATIENCE_S)
    assert log == round_robin(counts)


def test_a_place_counts_who_waits_before(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    holder, *callers = (turns.caller() for _ in range(4))
    assert holder.place is None
    with holder.turn():
        waiters = [wait_in_line(pool, caller, place) for place, caller in enumerate(callers)]
        assert [holder.place, *(caller.place for caller in callers)] == [0, 0, 1, 2]
        callers[0].cancel()
        assert not waiters[0].had_turn()
        assert [caller.place for caller in callers] == [None, 0, 1]
    assert [waiter.had_turn() for waiter in waiters] == [False, True, True]
    assert [caller.place for caller in (holder, *callers)] == [None] * 4


def test_cancel_wakes_a_waiter_while_the_device_works(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    with turns.caller() as holder, holder.turn():
        caller = turns.caller()
        waiter = wait_in_line(pool, caller, 0)
        caller.cancel()
        assert not waiter.had_turn()
        assert caller.place is None
    assert_free(turns, pool)


def test_a_stop_is_noticed_when_the_line_moves(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    stop = threading.Event()
    first, second, stopped = turns.caller(), turns.caller(), turns.caller(stop)
    with first.turn():
        before = wait_in_line(pool, second, 0)
        waiter = wait_in_line(pool, stopped, 1)
        stop.set()
        second.cancel()
        assert not waiter.had_turn(), "before the device was free"
        assert not before.had_turn()
    assert_free(turns, pool)


def test_who_stops_at_the_head_of_the_line_lets_the_next_one_go(pool: ThreadPoolExecutor) -> None:
    for _ in range(200):  # either of the two may wake first
        turns, stop = Turns(), threading.Event()
        with turns.caller().turn():
            stopped = wait_in_line(pool, turns.caller(stop), 0)
            waiter = wait_in_line(pool, turns.caller(), 1)
            stop.set()
        assert not stopped.had_turn()
        assert waiter.had_turn()


def test_who_left_gets_no_turn(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    with turns.caller() as caller:
        pass
    stop = threading.Event()
    stop.set()
    for gone in (caller, turns.caller(stop)):
        with pytest.raises(TurnCancelled), gone.turn():
            pytest.fail("the device was given to who left")
    assert_free(turns, pool)


def test_cancelling_does_not_set_the_stop_of_others() -> None:
    stop = threading.Event()
    Turns().caller(stop).cancel()
    assert not stop.is_set()


def test_an_exception_gives_the_device_back(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    with pytest.raises(KeyboardInterrupt), turns.caller().turn():
        raise KeyboardInterrupt
    assert_free(turns, pool)


def test_a_closed_generator_gives_the_device_back_on_another_thread(pool: ThreadPoolExecutor) -> None:
    turns = Turns()

    def steps() -> Iterator[int]:
        with turns.caller() as caller, caller.turn():
            yield 1
            yield 2

    generator = steps()
    assert next(generator) == 1
    assert pool.submit(next, generator).result(PATIENCE_S) == 2
    pool.submit(generator.close).result(PATIENCE_S)  # type: ignore[attr-defined]
    assert_free(turns, pool)


def test_a_running_batch_keeps_the_device_though_its_caller_is_cancelled(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    other = turns.caller()
    with turns.caller() as caller, caller.turn():
        caller.cancel()
        waiter = wait_in_line(pool, other, 0)
        assert caller.place == 0
    assert waiter.had_turn()


def test_a_second_place_is_refused(pool: ThreadPoolExecutor) -> None:
    turns = Turns()
    caller, other = turns.caller(), turns.caller()
    with caller.turn():
        with pytest.raises(RuntimeError, match="one place"), caller.turn():
            pytest.fail("the device was given twice")
        wait_in_line(pool, other, 0)
        with pytest.raises(RuntimeError, match="one place"), other.turn():
            pytest.fail("the device was given twice")
        assert caller.place == 0
    assert_free(turns, pool)
