"""Batches and workers: who gets what, and what becomes of the batches of a worker that ends."""

from concurrent.futures import Future
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.cluster.scheduler import PER_WORKER, TRIES, Scheduler, WorkerEnded
from reranker.core.errors import DeviceFailed
from tests.support.workers import ManualWorker


def with_workers(count: int) -> tuple[Scheduler, list[ManualWorker]]:
    scheduler, workers = Scheduler(), [ManualWorker(f"machine/{number}") for number in range(count)]
    for worker in workers:
        scheduler.add(worker)
    return scheduler, workers


def submit(scheduler: Scheduler, name: object, **options: object) -> "Future[object]":
    return scheduler.submit(lambda worker: worker.call("run", name), **options)


def test_workers_get_one_batch_each_before_one_gets_two() -> None:
    scheduler, workers = with_workers(3)
    for number in range(7):
        submit(scheduler, number)
    assert [worker.has for worker in workers] == [[0, 3], [1, 4], [2, 5]]
    assert scheduler.waiting == 1
    workers[1].finish("one")
    assert workers[1].has == [4, 6]
    assert scheduler.waiting == 0


def test_a_result_is_that_of_the_worker() -> None:
    scheduler, (worker,) = with_workers(1)
    first, second = submit(scheduler, "a"), submit(scheduler, "b")
    worker.finish("result of a")
    worker.calls.popleft()[1].set_exception(ValueError("b is wrong"))
    assert first.result(0) == "result of a"
    with pytest.raises(ValueError, match="b is wrong"):
        second.result(0)


def test_a_batch_goes_to_its_home_and_waits_for_it_while_all_work() -> None:
    scheduler, (one, other) = with_workers(2)
    for name in ("a", "b", "c"):
        submit(scheduler, name, home=one.name)
    assert (one.has, other.has) == (["a", "b"], ["c"]), "an idle worker takes what waits for another one"
    submit(scheduler, "d", home=one.name)
    assert scheduler.waiting == 1, "a worker that has something takes nothing of another one"
    submit(scheduler, "e")
    assert other.has == ["c", "e"]
    one.finish()
    assert one.has == ["b", "d"]


def test_an_idle_worker_takes_what_waits_for_another_one() -> None:
    scheduler, (one, other) = with_workers(2)
    submit(scheduler, "x", home=other.name)
    for name in "abcd":
        submit(scheduler, name, home=one.name)
    assert (one.has, other.has, scheduler.waiting) == (["a", "b"], ["x"], 2)
    other.finish()
    assert other.has == ["c"]


def test_a_slow_worker_holds_up_two_batches_at_most() -> None:
    scheduler, (slow, fast) = with_workers(2)
    done: list[int] = []
    for number in range(20):
        submit(scheduler, number).add_done_callback(partial(lambda number, _: done.append(number), number))
    while fast.calls:
        fast.finish()
    assert len(slow.has) == PER_WORKER
    assert len(done) == 20 - PER_WORKER


def test_what_a_worker_had_when_it_ended_goes_to_others() -> None:
    scheduler, (one, other) = with_workers(2)
    futures = [submit(scheduler, name, home=one.name) for name in "ab"]
    futures += [submit(scheduler, name, home=other.name) for name in "cd"]
    futures.append(submit(scheduler, "e", home=one.name))
    one.end()
    assert scheduler.waiting == 3
    while other.calls:
        other.finish(other.has[0])
    assert [each.result(0) for each in futures] == list("abcde")
    assert [status.name for status in scheduler.status()] == [other.name]


def test_a_batch_that_ends_workers_is_alone_with_them_and_takes_no_other_with_it() -> None:
    scheduler = Scheduler()
    innocent, deadly, later = (submit(scheduler, name) for name in ("innocent", "deadly", "later"))
    both, *others = (ManualWorker(f"machine/0.{number}") for number in range(5))
    scheduler.add(both)
    assert both.has == ["innocent", "deadly"]
    both.end()
    scheduler.add(others[0])
    assert others[0].has == ["innocent"], "nothing else, until it is known to be innocent"
    others[0].finish("scored")
    assert innocent.result(0) == "scored"
    for number in range(TRIES - 1):
        assert others[number].has == ["deadly"]
        others[number].end()
        scheduler.add(others[number + 1])
    with pytest.raises(WorkerEnded):
        deadly.result(0)
    assert others[TRIES - 1].has == ["later"]
    assert not later.done()


def test_an_exclusive_batch_is_not_passed_by() -> None:
    scheduler, (worker,) = with_workers(1)
    for name in "ab":
        submit(scheduler, name)
    submit(scheduler, "alone", exclusive=True)
    for name in "cd":
        submit(scheduler, name)
    worker.finish()
    assert (worker.has, scheduler.waiting) == (["b"], 3)
    worker.finish()
    assert worker.has == ["alone"]
    worker.finish()
    assert worker.has == ["c", "d"]


def test_what_a_worker_had_when_it_ended_does_not_wait_for_ever_behind_new_batches() -> None:
    scheduler, (one, other) = with_workers(2)
    lost = [submit(scheduler, name, home=one.name) for name in "ab"]
    for name in "cd":
        submit(scheduler, name, home=other.name)
    one.end()
    for number in range(4):
        submit(scheduler, number)
        other.finish(other.has[0])
    assert [each.result(0) for each in lost] == ["a", "b"]


def test_a_worker_whose_device_fails_counts_as_one_that_has_ended() -> None:
    scheduler, (one, other) = with_workers(2)
    future = submit(scheduler, "a", home=one.name)
    one.calls.popleft()[1].set_exception(DeviceFailed())
    assert not scheduler.has(one.name)
    assert other.has == ["a"]
    other.finish("scored")
    assert future.result(0) == "scored"


def test_batches_wait_for_the_first_worker_and_fail_if_none_will_come() -> None:
    scheduler = Scheduler()
    first = submit(scheduler, "a")
    scheduler.fail(DeviceFailed())
    with pytest.raises(DeviceFailed):
        first.result(0)
    with pytest.raises(DeviceFailed):
        submit(scheduler, "b").result(0)
    worker = ManualWorker("machine/0")
    scheduler.add(worker)
    scheduler.fail(DeviceFailed())
    third = submit(scheduler, "c")
    worker.finish("it has come after all")
    assert third.result(0) == "it has come after all"


def test_a_worker_of_the_same_name_is_another_worker() -> None:
    scheduler, (old,) = with_workers(1)
    new = ManualWorker(old.name)
    scheduler.remove(old)
    scheduler.add(new)
    scheduler.remove(old)
    assert scheduler.all() == [new]


def test_the_capacity_is_known_and_does_not_shrink() -> None:
    announced: list[int] = []
    scheduler = Scheduler()
    scheduler.before_growth = announced.append
    assert (scheduler.workers, scheduler.capacity) == (1, PER_WORKER)
    workers = [ManualWorker(f"machine/{number}") for number in range(3)]
    for worker in workers:
        scheduler.add(worker)
    scheduler.remove(workers[0])
    assert (scheduler.workers, scheduler.capacity) == (2, 3 * PER_WORKER)
    assert announced == [PER_WORKER, 2 * PER_WORKER, 3 * PER_WORKER], "before it grows: the queue must have the room"


def test_the_status_tells_how_fast_each_worker_is_while_it_works() -> None:
    now = [0.0]
    scheduler = Scheduler(clock=lambda: now[0])
    worker = ManualWorker("machine/0")
    scheduler.add(worker)
    now[0] = 100.0  # it has nothing to do
    for pictures in (8, 4):
        submit(scheduler, pictures, pictures=pictures)
    now[0] = 102.0
    worker.finish()
    (status,) = scheduler.status()
    assert (status.in_flight, status.pictures, status.pictures_per_s) == (1, 8, 4.0)
    now[0] = 103.0
    worker.finish()
    now[0] = 200.0
    (status,) = scheduler.status()
    assert (status.in_flight, status.pictures, status.pictures_per_s) == (0, 12, 4.0)


@settings(deadline=None, max_examples=60, database=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 40))
def test_every_batch_ends_once_whatever_workers_do(seed: int, workers: int, batches: int) -> None:
    """Workers finish, end and come in any order; no batch is lost, given twice at a time, or ended twice."""
    rng, ended = Random(seed), list[int]()
    scheduler, present = with_workers(workers)
    started: dict[int, int] = {}
    made = workers

    def start(number: int, worker: ManualWorker) -> "Future[object]":
        assert started.get(number, 0) == 0, "two workers have it"
        started[number] = 1
        future = worker.call("run", number)
        future.add_done_callback(lambda _: started.__setitem__(number, 0))
        return future

    for number in range(batches):
        home = rng.choice([None, *(worker.name for worker in present), "gone"])
        future = scheduler.submit(partial(start, number), home=home, tries=10**6)
        future.add_done_callback(partial(lambda number, _: ended.append(number), number))
    while len(ended) < batches:
        busy = [worker for worker in present if worker.calls]
        if busy and rng.random() < 0.8:
            rng.choice(busy).finish()
        elif present and rng.random() < 0.3:
            leaving = rng.choice(present)
            present.remove(leaving)
            leaving.end()
            scheduler.remove(leaving)
        else:
            present.append(ManualWorker(f"machine/{made}"))
            made += 1
            scheduler.add(present[-1])
        assert all(len(worker.calls) <= PER_WORKER for worker in present)
    assert sorted(ended) == list(range(batches))
    assert scheduler.waiting == 0
