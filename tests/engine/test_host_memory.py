"""Copies in host memory: equal, of their own memory, and in plain memory where none can be pinned."""

import pytest
import torch

from reranker.engine.host_memory import host_bytes, host_copy


def test_a_copy_does_not_keep_the_batch_that_it_was_cut_from() -> None:
    batch = torch.arange(1000.0)
    copy = host_copy(batch[:3], pinned=False)
    assert copy.tolist() == [0, 1, 2]
    assert copy.untyped_storage().nbytes() == 12


def test_where_memory_cannot_be_pinned_the_copy_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    empty_like = torch.empty_like

    def fail(tensor: torch.Tensor, *, pin_memory: bool = False, **options: object) -> torch.Tensor:
        if pin_memory:
            raise torch.AcceleratorError("CUDA error: out of memory")
        return empty_like(tensor, **options)

    monkeypatch.setattr(torch, "empty_like", fail)
    assert host_copy(torch.arange(3.0), pinned=True).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("nbytes", "pinned"), [(1, 1), (64, 64), (65, 128), (3_670_016, 4_194_304)])
def test_pinned_memory_comes_in_powers_of_two(nbytes: int, pinned: int) -> None:
    assert (host_bytes(nbytes, pinned=False), host_bytes(nbytes, pinned=True)) == (nbytes, pinned)
