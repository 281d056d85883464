import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import TicketCancelled
from reranker.engine.device_queue import DeviceQueue, Ticket
from tests.support.scripted_scorer import PATIENCE_S, until


def wait_in_line(pool: ThreadPoolExecutor, ticket: Ticket, place: int) -> "Waiter":
    """A thread that waits for its turn, known to stand at `place`."""
    waiter = Waiter(pool, ticket)
    until(lambda: ticket.place == place)
    return waiter


class Waiter:
    def __init__(self, pool: ThreadPoolExecutor, ticket: Ticket) -> None:
        self._ticket = ticket
        self._turn = pool.submit(self._take)

    def _take(self) -> bool:
        with self._ticket.turn():
            return True

    def had_turn(self) -> bool:
        try:
            return self._turn.result(PATIENCE_S)
        except TicketCancelled:
            return False


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def assert_free(device_queue: DeviceQueue, pool: ThreadPoolExecutor) -> None:
    assert Waiter(pool, device_queue.ticket()).had_turn()


def round_robin(counts: list[int]) -> list[int]:
    return [ticket for batch in range(max(counts)) for ticket, count in enumerate(counts) if batch < count]


@settings(deadline=None, max_examples=20, database=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_callers_have_the_device_in_turn_batch_by_batch(counts: list[int]) -> None:
    device_queue = DeviceQueue()
    callers = [device_queue.ticket() for _ in counts]
    left = list(counts)
    log: list[int] = []

    def work(me: int) -> None:
        for _ in range(counts[me]):
            with callers[me].turn():
                log.append(me)
                left[me] -= 1
                until(lambda: all(callers[i].place is not None or not left[i] for i in range(len(counts))))

    with ThreadPoolExecutor(len(counts)) as pool, device_queue.ticket() as gate:
        with gate.turn():
            done = []
            for me in range(len(counts)):
                done.append(pool.submit(work, me))
                until(lambda me=me: callers[me].place == me)  # type: ignore[misc]
        for each in done:
            each.result(PATIENCE_S)
    assert log == round_robin(counts)


def test_a_place_counts_who_waits_before(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    holder, *callers = (device_queue.ticket() for _ in range(4))
    assert holder.place is None
    with holder.turn():
        waiters = [wait_in_line(pool, ticket, place) for place, ticket in enumerate(callers)]
        assert [holder.place, *(ticket.place for ticket in callers)] == [0, 0, 1, 2]
        callers[0].cancel()
        assert not waiters[0].had_turn()
        assert [ticket.place for ticket in callers] == [None, 0, 1]
    assert [waiter.had_turn() for waiter in waiters] == [False, True, True]
    assert [ticket.place for ticket in (holder, *callers)] == [None] * 4


def test_cancel_wakes_a_waiter_while_the_device_works(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    with device_queue.ticket() as holder, holder.turn():
        ticket = device_queue.ticket()
        waiter = wait_in_line(pool, ticket, 0)
        ticket.cancel()
        assert not waiter.had_turn()
        assert ticket.place is None
    assert_free(device_queue, pool)


def test_a_stop_is_noticed_when_the_line_moves(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    stop = threading.Event()
    first, second, stopped = device_queue.ticket(), device_queue.ticket(), device_queue.ticket(stop)
    with first.turn():
        before = wait_in_line(pool, second, 0)
        waiter = wait_in_line(pool, stopped, 1)
        stop.set()
        second.cancel()
        assert not waiter.had_turn(), "before the device was free"
        assert not before.had_turn()
    assert_free(device_queue, pool)


def test_who_stops_at_the_head_of_the_line_lets_the_next_one_go(pool: ThreadPoolExecutor) -> None:
    for _ in range(200):  # either of the two may wake first
        device_queue, stop = DeviceQueue(), threading.Event()
        with device_queue.ticket().turn():
            stopped = wait_in_line(pool, device_queue.ticket(stop), 0)
            waiter = wait_in_line(pool, device_queue.ticket(), 1)
            stop.set()
        assert not stopped.had_turn()
        assert waiter.had_turn()


def test_who_left_gets_no_turn(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    with device_queue.ticket() as ticket:
        pass
    stop = threading.Event()
    stop.set()
    for gone in (ticket, device_queue.ticket(stop)):
        with pytest.raises(TicketCancelled), gone.turn():
            pytest.fail("the device was given to who left")
    assert_free(device_queue, pool)


def test_cancelling_does_not_set_the_stop_of_others() -> None:
    stop = threading.Event()
    DeviceQueue().ticket(stop).cancel()
    assert not stop.is_set()


def test_an_exception_gives_the_device_back(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    with pytest.raises(KeyboardInterrupt), device_queue.ticket().turn():
        raise KeyboardInterrupt
    assert_free(device_queue, pool)


def test_a_closed_generator_gives_the_device_back_on_another_thread(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()

    def steps() -> Iterator[int]:
        with device_queue.ticket() as ticket, ticket.turn():
            yield 1
            yield 2

    generator = steps()
    assert next(generator) == 1
    assert pool.submit(next, generator).result(PATIENCE_S) == 2
    pool.submit(generator.close).result(PATIENCE_S)  # type: ignore[attr-defined]
    assert_free(device_queue, pool)


def test_a_running_batch_keeps_the_device_though_its_caller_is_cancelled(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    other = device_queue.ticket()
    with device_queue.ticket() as ticket, ticket.turn():
        ticket.cancel()
        waiter = wait_in_line(pool, other, 0)
        assert ticket.place == 0
    assert waiter.had_turn()


def test_a_second_place_is_refused(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    ticket, other = device_queue.ticket(), device_queue.ticket()
    with ticket.turn():
        with pytest.raises(RuntimeError, match="one place"), ticket.turn():
            pytest.fail("the device was given twice")
        wait_in_line(pool, other, 0)
        with pytest.raises(RuntimeError, match="one place"), other.turn():
            pytest.fail("the device was given twice")
        assert ticket.place == 0
    assert_free(device_queue, pool)
