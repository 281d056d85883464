"""The pairs of a picture go to the device in as few batches as fit; a pair that fails is found by halving."""

import math

import pytest

from reranker.core.cancellation import Cancellation
from reranker.core.errors import DeviceFailed, PictureScoreNotFinite, PictureUnscored, TicketCancelled
from reranker.core.types import Candidate, Query
from reranker.engine.device_queue import DeviceQueue
from reranker.engine.executor import LocalExecutor
from reranker.engine.pair_batches import QUERY_TOKENS, PairBatches
from reranker.engine.torch_thread import TorchThread
from tests.support.scripted_scorer import ScriptedScorer

COST = QUERY_TOKENS + 1  # of a pair with an image of one token


def finished(scorer: ScriptedScorer, texts: list[str], content: str = "1") -> list[object]:
    queue = DeviceQueue()
    ticket = queue.ticket()
    batches = PairBatches(pairs(scorer, texts, content), LocalExecutor(scorer, TorchThread()), ticket, "run")
    batches.start()
    results = batches.finish()
    assert queue.holders == ()
    return results


def pairs(scorer: ScriptedScorer, texts: list[str], content: str = "1"):
    image = scorer.prepare(scorer.identify(Candidate(name="picture", source=content.encode())))
    return [(Query(text=text), image) for text in texts]


@pytest.mark.parametrize(("tokens", "sizes"), [(100 * COST, [5]), (2 * COST, [2, 2, 1]), (1, [1] * 5)])
def test_a_batch_has_as_many_pairs_as_fit(tokens: int, sizes: list[int]) -> None:
    scorer = ScriptedScorer(judge=lambda query, content: float(query.text), batch_tokens=tokens)
    results = finished(scorer, ["3", "1", "4", "1", "5"])
    assert [score.log_odds for score in results] == [3, 1, 4, 1, 5]
    assert list(map(len, scorer.batches)) == sizes


def test_a_pair_that_fails_costs_itself_only() -> None:
    def judge(query: Query, content: bytes) -> float:
        if query.text == "bad":
            raise RuntimeError("kernel")
        return math.inf if query.text == "infinite" else 1.0

    results = finished(ScriptedScorer(judge=judge, batch_tokens=100 * COST), ["a", "bad", "b", "infinite", "c"])
    assert isinstance(results[1], PictureUnscored)
    assert isinstance(results[3], PictureScoreNotFinite)
    assert [getattr(result, "log_odds", None) for result in results] == [1, None, 1, None, 1]


def test_a_device_that_fails_ends_the_run_and_gives_its_slot_back() -> None:
    def judge(query: Query, content: bytes) -> float:
        raise DeviceFailed

    queue = DeviceQueue()
    scorer = ScriptedScorer(judge=judge)
    batches = PairBatches(pairs(scorer, ["a"]), LocalExecutor(scorer, TorchThread()), queue.ticket(), "run")
    batches.start()
    with pytest.raises(DeviceFailed):
        batches.finish()
    assert queue.holders == ()


def test_nothing_is_submitted_for_a_cancelled_run() -> None:
    scorer, stop, queue = ScriptedScorer(), Cancellation(), DeviceQueue()
    batches = PairBatches(pairs(scorer, ["a"]), LocalExecutor(scorer, TorchThread()), queue.ticket(stop), "run")
    stop.cancel()
    with pytest.raises(TicketCancelled):
        batches.start()
    assert scorer.batches == []


def test_a_started_batch_can_be_forgotten() -> None:
    scorer, queue = ScriptedScorer(), DeviceQueue()
    batches = PairBatches(pairs(scorer, ["a"]), LocalExecutor(scorer, TorchThread()), queue.ticket(), "run")
    batches.start()
    batches.cancel()
    assert queue.holders == ()
    assert batches.finish() == []
