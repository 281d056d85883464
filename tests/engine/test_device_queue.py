from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.cancellation import Cancellation
from reranker.core.errors import TicketCancelled
from reranker.engine.device_queue import DeviceQueue, Ticket
from tests.support.scripted_scorer import PATIENCE_S, until


class Waiter:
    """A thread that waits for a slot and gives it back."""

    def __init__(self, pool: ThreadPoolExecutor, ticket: Ticket) -> None:
        self._ticket = ticket
        self._slot = pool.submit(self._take)

    def _take(self) -> bool:
        with self._ticket.slot():
            return True

    def had_slot(self) -> bool:
        try:
            return self._slot.result(PATIENCE_S)
        except TicketCancelled:
            return False


def wait_in_queue(pool: ThreadPoolExecutor, ticket: Ticket, position: int) -> Waiter:
    """A thread that waits for a slot at a known position of the queue."""
    waiter = Waiter(pool, ticket)
    until(lambda: ticket.queue_position == position)
    return waiter


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def assert_free(device_queue: DeviceQueue, pool: ThreadPoolExecutor) -> None:
    assert Waiter(pool, device_queue.ticket()).had_slot()


def round_robin(counts: list[int]) -> list[int]:
    return [ticket for batch in range(max(counts)) for ticket, count in enumerate(counts) if batch < count]


@settings(deadline=None, max_examples=20, database=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_tickets_get_the_device_in_turn_batch_by_batch(counts: list[int]) -> None:
    device_queue = DeviceQueue()
    tickets = [device_queue.ticket() for _ in counts]
    left = list(counts)
    log: list[int] = []

    def work(me: int) -> None:
        for _ in range(counts[me]):
            with tickets[me].slot():
                log.append(me)
                left[me] -= 1
                until(lambda: all(tickets[i].queue_position is not None or not left[i] for i in range(len(counts))))

    gate = device_queue.ticket()
    with ThreadPoolExecutor(len(counts)) as pool:
        with gate.slot():
            done = []
            for me in range(len(counts)):
                done.append(pool.submit(work, me))
                until(lambda me=me: tickets[me].queue_position == me)  # type: ignore[misc]
        for each in done:
            each.result(PATIENCE_S)
    assert log == round_robin(counts)


def test_a_position_counts_the_tickets_before(pool: ThreadPoolExecutor) -> None:
    device_queue, cancellation = DeviceQueue(), Cancellation()
    holder = device_queue.ticket()
    tickets = [device_queue.ticket(cancellation), device_queue.ticket(), device_queue.ticket()]
    assert holder.queue_position is None
    with holder.slot():
        waiters = [wait_in_queue(pool, ticket, position) for position, ticket in enumerate(tickets)]
        assert [holder.queue_position, *(ticket.queue_position for ticket in tickets)] == [0, 0, 1, 2]
        assert device_queue.waiting == 3
        cancellation.cancel()
        assert not waiters[0].had_slot()
        assert [ticket.queue_position for ticket in tickets] == [None, 0, 1]
    assert [waiter.had_slot() for waiter in waiters] == [False, True, True]
    assert [ticket.queue_position for ticket in (holder, *tickets)] == [None] * 4


def test_a_cancellation_wakes_a_waiter_while_the_device_works(pool: ThreadPoolExecutor) -> None:
    device_queue, cancellation = DeviceQueue(), Cancellation()
    with device_queue.ticket().slot():
        ticket = device_queue.ticket(cancellation)
        waiter = wait_in_queue(pool, ticket, 0)
        cancellation.cancel()
        assert not waiter.had_slot()
        assert ticket.queue_position is None
    assert_free(device_queue, pool)


def test_a_cancelled_ticket_at_the_head_lets_the_next_one_go(pool: ThreadPoolExecutor) -> None:
    for _ in range(200):  # either of the two may wake first
        device_queue, cancellation = DeviceQueue(), Cancellation()
        with device_queue.ticket().slot():
            cancelled = wait_in_queue(pool, device_queue.ticket(cancellation), 0)
            waiter = wait_in_queue(pool, device_queue.ticket(), 1)
            cancellation.cancel()
        assert not cancelled.had_slot()
        assert waiter.had_slot()


def test_a_cancelled_ticket_gets_no_slot(pool: ThreadPoolExecutor) -> None:
    device_queue, cancellation = DeviceQueue(), Cancellation()
    before = device_queue.ticket(cancellation)
    cancellation.cancel()
    for ticket in (before, device_queue.ticket(cancellation)):
        with pytest.raises(TicketCancelled), ticket.slot():
            pytest.fail("a cancelled ticket got the device")
    assert_free(device_queue, pool)


def test_an_exception_gives_the_slot_back(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    with pytest.raises(KeyboardInterrupt), device_queue.ticket().slot():
        raise KeyboardInterrupt
    assert_free(device_queue, pool)


def test_a_closed_generator_gives_the_slot_back_on_another_thread(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()

    def steps() -> Iterator[int]:
        with device_queue.ticket().slot():
            yield 1
            yield 2

    generator = steps()
    assert next(generator) == 1
    assert pool.submit(next, generator).result(PATIENCE_S) == 2
    pool.submit(generator.close).result(PATIENCE_S)  # type: ignore[attr-defined]
    assert_free(device_queue, pool)


def test_a_running_batch_keeps_the_slot_though_its_ticket_is_cancelled(pool: ThreadPoolExecutor) -> None:
    device_queue, cancellation = DeviceQueue(), Cancellation()
    ticket, other = device_queue.ticket(cancellation), device_queue.ticket()
    with ticket.slot():
        cancellation.cancel()
        waiter = wait_in_queue(pool, other, 0)
        assert ticket.queue_position == 0
    assert waiter.had_slot()


def test_a_ticket_cannot_wait_for_itself(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    ticket, other = device_queue.ticket(), device_queue.ticket()
    with ticket.slot():
        with pytest.raises(RuntimeError, match="wait for itself"), ticket.slot():
            pytest.fail("the device was given twice")
        wait_in_queue(pool, other, 0)
        with pytest.raises(RuntimeError, match="one place in the queue"), other.slot():
            pytest.fail("the device was given twice")
        assert ticket.queue_position == 0
    assert_free(device_queue, pool)


def test_the_slot_of_a_batch_is_free_before_the_batch_is_done() -> None:
    ticket = DeviceQueue().ticket()
    batch: Future[int] = Future()
    before_release: list[tuple[bool, int | None]] = []
    batch.add_done_callback(lambda _: before_release.append((ended.done(), ticket.queue_position)))
    ended = ticket.submit(lambda: batch)
    batch.set_result(1)
    assert before_release == [(False, 0)]
    assert (ended.result(0), ticket.queue_position) == (1, None)


def test_a_batch_that_is_submitted_too_early_waits_until_another_one_of_its_run_is_done(
    pool: ThreadPoolExecutor,
) -> None:
    """When workers come, a run may know of the room for their batches before the queue does."""
    ticket = DeviceQueue().ticket()
    first, second = Future[int](), Future[int]()
    ticket.submit(lambda: first)
    submitted = pool.submit(ticket.submit, lambda: second)
    until(lambda: ticket._queue.waiting == 1)
    first.set_result(1)
    second.set_result(2)
    assert submitted.result(PATIENCE_S).result(PATIENCE_S) == 2


def test_a_batch_that_fails_gives_its_slot_back_and_its_error_on(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue()
    batch: Future[int] = Future()
    ended = device_queue.ticket().submit(lambda: batch)
    batch.set_exception(ValueError("no such token"))
    with pytest.raises(ValueError, match="no such token"):
        ended.result(0)
    assert_free(device_queue, pool)


def test_as_many_slots_as_the_device_takes_batches(pool: ThreadPoolExecutor) -> None:
    device_queue = DeviceQueue(capacity=2)
    ticket, other = device_queue.ticket(), device_queue.ticket()
    with ticket.slot(), ticket.slot():
        waiter = wait_in_queue(pool, other, 0)
    assert waiter.had_slot()
    with ticket.slot(), other.slot():
        assert (ticket.queue_position, other.queue_position) == (0, 0)
    assert_free(device_queue, pool)
