"""The context of checks on the CPU, whose large model is small."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from reranker.benchmarks.doctor.context import CheckContext
from reranker.benchmarks.model_shapes import Model

Disturb = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(scope="session")
def context() -> CheckContext:
    return CheckContext(torch.device("cpu"), "fp32", "2x128")


@pytest.fixture
def disturbed() -> Callable[[Model, Disturb], Iterator[None]]:
    """Let the patch embedding of this program, which transformers does not run, return something else."""

    @contextmanager
    def disturb(model: Model, change: Disturb) -> Iterator[None]:
        embedding = model.checkpoint.model.vision.embedding
        hook = embedding.register_forward_hook(lambda _module, _inputs, output: change(output))
        try:
            yield
        finally:
            hook.remove()

    return disturb
