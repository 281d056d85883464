"""Batches of a run on an executor that takes several at a time."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest

from reranker.core.cancellation import Cancellation
from reranker.core.errors import DeviceFailed, PictureOutOfMemory
from reranker.core.types import Query, Score
from reranker.engine.batching import BatchRunner, score_prepared
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.prefetch import PrefetchBuffer
from reranker.engine.results import StoredScores
from tests.support.scripted_scorer import PATIENCE_S, ScriptedImage, ScriptedScorer, engine_of, number, until

QUERY = Query(text="a dog")


def images(count: int) -> list[ScriptedImage]:
    return [ScriptedImage(content=b"%d" % n, key=str(n), pixel_key=str(n), tokens=1, nbytes=1) for n in range(count)]


def filled(count: int) -> PrefetchBuffer[ScriptedImage]:
    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(count, max_bytes=count + 1)
    for image in images(count):
        buffer.claim()
        buffer.put(image)
    return buffer


class Pipelined:
    """An executor that finishes its oldest batch when `capacity` are in flight, and all when it has `count` images."""

    workers = 1

    def __init__(self, capacity: int, count: int, batch_tokens: int = 2) -> None:
        self.capacity, self.batch_tokens = capacity, batch_tokens
        self.info = ScriptedScorer().info
        self.most_in_flight, self._left = 0, count
        self._in_flight: deque[tuple[Future[list[Score]], list[Score]]] = deque()

    def submit(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> "Future[list[Score]]":
        future = Future()
        scores = [Score(log_odds=float(image.content), visual_tokens=1, latency_ms=1.0) for image in batch]
        self._in_flight.append((future, scores))
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        self._left -= len(batch)
        self.finish_down_to(self.capacity - 1 if self._left else 0)
        return future

    def finish_down_to(self, count: int) -> None:
        while len(self._in_flight) > count:
            self.finish(*self._in_flight.popleft())

    def finish(self, future: "Future[list[Score]]", scores: list[Score]) -> None:
        future.set_result(scores)


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_as_many_batches_are_in_flight_as_the_executor_takes(capacity: int) -> None:
    executor, results = Pipelined(capacity, 20), {}
    runner = BatchRunner(
        QUERY,
        executor,
        filled(20),
        DeviceQueue(capacity).ticket(),
        run_id="a",
        stored=StoredScores(None, QUERY, "a"),
        on_result=results.__setitem__,
    )
    runner.run()
    assert executor.most_in_flight == capacity
    assert {key: score.log_odds for key, score in results.items()} == {str(n): n for n in range(20)}


def test_a_cancelled_run_reports_the_batches_in_flight() -> None:
    cancellation, results = Cancellation(), {}
    executor = Pipelined(2, 20)

    def on_result(key: str, result: object) -> None:
        results[key] = result
        cancellation.cancel()
        executor.finish_down_to(0)

    device_queue = DeviceQueue(2)
    stored = StoredScores(None, QUERY, "a")
    ticket = device_queue.ticket(cancellation)
    BatchRunner(QUERY, executor, filled(20), ticket, run_id="a", stored=stored, on_result=on_result).run()
    assert sorted(map(int, results)) == [0, 1, 2, 3]
    assert ticket.queue_position is None, "no slot is held"


def test_prepared_images_are_scored_in_their_order_and_fail_alone() -> None:
    scorer = ScriptedScorer(judge=number, batch_tokens=3)
    engine = engine_of(scorer)
    broken = ScriptedImage(content=b"no number", key="broken", pixel_key="broken", tokens=1, nbytes=1)
    given = [*images(4), broken]
    ticket = engine.device_queue.ticket()
    results = score_prepared(QUERY, given, [f"name {image.key}" for image in given], engine.executor, ticket, "a")
    assert [result.log_odds for result in results[:4]] == [0, 1, 2, 3]
    assert (results[4].name, results[4].reason) == ("name broken", "ValueError")
    assert scorer.batches[0] == [b"0", b"1", b"2"]


def test_an_image_counts_by_all_its_tokens() -> None:
    scorer = ScriptedScorer(judge=number, batch_tokens=6)
    engine = engine_of(scorer)
    given = [replace(image, tokens=tokens) for image, tokens in zip(images(6), [3, 3, 3, 9, 1, 5], strict=True)]
    ticket = engine.device_queue.ticket()
    results = score_prepared(QUERY, given, [image.key for image in given], engine.executor, ticket, "a")
    assert [result.log_odds for result in results] == [0, 1, 2, 3, 4, 5]
    assert scorer.batches == [[b"0", b"1"], [b"2"], [b"3"], [b"4", b"5"]]


def test_an_example_counts_with_each_image_and_reaches_each_batch() -> None:
    seen: list[ScriptedImage | None] = []

    class Noting(ScriptedScorer):
        def score(
            self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
        ) -> list[Score]:
            seen.append(example)
            return super().score(query, batch, run_id, example)

    scorer = Noting(judge=number, batch_tokens=12)
    engine = engine_of(scorer)
    given = [replace(image, tokens=tokens) for image, tokens in zip(images(6), [3, 3, 3, 9, 1, 5], strict=True)]
    example = replace(images(1)[0], tokens=3)
    ticket = engine.device_queue.ticket()
    results = score_prepared(QUERY, given, [""] * 6, engine.executor, ticket, "a", example)
    assert [result.log_odds for result in results] == [0, 1, 2, 3, 4, 5]
    assert scorer.batches == [[b"0", b"1"], [b"2"], [b"3"], [b"4", b"5"]]
    assert seen == [example] * 4


@pytest.mark.parametrize("capacity", [1, 3])
def test_a_device_that_failed_ends_the_run_and_blames_no_image(capacity: int) -> None:
    class Failing(Pipelined):
        def finish(self, future: "Future[list[Score]]", scores: list[Score]) -> None:
            future.set_exception(DeviceFailed())
            self.finish_down_to(0)

    executor, device_queue, results = Failing(capacity, 20), DeviceQueue(capacity), {}
    stored = StoredScores(None, QUERY, "a")
    runner = BatchRunner(
        QUERY,
        executor,
        filled(20),
        device_queue.ticket(),
        run_id="a",
        stored=stored,
        on_result=results.__setitem__,
    )
    with pytest.raises(DeviceFailed):
        runner.run()
    assert results == {}
    assert device_queue.holders == (), "every slot is given back"


@pytest.mark.parametrize("example_tokens", [0, 2])
def test_the_halves_of_a_batch_that_failed_are_no_larger_than_what_fits_by_then(example_tokens: int) -> None:
    def judge(query: Query, content: bytes) -> float:
        if len(scorer.batches) == 1:
            scorer.batch_tokens = 4
            raise PictureOutOfMemory(name="", visual_tokens=12)
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, batch_tokens=12)
    engine = engine_of(scorer)
    given = [replace(image, tokens=3 - example_tokens) for image in images(4)]
    example = replace(given[0], tokens=example_tokens) if example_tokens else None
    ticket = engine.device_queue.ticket()
    results = score_prepared(QUERY, given, [image.key for image in given], engine.executor, ticket, "a", example)
    assert [result.log_odds for result in results] == [0, 1, 2, 3]
    assert scorer.batches == [[b"0", b"1", b"2", b"3"], [b"0"], [b"1"], [b"2"], [b"3"]]


def test_a_batch_that_follows_another_one_is_full_or_the_last() -> None:
    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(3, max_bytes=10)
    for _ in range(3):
        buffer.claim()
    first, second, third = images(3)
    assert not buffer.has_ready(1)
    buffer.put(first)
    assert (buffer.has_ready(1), buffer.has_ready(2)) == (True, False)
    buffer.put(second)
    assert buffer.has_ready(2)
    assert buffer.take(2) == [first, second]
    buffer.put(third)
    assert buffer.has_ready(2), "nothing else will come"


class Threaded:
    """An executor that works on each batch in a thread of its own: `before` is called, then the scores are there."""

    def __init__(self, workers: int, before: Callable[[list[ScriptedImage]], None], batch_tokens: int = 3) -> None:
        self.workers, self.capacity, self.batch_tokens = workers, 2 * workers, batch_tokens
        self.info = ScriptedScorer().info
        self.batches: list[list[int]] = []
        self._before = before

    def submit(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> "Future[list[Score]]":
        self.batches.append([int(image.content) for image in batch])
        future = Future()
        threading.Thread(target=self._work, args=(batch, future)).start()
        return future

    def _work(self, batch: list[ScriptedImage], future: "Future[list[Score]]") -> None:
        self._before(batch)
        future.set_result([Score(log_odds=float(each.content), visual_tokens=1, latency_ms=1.0) for each in batch])


def run_all(
    executor: object,
    buffer: PrefetchBuffer[ScriptedImage],
    queue: DeviceQueue | None = None,
    results: list[str] | None = None,
) -> list[str]:
    """Score what is in a buffer, and return the keys in the order of their results. results: filled on the way."""
    results = [] if results is None else results
    runner = BatchRunner(
        QUERY,
        executor,
        buffer,
        (queue or DeviceQueue(executor.capacity)).ticket(),
        run_id="a",
        stored=StoredScores(None, QUERY, "a"),
        on_result=lambda key, _: results.append(key),
    )
    runner.run()
    return results


def test_a_device_that_works_is_not_given_a_small_batch_while_more_is_prepared() -> None:
    waiting = images(7)
    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(7, max_bytes=100)
    for _ in range(7):
        buffer.claim()
    buffer.put(waiting.pop(0))

    def put_three(_: list[ScriptedImage]) -> None:
        for image in waiting[:3]:
            buffer.put(image)
        del waiting[:3]

    executor = Threaded(1, put_three)
    assert len(run_all(executor, buffer)) == 7
    assert executor.batches == [[0], [1, 2, 3], [4, 5, 6]]


def test_an_idle_device_beside_others_that_work_is_given_what_is_ready() -> None:
    """Otherwise three devices would wait for the pictures of a fourth."""
    waiting, second = images(2), threading.Event()
    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(2, max_bytes=100)
    for _ in range(2):
        buffer.claim()
    buffer.put(waiting[0])

    def work(batch: list[ScriptedImage]) -> None:
        if batch == waiting[:1]:
            buffer.put(waiting[1])
            assert second.wait(PATIENCE_S), "the second device was given nothing"
        second.set()

    executor = Threaded(2, work)
    assert sorted(run_all(executor, buffer)) == ["0", "1"]


def test_batches_are_reported_in_the_order_in_which_they_are_done() -> None:
    """A device that is slow holds up nothing but its own batches."""
    results: list[str] = []

    def work(batch: list[ScriptedImage]) -> None:
        if batch[0].key == "0":
            until(lambda: len(results) == 17)

    run_all(Threaded(2, work), filled(20), results=results)
    assert results[-3:] == ["0", "1", "2"]
    assert sorted(map(int, results)) == list(range(20))


def test_two_runs_with_a_batch_each_do_not_wait_for_the_slot_of_the_other() -> None:
    """Each holds a slot and wants another one: a slot is given back when a batch is done, not when it is reported."""
    both = threading.Barrier(2)

    def work(batch: list[ScriptedImage]) -> None:
        if batch[0].key == "0":
            both.wait(PATIENCE_S)

    queue = DeviceQueue(2)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(run_all, Threaded(1, work), filled(20), queue) for _ in range(2)]
        assert [len(run.result(PATIENCE_S)) for run in runs] == [20, 20]


def test_a_batch_has_images_of_one_home_and_homes_take_turns() -> None:
    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(9, max_bytes=100)
    homes = ("a", "a", "b", "a", None, "b", "a", "b", None)
    for image, home in zip(images(9), homes, strict=True):
        buffer.claim()
        buffer.put(replace(image, home=home))
    taken = [[image.key for image in buffer.take(3)] for _ in range(5)]
    assert taken == [["0", "1", "3"], ["2", "5", "7"], ["4", "8"], ["6"], []]
    assert not buffer.has_ready(1)


def test_a_batch_is_full_when_the_images_of_one_home_are() -> None:
    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(9, max_bytes=100)
    for image, home in zip(images(4), ("a", "b", "a", "b"), strict=True):
        buffer.claim()
        buffer.put(replace(image, home=home))
    buffer.claim()  # something else will come
    assert (buffer.has_ready(2), buffer.has_ready(3)) == (True, False)
    assert (buffer.has_ready(4, example_tokens=1), buffer.has_ready(5, example_tokens=1)) == (True, False)
