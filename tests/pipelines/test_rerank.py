import logging
import math
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.cancellation import Cancellation
from reranker.core.errors import (
    DeviceFailed,
    PictureError,
    PictureOutOfMemory,
    PictureScoreNotFinite,
    PictureSkipped,
    PictureTooLarge,
    PictureUnreadable,
    PictureUnscored,
)
from reranker.core.types import Candidate, Failed, Query, Ranking, Score, Scored
from reranker.engine.device_queue import DeviceQueue
from reranker.pipelines.rerank import RankStream, sort_events, unfit_precision
from tests.support.paths import ROOT
from tests.support.scripted_scorer import (
    PATIENCE_S,
    QUERY,
    Blocked,
    ScriptedImage,
    ScriptedScorer,
    content_of,
    number,
    pictures,
    rank,
    rank_stream,
    until,
)

properties = settings(deadline=None, max_examples=40, database=None)
float32s = st.floats(-50, 50, width=32)


@contextmanager
def safety_net(stream: RankStream) -> Iterator[None]:
    """A stream that hangs is closed, so that the test fails and does not hang with it."""
    net = threading.Timer(PATIENCE_S, stream.close)
    net.start()
    try:
        yield
    finally:
        net.cancel()
        net.join()


def drain(stream: RankStream) -> list[Scored | Failed | Ranking]:
    with safety_net(stream):
        return list(stream)


def first_of(stream: RankStream) -> Scored | Failed | Ranking:
    with safety_net(stream):
        return next(stream)


def split(items: Sequence[Scored | Failed | Ranking]) -> tuple[list[Scored | Failed], Ranking]:
    """Events and the ranking, which comes last and once."""
    events = [item for item in items if isinstance(item, Scored | Failed)]
    (ranking,) = [item for item in items if isinstance(item, Ranking)]
    assert items[-1] is ranking
    return events, ranking


def streamed(candidates: Sequence[Candidate], scorer: ScriptedScorer) -> tuple[list[Scored | Failed], Ranking]:
    return split(drain(rank_stream(QUERY, candidates, scorer=scorer, device_queue=DeviceQueue())))


def failures(events: Sequence[Scored | Failed]) -> dict[str, PictureError]:
    return {event.candidate.name: event.error for event in events if isinstance(event, Failed)}


def assert_one_event_each(events: Sequence[Scored | Failed], ranking: Ranking, count: int) -> None:
    assert sorted(event.position for event in events) == list(range(count))
    ranked = [scored.position for scored in ranking.scored] + [failed.position for failed in ranking.failed]
    assert sorted(ranked) == list(range(count))


def assert_free(device_queue: DeviceQueue) -> None:
    with ThreadPoolExecutor(1) as pool:
        ticket = device_queue.ticket()
        pool.submit(ticket.acquire).result(PATIENCE_S)
        ticket.release()


def run_threads() -> list[threading.Thread]:
    """Of runs; the one of torch belongs to a model, and those that decode for workers to the process."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("reranker-")]
    return [thread for thread in threads if not thread.name.startswith(("reranker-torch", "reranker-remote"))]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    for thread in run_threads():
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), thread.name


# What comes out, and in which order


def test_the_best_comes_first() -> None:
    ranking = rank(QUERY, pictures([1.5, 8, -3]), scorer=ScriptedScorer(judge=number), device_queue=DeviceQueue())
    assert [(scored.candidate.name, scored.score.log_odds) for scored in ranking.scored] == [
        ("1", 8.0),
        ("0", 1.5),
        ("2", -3.0),
    ]
    assert ranking.failed == ()


def test_the_ranking_says_what_made_it() -> None:
    scorer = ScriptedScorer(fingerprint="abc", temperature=1.7)
    ranking = rank(QUERY, [], scorer=scorer, device_queue=DeviceQueue())
    assert ranking == Ranking(query=QUERY, fingerprint="abc", temperature=1.7, scored=(), failed=())


def test_the_query_reaches_the_scorer() -> None:
    candidates = pictures(range(6))
    first, second = (
        rank(Query(text=text), candidates, scorer=ScriptedScorer(), device_queue=DeviceQueue()).scored
        for text in ("鸟", "dog")
    )
    assert {s.position: s.score.log_odds for s in first} != {s.position: s.score.log_odds for s in second}


@properties
@given(st.lists(float32s, max_size=20), st.integers(1, 7), st.integers(1, 3), st.integers(1, 99), st.randoms())
def test_any_order_batch_tokens_and_look_ahead_give_the_same_ranking(
    values: list[float], batch_tokens: int, prefetch_threads: int, prefetch_bytes: int, random: Random
) -> None:
    shuffled = random.sample(values, len(values))
    ranking = rank(
        QUERY,
        pictures(shuffled),
        scorer=ScriptedScorer(judge=number, batch_tokens=batch_tokens),
        device_queue=DeviceQueue(),
        prefetch_threads=prefetch_threads,
        prefetch_bytes=prefetch_bytes,
    )
    assert [scored.score.log_odds for scored in ranking.scored] == sorted(values, reverse=True)
    assert [s.position for s in ranking.scored] == sorted(range(len(values)), key=lambda i: (-shuffled[i], i))


@properties
@given(st.lists(float32s, max_size=12), st.sets(st.integers(0, 11)), st.none() | st.integers(1, 5))
def test_drained_is_streamed_is_sort_events(values: list[float], bad: set[int], top_k: int | None) -> None:
    candidates = pictures([content if i not in bad else "bad" for i, content in enumerate(values)])
    ranking = rank(QUERY, candidates, scorer=ScriptedScorer(judge=number), device_queue=DeviceQueue(), top_k=top_k)
    stream = rank_stream(
        QUERY, candidates, scorer=ScriptedScorer(judge=number), device_queue=DeviceQueue(), top_k=top_k
    )
    events, last = split(drain(stream))
    assert [scored.position for scored in last.scored] == [scored.position for scored in ranking.scored]
    assert [failed.position for failed in last.failed] == [failed.position for failed in ranking.failed]
    assert (last.scored, last.failed) == sort_events(events, top_k)
    assert len(last.failed) == len(bad & set(range(len(values)))), "top_k cuts the scored ones only"


def scored(position: int, order_key: float) -> Scored:
    score = Score(log_odds=order_key, visual_tokens=1, latency_ms=1.0)
    return Scored(position=position, candidate=Candidate(name=str(position), source=b""), score=score)


def failed(position: int) -> Failed:
    candidate = Candidate(name=str(position), source=b"")
    return Failed(position=position, candidate=candidate, error=PictureSkipped(name=candidate.name))


def test_what_is_equal_in_float32_stays_by_position() -> None:
    events: list[Scored | Failed] = [scored(2, 1.0), failed(4), scored(1, 1.0 - 1e-9), scored(0, 1.0 - 1e-6), failed(3)]
    best, lost = sort_events(events)
    assert [event.position for event in best] == [1, 2, 0]
    assert [event.position for event in lost] == [3, 4]


def test_top_k_keeps_the_best() -> None:
    best, lost = sort_events([scored(0, 1.0), failed(1), scored(2, 3.0), scored(3, 2.0), failed(4), failed(5)], 2)
    assert [event.position for event in best] == [2, 3]
    assert [event.position for event in lost] == [1, 4, 5], "it cuts the scored ones only"


# What goes wrong costs itself


@properties
@given(
    st.lists(st.sampled_from(["fine", "unreadable", "unjudged", "nan"]), max_size=24),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_one_event_per_candidate_and_a_failure_is_never_a_number(
    kinds: list[str], batch: int, prefetch_threads: int
) -> None:
    def read(candidate: Candidate) -> bytes:
        if b"unreadable" in content_of(candidate):
            raise PictureUnreadable(name=candidate.name, reason="truncated")
        return content_of(candidate)

    def judge(query: Query, content: bytes) -> float:
        if b"unjudged" in content:
            raise ValueError("a device error")
        return math.nan if content.startswith(b"nan") else 1.0

    candidates = pictures([f"{kind} {i}" for i, kind in enumerate(kinds)])
    scorer = ScriptedScorer(read=read, judge=judge, batch_tokens=batch)
    stream = rank_stream(
        QUERY, candidates, scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=prefetch_threads
    )
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, len(kinds))
    assert [kinds[event.position] for event in ranking.scored] == ["fine"] * kinds.count("fine")
    assert [event.position for event in ranking.failed] == [i for i, kind in enumerate(kinds) if kind != "fine"]
    assert all(event.error.name == event.candidate.name for event in ranking.failed)


@properties
@given(st.integers(1, 20), st.sets(st.integers(0, 19)), st.integers(1, 9))
def test_a_batch_that_fails_is_halved_until_only_the_culprit_fails(count: int, culprits: set[int], batch: int) -> None:
    culprits &= set(range(count))

    def judge(query: Query, content: bytes) -> float:
        if int(content) in culprits:
            raise RuntimeError("CUDA out of memory in /home/somebody")
        return 1.0

    scorer = ScriptedScorer(judge=judge, batch_tokens=batch)
    events, _ = streamed(pictures(range(count)), scorer)
    assert {name: error.reason for name, error in failures(events).items() if isinstance(error, PictureUnscored)} == {
        str(i): "RuntimeError" for i in culprits
    }
    assert sorted(scorer.scored) == sorted(str(i).encode() for i in set(range(count)) - culprits), "each once"
    assert {asked[0] for asked in scorer.batches if len(asked) == 1} >= {str(i).encode() for i in culprits}
    assert max(len(asked) for asked in scorer.batches) <= batch


@properties
@given(st.integers(1, 16), st.integers(0, 15), st.integers(1, 9), st.booleans())
def test_running_out_of_memory_anywhere_loses_nothing(count: int, call: int, batch: int, once: bool) -> None:
    """The device runs out at one call of `judge`, and goes on, or at every further try of the same picture."""
    calls: list[bytes] = []

    def judge(query: Query, content: bytes) -> float:
        calls.append(content)
        if len(calls) == call + 1 or (not once and len(calls) > call and content == calls[call]):
            raise PictureOutOfMemory(name="", visual_tokens=9)
        return 1.0

    scorer = ScriptedScorer(judge=judge, batch_tokens=batch)
    events, ranking = streamed(pictures(range(count)), scorer)
    assert_one_event_each(events, ranking, count)
    lost = failures(events)
    assert len(lost) <= 1
    assert all(isinstance(error, PictureOutOfMemory) and error.name == name for name, error in lost.items())
    assert len(scorer.scored) == len(set(scorer.scored)) == count - len(lost), "each once"
    if call < count and not once:
        assert lost


def test_a_device_that_failed_ends_the_run_after_what_was_scored_and_the_next_run_can_begin() -> None:
    def judge(query: Query, content: bytes) -> float:
        if content == b"3":
            raise DeviceFailed
        return 1.0

    device_queue, scorer, events = DeviceQueue(), ScriptedScorer(judge=judge, batch_tokens=1), []
    stream = rank_stream(QUERY, pictures(range(9)), scorer=scorer, device_queue=device_queue, prefetch_threads=1)
    with safety_net(stream), pytest.raises(DeviceFailed):
        events.extend(stream)
    assert scorer.batches == [[b"0"], [b"1"], [b"2"], [b"3"]]
    assert [event.candidate.name for event in events if isinstance(event, Scored)] == ["0", "1", "2"]
    assert len(events) == 3, "no picture is blamed"
    assert_free(device_queue)


def test_a_batch_is_asked_again_in_halves() -> None:
    ready = threading.Event()

    def judge(query: Query, content: bytes) -> float:
        if content == b"0":
            assert ready.wait(PATIENCE_S)
        if content == b"5":
            raise RuntimeError
        return 1.0

    def read(candidate: Candidate) -> bytes:
        if candidate.name == "1":
            until(lambda: len(scorer.batches) == 1)
        if candidate.name == "last":  # the one reader comes here when all others are ready
            ready.set()
            until(lambda: len(scorer.batches) == 8)
        return content_of(candidate)

    scorer = ScriptedScorer(judge=judge, read=read, batch_tokens=8)
    last = Candidate(name="last", source=b"last")
    stream = rank_stream(
        QUERY, [*pictures(range(9)), last], scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1
    )
    events, _ = split(drain(stream))
    assert [[int(content) for content in batch] for batch in scorer.batches[:8]] == [
        [0],
        [1, 2, 3, 4, 5, 6, 7, 8],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [5, 6],
        [5],
        [6],
        [7, 8],
    ]
    assert list(failures(events)) == ["5"]


def test_a_picture_error_of_the_scorer_is_kept() -> None:
    def judge(query: Query, content: bytes) -> float:
        if content == b"2":
            raise PictureTooLarge(name="inside", width=9, height=8, max_pixels=7)
        return 1.0

    events, _ = streamed(pictures(range(4)), ScriptedScorer(judge=judge))
    (error,) = failures(events).values()
    assert isinstance(error, PictureTooLarge)
    assert (error.name, error.width, error.height, error.max_pixels) == ("2", 9, 8, 7)


def test_what_nobody_foresaw_is_logged_and_its_text_shown_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def read(candidate: Candidate) -> bytes:
        raise OSError("/home/somebody/secret.png")

    with caplog.at_level(logging.ERROR, "reranker.engine"):
        events, _ = streamed(pictures([1]), ScriptedScorer(read=read))
    (error,) = failures(events).values()
    assert isinstance(error, PictureUnscored)
    assert error.reason == "OSError"
    assert "secret.png" in caplog.text


def test_a_foreseen_failure_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    events, _ = streamed([Candidate.of(Path("nowhere.png"))], ScriptedScorer())
    assert list(failures(events)) == ["nowhere.png"]
    assert caplog.text == ""


@pytest.mark.parametrize("where", ["read", "judge"])
@pytest.mark.parametrize("raised", [PictureUnreadable(name="x", reason="damaged"), ValueError()])
def test_a_failure_keeps_no_traceback_alive(where: str, raised: Exception) -> None:
    def fail(*_: object) -> bytes:
        try:
            raise KeyError
        except KeyError:
            raise raised from None

    scorer = ScriptedScorer(read=fail) if where == "read" else ScriptedScorer(judge=fail)  # type: ignore[arg-type]
    events, _ = streamed(pictures([1]), scorer)
    (error,) = failures(events).values()
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e39"])
def test_a_number_that_is_none_is_a_failure(value: str) -> None:
    events, ranking = streamed(pictures([value, 1]), ScriptedScorer(judge=number))
    (error,) = failures(events).values()
    assert isinstance(error, PictureScoreNotFinite)
    assert error.precision == "fp32"
    assert [scored.position for scored in ranking.scored] == [1]


@pytest.mark.parametrize("contents", [["nan"], ["inf", "nan", "-inf"]])
def test_where_all_numbers_are_none_the_precision_is_to_blame(contents: list[str]) -> None:
    _, ranking = streamed(pictures(contents), ScriptedScorer(judge=number))
    assert unfit_precision(ranking).precision == "fp32"


@pytest.mark.parametrize("contents", [[], ["nan", "no number"], ["nan", 1]])
def test_otherwise_it_is_not(contents: list[object]) -> None:
    _, ranking = streamed(pictures(contents), ScriptedScorer(judge=number))
    assert unfit_precision(ranking) is None


class Forgetful(ScriptedScorer):
    """Returns a score too few for each batch of more than one image, and one too many for a single image."""

    def score(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> list[Score]:
        scores = super().score(query, batch, run_id, example)
        return scores[1:] if len(batch) > 1 else scores * 2


def test_a_scorer_that_returns_another_number_of_scores_fails_the_batch() -> None:
    events, ranking = streamed(pictures(range(9)), Forgetful())
    assert_one_event_each(events, ranking, 9)
    errors = failures(events).values()
    assert len(errors) == 9
    assert {(type(error), error.reason) for error in errors} == {(PictureUnscored, "no answer")}


def test_a_run_has_a_name_of_its_own() -> None:
    seen = []

    class Noting(ScriptedScorer):
        def score(
            self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
        ) -> list[Score]:
            seen.append(run_id)
            return super().score(query, batch, run_id, example)

    for _ in range(2):
        streamed(pictures(range(9)), Noting(batch_tokens=3))
    assert len(set(seen)) == 2
    assert len(seen) >= 6


@pytest.mark.parametrize("hook", ["read", "judge"])
def test_an_interrupt_is_not_swallowed(hook: str) -> None:
    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    scorer = ScriptedScorer(read=interrupt) if hook == "read" else ScriptedScorer(judge=interrupt)  # type: ignore[arg-type]
    device_queue = DeviceQueue()
    stream = rank_stream(QUERY, pictures(range(50)), scorer=scorer, device_queue=device_queue, prefetch_threads=1)
    with pytest.raises(KeyboardInterrupt):
        drain(stream)
    assert drain(stream) == []
    assert_free(device_queue)


def test_an_interrupt_of_the_last_reader_leaves_no_device_thread_waiting() -> None:
    def read(candidate: Candidate) -> bytes:
        if candidate.name == "1":
            until(lambda: len(scorer.scored) == 1)
            for _ in range(50):
                time.sleep(0)  # the device thread may come back for more
            raise KeyboardInterrupt
        return content_of(candidate)

    scorer = ScriptedScorer(read=read)
    with pytest.raises(KeyboardInterrupt):
        drain(rank_stream(QUERY, pictures(range(9)), scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1))


# Same bytes are looked at once


@properties
@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 5), st.integers(1, 3))
def test_same_bytes_are_judged_once(contents: list[int], batch: int, prefetch_threads: int) -> None:
    scorer = ScriptedScorer(judge=number, batch_tokens=batch)
    stream = rank_stream(
        QUERY, pictures(contents), scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=prefetch_threads
    )
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, len(contents))
    assert sorted(scorer.scored) == sorted(str(content).encode() for content in set(contents))
    assert all(event.score.log_odds == contents[event.position] for event in ranking.scored)
    fresh = Counter(contents[event.position] for event in ranking.scored if not event.score.cached)
    assert fresh == Counter(set(contents)), "all but the first of each are known"


def test_a_repeat_that_comes_while_the_first_is_judged_waits_for_it() -> None:
    last_is_read = threading.Event()

    def read(candidate: Candidate) -> bytes:
        if candidate.name == "2":  # the one reader is done with the repeat
            until(lambda: len(scorer.batches) == 1)
            last_is_read.set()
        return content_of(candidate)

    def judge(query: Query, content: bytes) -> float:
        assert last_is_read.wait(PATIENCE_S)
        return number(query, content)

    scorer = ScriptedScorer(judge=judge, read=read)
    events, _ = split(
        drain(rank_stream(QUERY, pictures([7, 7, 8]), scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1)),
    )
    assert [(e.position, e.score.cached) for e in events if isinstance(e, Scored)] == [
        (0, False),
        (1, True),
        (2, False),
    ]
    assert scorer.batches == [[b"7"], [b"8"]]


def test_a_repeat_that_comes_later_needs_no_turn() -> None:
    judged = threading.Event()

    def read(candidate: Candidate) -> bytes:
        assert candidate.name == "0" or judged.wait(PATIENCE_S)
        return content_of(candidate)

    scorer = ScriptedScorer(judge=number, read=read)
    stream = rank_stream(QUERY, pictures([7, 8, 7]), scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1)
    first_of(stream)
    judged.set()
    events, _ = split(drain(stream))
    assert {(e.position, e.score.cached) for e in events if isinstance(e, Scored)} == {(1, False), (2, True)}
    assert scorer.batches == [[b"7"], [b"8"]]


def test_repeats_fail_as_the_first_did_each_under_its_own_name() -> None:
    scorer = ScriptedScorer(judge=number)
    events, _ = streamed(pictures(["bad", 1, "bad"]), scorer)
    assert {name: error.name for name, error in failures(events).items()} == {"0": "0", "2": "2"}
    assert len([batch for batch in scorer.batches if batch == [b"bad"]]) == 1


# Equal pixels in different files get one score


def by_chance(query: Query, content: bytes) -> float:
    """Return other log-odds at each call, like a model whose rounding depends on the batch."""
    return number(query, content) + next(_calls) * 1e-6


_calls = count()


class RememberedScores(dict[tuple[str, str, str], Score]):
    """A `ScoreStore` in memory."""

    def get(self, key: str, query: Query, fingerprint: str) -> Score | None:
        return super().get((key, query.text, fingerprint))

    def put(self, query: Query, fingerprint: str, scores: dict[str, Score]) -> None:
        self.update({(key, query.text, fingerprint): score for key, score in scores.items()})

    def put_new(self, query: Query, fingerprint: str, scores: dict[str, Score]) -> None:
        for key, score in scores.items():
            self.setdefault((key, query.text, fingerprint), score)


@properties
@given(
    st.lists(st.sampled_from(["1", " 1", "1 ", "2", " 2", "3"]), max_size=12),
    st.integers(1, 5),
    st.integers(1, 3),
    st.booleans(),
)
def test_files_of_equal_pixels_get_one_score_in_any_order(
    contents: list[str], batch: int, prefetch_threads: int, stored: bool
) -> None:
    scorer, store = ScriptedScorer(judge=by_chance, batch_tokens=batch), RememberedScores() if stored else None
    for candidates in (pictures(contents), pictures(contents[::-1])):
        stream = rank_stream(
            QUERY,
            candidates,
            scorer=scorer,
            device_queue=DeviceQueue(),
            prefetch_threads=prefetch_threads,
            store=store,
        )
        events, ranking = split(drain(stream))
        assert_one_event_each(events, ranking, len(contents))
        pixels = [(each.candidate.source.strip(), each.score.log_odds) for each in ranking.scored]
        assert len(set(pixels)) == len({content.strip() for content in contents})
        assert [each.position for each in ranking.scored] == sorted(
            range(len(contents)), key=lambda position: (-int(candidates[position].source), position)
        )
    if stored:
        assert Counter(content.strip() for content in scorer.scored) == Counter(
            {content.strip().encode() for content in contents}
        ), "a score is stored for the pixels, too"


def test_runs_at_the_same_time_give_files_of_equal_pixels_one_score() -> None:
    """Each run has encoded its picture before the other one has a score."""
    store, both_judge = RememberedScores(), threading.Barrier(2, timeout=PATIENCE_S)

    def judge(query: Query, content: bytes) -> float:
        both_judge.wait()
        return by_chance(query, content)

    def ranked(content: object) -> float:
        scorer = ScriptedScorer(judge=judge)
        ranking = rank(QUERY, pictures([content]), scorer=scorer, device_queue=DeviceQueue(), store=store)
        return ranking.scored[0].score.log_odds

    with ThreadPoolExecutor(2) as pool:
        shown = set(pool.map(ranked, ["1", " 1"]))
    again = rank(QUERY, pictures(["1", " 1"]), scorer=ScriptedScorer(), device_queue=DeviceQueue(), store=store)
    assert shown == {each.score.log_odds for each in again.scored}
    assert len(shown) == 1


def test_equal_pixels_beside_other_texts_are_scored_on_their_own() -> None:
    candidates = [Candidate(name=text, source=source, text=text) for text in ("", "a", "b") for source in (b"1", b" 1")]
    scorer = ScriptedScorer(judge=number)
    rank(QUERY, candidates, scorer=scorer, device_queue=DeviceQueue())
    assert len(scorer.scored) == 3


def test_files_of_the_pixels_of_one_that_fails_fail_each_under_its_own_name() -> None:
    events, _ = streamed(pictures(["bad", " bad", 1]), ScriptedScorer(judge=number))
    assert {name: error.name for name, error in failures(events).items()} == {"0": "0", "1": "1"}


# Soon, fair, and within bounds


def test_the_first_does_not_wait_for_a_full_batch() -> None:
    first_came = threading.Event()

    def read(candidate: Candidate) -> bytes:
        assert candidate.name == "0" or first_came.wait(PATIENCE_S)
        return content_of(candidate)

    scorer = ScriptedScorer(read=read, batch_tokens=8)
    stream = rank_stream(QUERY, pictures(range(5)), scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1)
    first = first_of(stream)
    first_came.set()
    assert isinstance(first, Scored)
    assert first.position == 0
    assert len(drain(stream)) == 5


def test_a_failure_is_told_while_the_device_works() -> None:
    told = threading.Event()

    def judge(query: Query, content: bytes) -> float:
        assert told.wait(PATIENCE_S)
        return 1.0

    stream = rank_stream(
        QUERY,
        [*pictures([1]), Candidate.of(Path("nowhere.png"))],
        scorer=ScriptedScorer(judge=judge),
        device_queue=DeviceQueue(),
    )
    assert isinstance(first_of(stream), Failed)
    told.set()
    assert isinstance(first_of(stream), Scored)
    assert len(drain(stream)) == 1


def test_a_slow_listener_does_not_keep_the_device() -> None:
    device_queue = DeviceQueue()
    scorer = ScriptedScorer()
    stream = rank_stream(QUERY, pictures(range(20)), scorer=scorer, device_queue=device_queue)
    first_of(stream)
    until(lambda: len(scorer.scored) == 20)
    assert_free(device_queue)
    assert len(drain(stream)) == 20


def test_pictures_are_read_while_the_device_works() -> None:
    def judge(query: Query, content: bytes) -> float:
        until(lambda: len(scorer.read_names) == 30)
        return 1.0

    scorer = ScriptedScorer(judge=judge)
    assert len(streamed(pictures(range(30)), scorer)[0]) == 30


@properties
@given(
    st.lists(st.integers(1, 60), max_size=40),
    st.sets(st.integers(0, 39), max_size=10),
    st.integers(0, 120),
    st.integers(1, 3),
    st.integers(1, 6),
)
def test_what_is_read_ahead_is_bounded_in_bytes(
    sizes: list[int], culprits: set[int], bound: int, prefetch_threads: int, batch: int
) -> None:
    def judge(query: Query, content: bytes) -> float:
        until(lambda: scorer.held_bytes >= bound or len(scorer.read_names) == len(sizes))
        if int(content) in culprits:
            raise PictureTooLarge(name="", width=9, height=8, max_pixels=7)
        return 1.0

    scorer = ScriptedScorer(judge=judge, batch_tokens=batch)
    candidates = pictures([f"{i}".zfill(4).ljust(4 + size) for i, size in enumerate(sizes)])
    stream = rank_stream(
        QUERY,
        candidates,
        scorer=scorer,
        device_queue=DeviceQueue(),
        prefetch_threads=prefetch_threads,
        prefetch_bytes=bound,
    )
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, len(sizes))
    assert scorer.peak_bytes <= bound + prefetch_threads * max((4 + size for size in sizes), default=0)


def test_what_fails_in_a_batch_is_released_once() -> None:
    def judge(query: Query, content: bytes) -> float:
        for _ in range(20):
            time.sleep(0)  # the reader may go as far as it dares
        raise PictureTooLarge(name="", width=9, height=8, max_pixels=7)

    scorer = ScriptedScorer(judge=judge, batch_tokens=8)
    candidates = pictures(range(1000, 1100))
    stream = rank_stream(
        QUERY, candidates, scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1, prefetch_bytes=32
    )
    assert len(drain(stream)) == 101
    assert scorer.peak_bytes <= 36


def test_no_picture_stays_in_memory_after_the_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "reranker.engine")  # pytest keeps what is logged, frames and all

    def judge(query: Query, content: bytes) -> float:
        if content == b"huge":
            raise PictureTooLarge(name="", width=9, height=8, max_pixels=7)
        return number(query, content)

    scorer = ScriptedScorer(judge=judge)
    stream = rank_stream(QUERY, pictures([1, "bad", "huge", 2, 2, "nan"]), scorer=scorer, device_queue=DeviceQueue())
    assert len(drain(stream)) == 7
    for thread in run_threads():
        thread.join(PATIENCE_S)
    assert scorer.held_bytes == 0, "though the stream is still there"


def test_five_thousand_pictures() -> None:
    scorer = ScriptedScorer(batch_tokens=16)
    stream = rank_stream(QUERY, pictures(range(5_000)), scorer=scorer, device_queue=DeviceQueue(), prefetch_bytes=400)
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, 5_000)
    assert scorer.peak_bytes <= 408


def test_two_pictures_beside_many_are_answered_within_two_batches() -> None:
    device_queue = DeviceQueue()
    log: list[str] = []
    small_done = threading.Event()

    def small_judge(query: Query, content: bytes) -> float:
        log.append("small")
        return 1.0

    def big_judge(query: Query, content: bytes) -> float:
        log.append("big")
        until(lambda: small_done.is_set() or small.queue_position == 0)
        return 1.0

    small = rank_stream(
        QUERY, pictures([1, 2]), scorer=ScriptedScorer(judge=small_judge, batch_tokens=1), device_queue=device_queue
    )
    big = rank_stream(
        QUERY, pictures(range(40)), scorer=ScriptedScorer(judge=big_judge, batch_tokens=1), device_queue=device_queue
    )
    gate = device_queue.ticket()
    with ThreadPoolExecutor(2) as pool:
        with gate.slot():
            all_of_big = pool.submit(drain, big)
            until(lambda: big.queue_position == 0)
            all_of_small = pool.submit(drain, small)
            all_of_small.add_done_callback(lambda _: small_done.set())
            until(lambda: small.queue_position == 1)
        assert len(all_of_small.result(PATIENCE_S)) == 3
        assert len(all_of_big.result(PATIENCE_S)) == 41
    assert (log[0], log[:4].count("small")) == ("big", 2)
    assert log.count("big") == 40


def test_a_run_says_how_many_go_first() -> None:
    device_queue = DeviceQueue()
    streams = [rank_stream(QUERY, pictures([1]), scorer=ScriptedScorer(), device_queue=device_queue) for _ in range(3)]
    gate = device_queue.ticket()
    with ThreadPoolExecutor(3) as pool:
        with gate.slot():
            assert streams[0].queue_position is None
            done = []
            for place, stream in enumerate(streams):
                done.append(pool.submit(drain, stream))
                until(lambda place=place, stream=stream: stream.queue_position == place)  # type: ignore[misc]
        assert [len(each.result(PATIENCE_S)) for each in done] == [2, 2, 2]
    assert [stream.queue_position for stream in streams] == [None] * 3


# Stopping


def assert_skipped(events: Sequence[Scored | Failed], positions: Sequence[int]) -> None:
    skipped = [e.position for e in events if isinstance(e, Failed) and isinstance(e.error, PictureSkipped)]
    assert sorted(skipped) == list(positions)


def test_a_stop_keeps_what_was_scored_and_skips_the_rest() -> None:
    cancellation = Cancellation()

    def judge(query: Query, content: bytes) -> float:
        if len(scorer.batches) == 3:
            cancellation.cancel()
        return 1.0

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    device_queue = DeviceQueue()
    stream = rank_stream(
        QUERY,
        pictures(range(50)),
        scorer=scorer,
        device_queue=device_queue,
        cancellation=cancellation,
        prefetch_threads=1,
    )
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, 50)
    assert [event.position for event in ranking.scored] == [0, 1, 2]
    assert_skipped(events, range(3, 50))
    assert len(scorer.batches) == 3
    assert_free(device_queue)


def test_a_stop_before_the_start() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    scorer = ScriptedScorer()
    stream = rank_stream(
        QUERY, pictures(range(5)), scorer=scorer, device_queue=DeviceQueue(), cancellation=cancellation
    )
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, 5)
    assert_skipped(events, range(5))
    assert scorer.read_names == []


def test_a_stop_while_waiting_for_the_device() -> None:
    device_queue, cancellation, scorer = DeviceQueue(), Cancellation(), ScriptedScorer()
    stream = rank_stream(QUERY, pictures(range(5)), scorer=scorer, device_queue=device_queue, cancellation=cancellation)
    with ThreadPoolExecutor(1) as pool:
        with device_queue.ticket().slot():
            items = pool.submit(drain, stream)
            until(lambda: stream.queue_position == 0)
            cancellation.cancel()
        events, _ = split(items.result(PATIENCE_S))
    assert_skipped(events, range(5))
    assert scorer.batches == []


def test_a_stop_ends_readers_that_wait_for_room_though_nobody_listens() -> None:
    device_queue, cancellation, scorer = DeviceQueue(), Cancellation(), ScriptedScorer()
    candidates = [Candidate.of(Path("nowhere.png")), *pictures(range(5))]
    stream = rank_stream(
        QUERY,
        candidates,
        scorer=scorer,
        device_queue=device_queue,
        cancellation=cancellation,
        prefetch_threads=1,
        prefetch_bytes=1,
    )
    with device_queue.ticket().slot():
        assert isinstance(first_of(stream), Failed)
        until(lambda: stream.queue_position == 0)
        cancellation.cancel()
    for thread in run_threads():
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    events, _ = split(drain(stream))
    assert_skipped(events, range(1, 6))


class CancelledAfter(Cancellation):
    """Is cancelled once it has been read so often: a cancellation between any two steps of any thread."""

    def __init__(self, reads: int) -> None:
        super().__init__()
        self._reads = reads

    @property
    def cancelled(self) -> bool:
        self._reads -= 1
        if self._reads < 0:
            self.cancel()
        return super().cancelled


@settings(properties, max_examples=150)
@given(st.integers(0, 60), st.integers(1, 3), st.integers(1, 3), st.integers(0, 20))
def test_a_stop_at_any_moment_loses_nobody(looks: int, prefetch_threads: int, batch: int, bound: int) -> None:
    stream = rank_stream(
        QUERY,
        pictures([*range(8), "bad"]),
        scorer=ScriptedScorer(judge=number, batch_tokens=batch),
        device_queue=DeviceQueue(),
        prefetch_threads=prefetch_threads,
        prefetch_bytes=bound,
        cancellation=CancelledAfter(looks),
    )
    events, ranking = split(drain(stream))
    assert_one_event_each(events, ranking, 9)


# Closing


def blocked_stream(device_queue: DeviceQueue) -> tuple[RankStream, Blocked, ScriptedScorer]:
    """A stream that gave one item, and whose second batch is on the device."""
    judge = Blocked()
    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    stream = rank_stream(QUERY, pictures(range(50)), scorer=scorer, device_queue=device_queue, prefetch_threads=1)
    first_of(stream)
    assert judge.inside.wait(PATIENCE_S)
    return stream, judge, scorer


def in_another_thread(work: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(PATIENCE_S)


def test_closing_does_not_wait_for_the_batch_and_no_other_follows() -> None:
    device_queue = DeviceQueue()
    stream, judge, scorer = blocked_stream(device_queue)
    in_another_thread(stream.close)
    assert drain(stream) == []
    assert not judge.go.is_set()
    judge.go.set()
    assert_free(device_queue)
    for thread in run_threads():
        thread.join(PATIENCE_S)
    assert len(scorer.batches) == 2


def test_closing_ends_a_next_that_waits_in_another_thread() -> None:
    device_queue, judge = DeviceQueue(), Blocked()
    stream = rank_stream(QUERY, pictures([1]), scorer=ScriptedScorer(judge=judge), device_queue=device_queue)
    with ThreadPoolExecutor(1) as pool:
        items = pool.submit(drain, stream)
        assert judge.inside.wait(PATIENCE_S)
        stream.close()
        assert items.result(PATIENCE_S) == []
    assert not judge.go.is_set()
    judge.go.set()
    assert_free(device_queue)


def test_steps_may_hop_between_threads() -> None:
    stream = rank_stream(QUERY, pictures(range(9)), scorer=ScriptedScorer(), device_queue=DeviceQueue())
    items = [in_another_thread(lambda: first_of(stream)) for _ in range(10)]
    assert isinstance(items[-1], Ranking)
    assert drain(stream) == []


def test_closing_while_waiting_for_the_device_leaves_the_line() -> None:
    device_queue = DeviceQueue()
    stream = rank_stream(QUERY, pictures(range(9)), scorer=ScriptedScorer(), device_queue=device_queue)
    with ThreadPoolExecutor(1) as pool, device_queue.ticket().slot():
        rest = pool.submit(drain, stream)
        until(lambda: stream.queue_position == 0)
        stream.close()
        assert rest.result(PATIENCE_S) == []
        until(lambda: stream.queue_position is None)


def test_closing_frees_readers_that_wait_for_room() -> None:
    device_queue = DeviceQueue()
    scorer = ScriptedScorer()
    stream = rank_stream(
        QUERY, pictures(range(9)), scorer=scorer, device_queue=device_queue, prefetch_bytes=1, prefetch_threads=1
    )
    with ThreadPoolExecutor(1) as pool, device_queue.ticket().slot():
        rest = pool.submit(drain, stream)
        until(lambda: stream.queue_position == 0)
        stream.close()
        assert rest.result(PATIENCE_S) == []
        for thread in run_threads():
            thread.join(PATIENCE_S)
        assert scorer.read_names == ["0"]
        assert scorer.held_bytes == 0


def test_dropping_a_stream_closes_it() -> None:
    device_queue = DeviceQueue()
    stream, judge, scorer = blocked_stream(device_queue)
    del stream
    judge.go.set()
    for thread in run_threads():
        thread.join(PATIENCE_S)
    assert len(scorer.batches) == 2
    assert_free(device_queue)


def test_closing_drops_what_nobody_has_heard_yet() -> None:
    scorer = ScriptedScorer()
    stream = rank_stream(QUERY, pictures(range(20)), scorer=scorer, device_queue=DeviceQueue())
    first_of(stream)
    until(lambda: len(scorer.scored) == 20)
    stream.close()
    assert drain(stream) == []


def test_closing_before_the_start_and_twice() -> None:
    scorer = ScriptedScorer()
    stream = rank_stream(QUERY, pictures(range(3)), scorer=scorer, device_queue=DeviceQueue())
    stream.close()
    stream.close()
    assert drain(stream) == []
    assert scorer.read_names == []


LEFT_OPEN = """
import atexit, threading
from tests.support.scripted_scorer import QUERY, Blocked, DeviceQueue, ScriptedScorer, pictures, rank_stream

judge = Blocked()
scorer = ScriptedScorer(judge=judge, batch_tokens=1)
atexit.register(lambda: print(len(scorer.scored), "scored"))  # comes last
stream = rank_stream(QUERY, pictures(range(5000)), scorer=scorer, device_queue=DeviceQueue(), prefetch_threads=1)
next(stream)
judge.inside.wait()
atexit.register(lambda: threading.Timer(0.05, judge.go.set).start())
"""


def test_a_program_that_ends_with_an_open_stream_waits_for_one_batch_only() -> None:
    """The end of the program closes the stream, and lets the batch finish that is on the device."""
    root = ROOT
    ended = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN], cwd=root, capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert (ended.stdout, ended.stderr) == ("2 scored\n", "")
