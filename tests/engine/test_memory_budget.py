"""The device's memory: a budget that yields and recovers, and a model that runs out of it."""

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
import torch
from PIL import Image

from reranker import Candidate, Reranker
from reranker.core.errors import DeviceFailed, PictureOutOfMemory
from reranker.core.types import Query
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.feature_cache import FeatureCache
from reranker.engine.memory_budget import (
    GOOD_BATCHES,
    LARGEST_ON_CPU,
    LARGEST_ON_GPU,
    RETRY_BATCHES,
    SHARE_OF_FREE,
    TokenBudget,
    device_budget,
    device_memory,
)
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint
from tests.support.pretended_memory import PretendedGpu, pretend_memory

QUERY = "a red car"
GIB = 2**30
BYTES_PER_TOKEN = 500_000
IMAGE_TOKENS = 520
VISION_BYTES = 1000  # that the vision tower takes for a visual token


def succeed(budget: TokenBudget, batches: int) -> int:
    """Record so many successes. Returns the tokens of the next batch."""
    for _ in range(batches):
        budget.record_success()
    return budget.tokens


def trial_on(gpu: PretendedGpu) -> Callable[[int], None]:
    """A trial batch that takes as much memory as its images need."""
    return lambda images: gpu.run(images * IMAGE_TOKENS * BYTES_PER_TOKEN)


def test_the_budget_halves_when_the_device_runs_out_and_grows_back_to_the_largest() -> None:
    budget = TokenBudget(1000, first=100)
    budget.record_out_of_memory(600)
    assert succeed(budget, GOOD_BATCHES - 1) == 100
    assert succeed(budget, 1) == 200
    assert succeed(budget, GOOD_BATCHES) == 400
    assert succeed(budget, RETRY_BATCHES + 2 * GOOD_BATCHES) == 1000
    for _ in range(20):
        budget.record_out_of_memory(budget.tokens)
    assert budget.tokens == 1


@pytest.mark.parametrize("failed", [600, 601, 1000])
def test_a_size_that_did_not_fit_is_tried_again_only_after_many_good_batches(failed: int) -> None:
    budget = TokenBudget(1000)
    budget.record_out_of_memory(failed)
    assert budget.tokens == failed // 2
    assert succeed(budget, RETRY_BATCHES - 1) == failed // 2
    assert succeed(budget, 1) >= failed - 1


def test_a_device_that_always_fails_at_one_size_seldom_runs_into_it() -> None:
    budget, failures = TokenBudget(4096), 0
    for _ in range(1000):
        if budget.tokens > 2500:
            budget.record_out_of_memory(budget.tokens)
            failures += 1
        else:
            budget.record_success()
    assert failures <= 1 + 1000 // RETRY_BATCHES
    assert budget.tokens == 2048


def test_with_little_free_memory_batches_stay_at_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = PretendedGpu(total=24 * GIB, allocated=14 * GIB)
    gpu.others = gpu.total - gpu.allocated - int(0.043 * gpu.total)
    budget = device_budget(pretend_memory(monkeypatch, gpu), trial_on(gpu), IMAGE_TOKENS)
    sizes = []
    for _ in range(200):
        sizes.append(budget.tokens)
        gpu.run(sizes[-1] * BYTES_PER_TOKEN)
        budget.record_success()
    assert set(sizes) == {int(SHARE_OF_FREE * int(0.043 * gpu.total) / BYTES_PER_TOKEN)}
    assert 1000 < sizes[0] < LARGEST_ON_GPU


def test_batches_follow_what_other_programs_take_and_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = PretendedGpu(total=24 * GIB, allocated=14 * GIB)
    budget = device_budget(pretend_memory(monkeypatch, gpu), trial_on(gpu), IMAGE_TOKENS)
    assert budget.tokens == LARGEST_ON_GPU
    for taken in (9 * GIB, 9 * GIB + GIB // 2, 10 * GIB, 9 * GIB):
        gpu.others = taken
        free = gpu.total - gpu.allocated - taken
        assert budget.tokens == max(1, int(SHARE_OF_FREE * free / BYTES_PER_TOKEN))
    gpu.others = 0
    assert budget.tokens == LARGEST_ON_GPU


def test_of_several_gpus_the_fullest_limits_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = PretendedGpu(total=24 * GIB), PretendedGpu(total=12 * GIB, allocated=11 * GIB)
    gpus = pretend_memory(monkeypatch, first, second)
    budget = device_budget(gpus, trial_on(first), IMAGE_TOKENS)
    assert budget.tokens == int(SHARE_OF_FREE * GIB / BYTES_PER_TOKEN)
    assert device_memory(gpus) == (11 * GIB, 12 * GIB)


@pytest.mark.parametrize("images", [4, 2, 1])
def test_a_trial_that_does_not_fit_is_repeated_with_fewer_images(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    free = int((images + 0.5) * IMAGE_TOKENS * BYTES_PER_TOKEN)
    gpu = PretendedGpu(total=24 * GIB, allocated=14 * GIB)
    gpu.others = gpu.total - gpu.allocated - free
    budget = device_budget(pretend_memory(monkeypatch, gpu), trial_on(gpu), IMAGE_TOKENS)
    assert budget.tokens == int(SHARE_OF_FREE * free / BYTES_PER_TOKEN)


def test_if_no_trial_fits_batches_begin_with_one_image_and_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = PretendedGpu(total=24 * GIB, allocated=14 * GIB, others=10 * GIB)
    budget = device_budget(pretend_memory(monkeypatch, gpu), trial_on(gpu), IMAGE_TOKENS)
    gpu.others = 0
    assert budget.tokens == IMAGE_TOKENS
    assert succeed(budget, GOOD_BATCHES) == 2 * IMAGE_TOKENS
    assert succeed(budget, 2 * GOOD_BATCHES) == LARGEST_ON_GPU


def test_nothing_is_tried_where_memory_is_not_what_bounds_a_batch() -> None:
    budget = device_budget([torch.device("cpu")], lambda _: pytest.fail("tried"), IMAGE_TOKENS)
    assert budget.tokens == LARGEST_ON_CPU


def test_a_gpu_that_cannot_tell_its_memory_any_more_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: torch.device) -> tuple[int, int]:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    gpu = PretendedGpu(total=24 * GIB)
    gpus = pretend_memory(monkeypatch, gpu)
    budget = device_budget(gpus, trial_on(gpu), IMAGE_TOKENS)
    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    with pytest.raises(DeviceFailed):
        _ = budget.tokens
    with pytest.raises(DeviceFailed):
        device_memory(gpus)


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


def test_a_batch_that_did_not_fit_is_remembered_with_its_texts(
    checkpoint: Checkpoint, small_device: _SmallDevice
) -> None:
    small_device.patches = 0
    scorer = scorer_of(checkpoint)
    candidate = Candidate(name="one", source=picture(1), text="a red car beside a blue house")
    prepared = scorer.prepare(scorer.identify(candidate))
    with pytest.raises(PictureOutOfMemory) as caught:
        scorer.score(Query(text=QUERY), [prepared], "run")
    assert caught.value.visual_tokens == prepared.visual_tokens < prepared.tokens
    assert scorer.batch_tokens == prepared.tokens // 2


def test_any_other_failure_is_not_taken_for_it(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    scorer = scorer_of(checkpoint)
    hook = checkpoint.model.vision.embedding.register_forward_pre_hook(fail)
    ranking = Reranker(scorer=scorer).rank(QUERY, [picture(1)])
    hook.remove()
    assert not isinstance(ranking.failed[0].error, PictureOutOfMemory)
    assert scorer.batch_tokens == 16 * 49


def test_a_picture_takes_more_of_a_batch_with_a_text_beside_it(checkpoint: Checkpoint) -> None:
    """By as many tokens as the text has, with either scoring method; a rating has some more, of its branches."""
    tokens = {}
    for scoring in ("yes-no", "rating"):
        scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), scoring=scoring)
        for text in ("", "a dog", "a dog, a dog"):
            candidate = Candidate(name="one", source=picture(1), text=text)
            tokens[scoring, text] = scorer.prepare(scorer.identify(candidate)).tokens
    encode = checkpoint.tokenizer.encode
    suffix = len(encode("<|vision_end|><|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False))
    assert tokens["yes-no", ""] == 49 + suffix
    for scoring in ("yes-no", "rating"):
        for text in ("a dog", "a dog, a dog"):
            added = len(encode(text, add_special_tokens=False))
            assert tokens[scoring, text] - tokens[scoring, ""] == added > 0
    assert tokens["rating", ""] > tokens["yes-no", ""]


def test_with_long_texts_the_language_tower_gets_no_more_positions_than_planned(checkpoint: Checkpoint) -> None:
    positions: list[int] = []
    projection = checkpoint.model.language.layers[0].mlp.gate_proj
    hook = projection.register_forward_pre_hook(lambda _, states: positions.append(len(states[0])))
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(10**8), batch_tokens=1000)
    candidates = [
        Candidate(name=str(number), source=picture(number), text="a red car beside a blue house " * 6)
        for number in range(12)
    ]
    reranker = Reranker(scorer=scorer)
    reranker.rank(QUERY, [candidates[0]])  # runs the prompt before the image
    positions.clear()
    try:
        ranking = reranker.rank(QUERY, candidates)
    finally:
        hook.remove()
    assert not ranking.failed
    assert max(positions) <= 1000
    assert {scored.score.visual_tokens for scored in ranking.scored} == {49}


@pytest.fixture
def pretended_gpu(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedGpu]:
    """The memory of the toybox's GPU, which the vision tower uses; all is computed on the CPU."""
    gpu = PretendedGpu(total=3 * 49 * VISION_BYTES)
    monkeypatch.setattr(Checkpoint, "gpus", pretend_memory(monkeypatch, gpu))
    hook = checkpoint.model.vision.embedding.register_forward_pre_hook(
        lambda _, patches: gpu.run(len(patches[0]) // 4 * VISION_BYTES)
    )
    yield gpu
    hook.remove()


def test_the_trial_of_a_model_is_smaller_where_a_batch_does_not_fit(
    checkpoint: Checkpoint, pretended_gpu: PretendedGpu
) -> None:
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    assert [nbytes // VISION_BYTES // 49 for nbytes in pretended_gpu.runs] == [4, 2, 2]
    prepared = scorer.prepare(scorer.identify(Candidate(name="one", source=picture(1))))
    assert scorer.batch_tokens // prepared.tokens == 2  # three fit, but some memory is left to others


def test_a_model_of_which_no_trial_fits_begins_with_one_picture(
    checkpoint: Checkpoint, pretended_gpu: PretendedGpu
) -> None:
    pretended_gpu.others = pretended_gpu.total
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    prepared = scorer.prepare(scorer.identify(Candidate(name="one", source=picture(1))))
    assert scorer.batch_tokens == prepared.tokens
    pretended_gpu.others = 0
    for _ in range(GOOD_BATCHES):
        scorer.score(Query(text=QUERY), [prepared], "run")
    assert scorer.batch_tokens == 2 * prepared.tokens


def test_variants_share_the_budget_and_run_no_trial_of_their_own(
    checkpoint: Checkpoint, pretended_gpu: PretendedGpu
) -> None:
    scorer = CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0))
    pretended_gpu.runs.clear()
    rating, detailed = scorer.variant(scoring="rating"), scorer.variant(visual_tokens=64)
    rating.budget.record_out_of_memory(100)
    assert scorer.batch_tokens == detailed.batch_tokens == 50
    assert pretended_gpu.runs == []
