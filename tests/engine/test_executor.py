"""A GPU is given the next batch while it works on one, and is seldom waited for."""

import threading
from collections.abc import Callable, Sequence

import pytest
import torch

from reranker import Reranker, Settings
from reranker.core.types import Candidate, Query, Score
from reranker.engine import host_memory
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.executor import LocalExecutor
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.torch_thread import TorchThread
from reranker.images.limits import Limits
from reranker.models.checkpoint import CheckpointFiles
from reranker.models.hub import TOYBOX
from reranker.models.layers import transfer
from reranker.models.loading import load_network, make_checkpoint_from_files
from tests.support import paths
from tests.support.fake_gpus import counted_waits, pretended_gpus
from tests.support.scripted_scorer import PATIENCE_S, QUERY, ScriptedImage, ScriptedScorer, number, until


class TwoInFlight(ScriptedScorer):
    """A scorer on a device that works on while it is given more, until a test lets it finish."""

    def __init__(self) -> None:
        super().__init__(judge=number)
        self.in_flight, self.launched = 2, list[bytes]()
        self.finish = threading.Event()

    def launch(
        self, query: Query, batch: Sequence[ScriptedImage], run_id: str, example: ScriptedImage | None = None
    ) -> Callable[[], list[Score]]:
        self.launched += [image.content for image in batch]
        if batch[0].content == b"fails to launch":
            raise ValueError

        def wait() -> list[Score]:
            assert self.finish.wait(PATIENCE_S)
            return self.score(query, batch, run_id, example)

        return wait


def image(content: str) -> ScriptedImage:
    return ScriptedImage(content=content.encode(), key=content, pixel_key=content, tokens=1, nbytes=1)


def test_the_next_batch_is_launched_before_the_first_is_finished() -> None:
    scorer = TwoInFlight()
    executor = LocalExecutor(scorer, TorchThread())
    futures = [executor.submit(QUERY, [image(content)], "run") for content in ("1", "2")]
    until(lambda: scorer.launched == [b"1", b"2"])
    assert not any(future.done() for future in futures)
    scorer.finish.set()
    assert [future.result(PATIENCE_S)[0].log_odds for future in futures] == [1, 2]


def test_an_error_of_either_half_arrives_with_its_batch() -> None:
    scorer = TwoInFlight()
    scorer.finish.set()
    executor = LocalExecutor(scorer, TorchThread())
    futures = [executor.submit(QUERY, [image(content)], "run") for content in ("fails to launch", "no number", "3")]
    assert [type(future.exception(PATIENCE_S)) for future in futures] == [ValueError, ValueError, type(None)]


def test_the_size_of_the_next_batch_is_read_after_a_launch_and_not_during_it() -> None:
    scorer = TwoInFlight()
    scorer.finish.set()
    executor = LocalExecutor(scorer, TorchThread())
    executor.submit(QUERY, [image("1")], "run").result(PATIENCE_S)
    scorer.batch_tokens = 1  # as a reader in another thread would see it during the next launch
    assert executor.batch_tokens == 4
    executor.submit(QUERY, [image("2")], "run").result(PATIENCE_S)
    assert executor.batch_tokens == 1


def copy_beside(source: torch.Tensor, target: torch.Tensor) -> None:
    target.copy_(source, non_blocking=True)


@pytest.mark.parametrize("scoring", ["yes-no", "rating"])
def test_the_host_waits_for_the_gpu_at_most_twice_a_batch(scoring, monkeypatch) -> None:
    """On a pretended GPU: eight new pictures, then the same ones for the same query, which are cached."""
    files = CheckpointFiles("toybox", TOYBOX)
    network = load_network(files, torch.device("cpu"), "fp32")
    with pretended_gpus() as (gpu, _), counted_waits() as waits:
        for part in (network.model.visual, network.model.language_model.layers, network.model.language_model.norm):
            part.to(gpu)
        network.model.language_model.rotary_emb.to(gpu)
        checkpoint = make_checkpoint_from_files(network, files, gpu, "fp32")
        scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8), scoring=scoring)
        monkeypatch.setattr(transfer, "pinned", waits.pin)
        monkeypatch.setattr(host_memory, "start_copy", copy_beside)
        candidates = [Candidate.of(path) for path in sorted(paths.GALLERY.glob("*.png"))[:8]]
        for cached in (False, True):
            batch = [scorer.prepare(scorer.identify(candidate)) for candidate in candidates]
            assert all((each.features is not None) == cached for each in batch)
            waits.count = 0
            scores = scorer.score(QUERY, batch, "run")
            assert len(scores) == 8
            assert waits.count <= 2


def test_a_reranker_of_a_scorer_with_two_batches_in_flight_ranks() -> None:
    """The queue of the device has as many slots as the scorer takes batches."""
    scorer = TwoInFlight()
    scorer.batch_tokens = 1
    scorer.finish.set()
    candidates = [Candidate(name=str(value), source=b"%d" % value) for value in range(9)]
    ranking = Reranker(scorer=scorer, settings=Settings.of(score_store_mb=0)).rank("a", candidates)
    assert [scored.position for scored in ranking.scored] == list(reversed(range(9)))
