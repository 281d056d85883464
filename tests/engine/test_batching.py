"""Batches of a run on an executor that takes several at a time."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest

from reranker.core.cancellation import Cancellation
from reranker.core.errors import DeviceFailed, PictureOutOfMemory
from reranker.core.types import Query, Score
from reranker.engine.batching import BatchRunner, score_prepared
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.prefetch import PrefetchBuffer
from reranker.engine.results import StoredScores
from tests.support.scripted_scorer import ScriptedImage, ScriptedScorer, engine_of, number

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
    """An executor that finishes its oldest batch only when `capacity` are in flight, or nothing else can come."""

    def __init__(self, capacity: int, batch_tokens: int = 2) -> None:
        self.capacity, self.batch_tokens = capacity, batch_tokens
        self.info = ScriptedScorer().info
        self.most_in_flight = 0
        self._in_flight: deque[tuple[Future[list[Score]], list[Score]]] = deque()

    def submit(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> "Future[list[Score]]":
        scores = [Score(log_odds=float(image.content), visual_tokens=1, latency_ms=1.0) for image in batch]
        future = LateFuture(self)
        self._in_flight.append((future, scores))
        self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
        return future

    def finish_until(self, future: "Future[list[Score]]") -> None:
        while not future.done():
            self.finish(*self._in_flight.popleft())

    def finish(self, future: "Future[list[Score]]", scores: list[Score]) -> None:
        future.set_result(scores)


class LateFuture(Future):
    """A batch that is computed when its result is waited for."""

    def __init__(self, executor: Pipelined) -> None:
        super().__init__()
        self._executor = executor

    def result(self, timeout: float | None = None) -> list[Score]:
        self._executor.finish_until(self)
        return super().result(timeout)


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_as_many_batches_are_in_flight_as_the_executor_takes(capacity: int) -> None:
    executor, results = Pipelined(capacity), {}
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
    executor = Pipelined(2)

    def on_result(key: str, result: object) -> None:
        results[key] = result
        cancellation.cancel()

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

    executor, device_queue, results = Failing(capacity), DeviceQueue(capacity), {}
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


def test_a_device_that_works_is_not_given_a_small_batch_while_more_is_prepared() -> None:
    sizes: list[int] = []

    class Recording(Pipelined):
        def submit(
            self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
        ) -> "Future[list[Score]]":
            sizes.append(len(batch))
            return super().submit(query, batch, run_id, example)

        def finish(self, future: "Future[list[Score]]", scores: list[Score]) -> None:
            super().finish(future, scores)
            for image in waiting[:3]:
                buffer.put(image)
            del waiting[:3]

    buffer: PrefetchBuffer[ScriptedImage] = PrefetchBuffer(7, max_bytes=100)
    waiting = images(7)
    for _ in range(7):
        buffer.claim()
    buffer.put(waiting.pop(0))
    stored, results = StoredScores(None, QUERY, "a"), {}
    ticket = DeviceQueue(2).ticket()
    executor = Recording(2, batch_tokens=3)
    BatchRunner(QUERY, executor, buffer, ticket, run_id="a", stored=stored, on_result=results.__setitem__).run()
    assert sizes == [1, 3, 3]
    assert len(results) == 7
