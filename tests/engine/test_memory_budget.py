"""The device's memory: a budget that yields and recovers, and a model that runs out of it."""

from collections.abc import Iterator
from io import BytesIO

import pytest
import torch
from PIL import Image

from reranker import Reranker
from reranker.core.errors import PictureOutOfMemory
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.memory_budget import GOOD_BATCHES, LARGEST_ON_CPU, TokenBudget, planned_tokens
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint
from reranker.models.memory_plan import is_out_of_memory

QUERY = "a red car"


def test_where_others_fill_the_card_the_next_batch_is_smaller_and_grows_again():
    budget = TokenBudget(64)
    budget.record_success(free_share=0.01)
    assert budget.tokens == 32
    for _ in range(8):
        budget.record_success(free_share=0.5)
    assert budget.tokens == 64


def test_the_budget_halves_when_the_device_runs_out_and_grows_back_to_the_plan() -> None:
    budget = TokenBudget(1000)
    budget.record_out_of_memory(600)
    assert budget.tokens == 300
    for _ in range(GOOD_BATCHES - 1):
        budget.record_success()
    assert budget.tokens == 300
    for _ in range(3 * GOOD_BATCHES):
        budget.record_success()
    assert budget.tokens == 1000
    for _ in range(20):
        budget.record_out_of_memory(budget.tokens)
    assert budget.tokens == 1


def test_nothing_is_tried_where_memory_is_not_what_bounds_a_batch() -> None:
    assert planned_tokens([torch.device("cpu")], lambda _: pytest.fail("tried"), 100) == LARGEST_ON_CPU


def test_what_counts_as_running_out() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def picture(number: int, width: int = 200, height: int = 200) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (width, height), (number, 99, 9)).save(buffer, "PNG")
    return buffer.getvalue()


class _SmallDevice:
    """A vision tower that has memory for so many patches a run."""

    def __init__(self, checkpoint: Checkpoint, patches: int) -> None:
        self.patches, self.sizes = patches, list[int]()
        self._hook = checkpoint.model.vision.embedding.register_forward_pre_hook(self._check)

    def _check(self, _module: torch.nn.Module, values: tuple[torch.Tensor]) -> None:
        self.sizes.append(len(values[0]))
        if len(values[0]) > self.patches:
            raise torch.OutOfMemoryError

    def remove(self) -> None:
        self._hook.remove()


@pytest.fixture
def small_device(checkpoint: Checkpoint) -> Iterator[_SmallDevice]:
    device = _SmallDevice(checkpoint, patches=3 * 4 * 49)
    yield device
    device.remove()


def scorer_of(checkpoint: Checkpoint) -> CrossEncoder:
    return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), batch_tokens=16 * 49)


def test_a_device_that_runs_out_goes_on_with_smaller_batches(
    checkpoint: Checkpoint, small_device: _SmallDevice
) -> None:
    scorer = scorer_of(checkpoint)
    sources = [picture(number) for number in range(40)]
    ranking = Reranker(scorer=scorer).rank(QUERY, sources)
    assert not ranking.failed
    assert sorted(scored.position for scored in ranking.scored) == list(range(40))
    fitting = [size for size in small_device.sizes if size <= small_device.patches]
    assert sum(fitting) == 40 * 4 * 49, "each picture once"
    assert len(small_device.sizes) - len(fitting) <= 6, "and few tries in vain"
    assert scorer.batch_tokens < 16 * 49


def test_a_picture_that_does_not_fit_alone_fails_alone(checkpoint: Checkpoint, small_device: _SmallDevice) -> None:
    long = picture(200, 2000, 11)  # takes more visual tokens than a square one
    scorer = scorer_of(checkpoint)
    small_device.patches = 4 * 50
    ranking = Reranker(scorer=scorer).rank(QUERY, [picture(1), long, picture(2)])
    (failed,) = ranking.failed
    assert failed.position == 1
    assert isinstance(failed.error, PictureOutOfMemory)
    assert failed.error.visual_tokens > 50
    assert len(ranking.scored) == 2


def test_any_other_failure_is_not_taken_for_it(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    scorer = scorer_of(checkpoint)
    hook = checkpoint.model.vision.embedding.register_forward_pre_hook(fail)
    ranking = Reranker(scorer=scorer).rank(QUERY, [picture(1)])
    hook.remove()
    assert not isinstance(ranking.failed[0].error, PictureOutOfMemory)
    assert scorer.batch_tokens == 16 * 49
