"""Threads share bytes in the order in which they ask."""

import threading

import pytest

from reranker.images.byte_budget import BudgetClosed, ByteBudget


def waiting_thread(budget: ByteBudget, nbytes: int, order: list[int]) -> threading.Thread:
    """Start a thread that asks for bytes, and return once it waits; `order` gets the bytes when it has them."""

    def use() -> None:
        with budget.reserve(nbytes, 10):
            order.append(nbytes)

    queued = len(budget._waiting)
    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    with budget._changed:
        budget._changed.wait_for(lambda: len(budget._waiting) > queued, timeout=10)
    return thread


def test_a_large_request_is_not_passed_by_a_small_one():
    budget, order = ByteBudget(), []
    with budget.reserve(5, 10):
        threads = [waiting_thread(budget, nbytes, order) for nbytes in (9, 1)]
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == [9, 1]


def test_requests_that_fit_together_do_not_wait():
    budget = ByteBudget()
    with budget.reserve(4, 10), budget.reserve(6, 10):
        pass


def test_more_than_there_is_counts_as_all():
    with ByteBudget().reserve(11, 10):
        pass


def test_closing_ends_the_wait():
    budget, order = ByteBudget(), []
    with budget.reserve(10, 10):
        budget.close()
        with pytest.raises(BudgetClosed), budget.reserve(1, 10):
            order.append(1)
    assert order == []
