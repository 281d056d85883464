"""Guessing passwords is slowed down, address by address."""

import pytest

from reranker.core.errors import TooManyAttempts
from reranker.server.failed_attempts import MAX_FAILURES, PERIOD_S, FailedAttempts


def test_ten_failures_close_an_address_for_a_minute() -> None:
    now = [1_000.0]
    attempts = FailedAttempts(clock=lambda: now[0])
    for _ in range(MAX_FAILURES):
        attempts.check("a")
        attempts.add("a")
        now[0] += 1
    with pytest.raises(TooManyAttempts) as refused:
        attempts.check("a")
    attempts.check("b")
    now[0] += refused.value.wait_s - 1.5
    with pytest.raises(TooManyAttempts):
        attempts.check("a")
    now[0] += 1.5
    attempts.check("a")
    attempts.add("a")
    attempts.add("a")
    with pytest.raises(TooManyAttempts):
        attempts.check("a")
    now[0] += PERIOD_S
    attempts.check("a")


def test_a_great_number_of_addresses_takes_little_memory_and_does_not_help_a_busy_one() -> None:
    attempts = FailedAttempts(clock=lambda: 0.0)
    for number in range(30_000):
        attempts.add(str(number))
        if number % 1_000 == 0:
            attempts.add("busy")
    with pytest.raises(TooManyAttempts):
        attempts.check("busy")
