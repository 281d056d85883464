"""A GPU that fails ends the run with one error; no picture is blamed for it, and none is scored again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from reranker import Reranker
from reranker.core.errors import DeviceFailed, PictureOutOfMemory, RerankerError
from reranker.engine.cross_encoder import CrossEncoder
from reranker.engine.device_errors import unless_out_of_memory
from reranker.engine.feature_cache import FeatureCache
from reranker.images.limits import Limits
from reranker.models.loading import Checkpoint
from tests.support.paths import GALLERY

PICTURES = sorted(GALLERY.glob("*.png"))[:6]
ILLEGAL_ACCESS = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def failing(error: Exception) -> None:
    raise error


def test_out_of_memory_is_a_value_and_a_failure_of_the_device_an_error() -> None:
    assert unless_out_of_memory(lambda: 7) == 7
    assert unless_out_of_memory(lambda: failing(torch.AcceleratorError("CUDA error: out of memory"))) is None
    with pytest.raises(DeviceFailed):
        unless_out_of_memory(lambda: failing(ILLEGAL_ACCESS))
    with pytest.raises(ValueError, match="shapes"):
        unless_out_of_memory(lambda: failing(ValueError("shapes")))


@contextmanager
def vision_tower_raises(checkpoint: Checkpoint, error: Exception) -> Iterator[list[int]]:
    """Yields the sizes of its runs, in patches."""
    sizes: list[int] = []

    def fail(_module: torch.nn.Module, values: tuple[torch.Tensor]) -> None:
        sizes.append(len(values[0]))
        raise error

    hook = checkpoint.model.vision.embedding.register_forward_pre_hook(fail)
    try:
        yield sizes
    finally:
        hook.remove()


def scorer_of(checkpoint: Checkpoint) -> CrossEncoder:
    return CrossEncoder(checkpoint, limits=Limits(), cache=FeatureCache(0), batch_tokens=1)


def test_a_failure_of_the_gpu_ends_the_run_at_its_first_batch(checkpoint: Checkpoint) -> None:
    events: list[object] = []
    with vision_tower_raises(checkpoint, ILLEGAL_ACCESS) as sizes, pytest.raises(DeviceFailed):
        events.extend(Reranker(scorer=scorer_of(checkpoint)).rank_stream("a dog", PICTURES))
    assert len(sizes) == 1
    assert events == []


@pytest.mark.parametrize("ask", [Reranker.explain, Reranker.generate_rating])
def test_an_explanation_ends_likewise(checkpoint: Checkpoint, ask) -> None:
    with vision_tower_raises(checkpoint, ILLEGAL_ACCESS), pytest.raises(DeviceFailed):
        ask(Reranker(scorer=scorer_of(checkpoint)), "a dog", PICTURES[0])


@pytest.mark.parametrize("message", ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED"])
def test_out_of_memory_by_another_name_costs_one_picture(checkpoint: Checkpoint, message: str) -> None:
    with vision_tower_raises(checkpoint, RuntimeError(message)):
        ranking = Reranker(scorer=scorer_of(checkpoint)).rank("a dog", PICTURES[:1])
    assert isinstance(ranking.failed[0].error, PictureOutOfMemory)


def test_the_error_is_none_of_a_picture() -> None:
    assert DeviceFailed.__mro__[1] is RerankerError
