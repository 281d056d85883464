"""Copies in host memory: equal, of their own memory, waited for once, and plain where none can be pinned."""

import pytest
import torch

from reranker.core.errors import DeviceFailed
from reranker.engine.host_memory import HostCopy, empty_on_host, host_bytes
from tests.support.fake_streams import FakeStreams


def test_a_copy_does_not_keep_the_batch_that_it_was_cut_from() -> None:
    batch = torch.arange(1000.0)
    copy = HostCopy(batch[:3])
    batch.zero_()
    assert copy.wait().tolist() == [0, 1, 2]
    assert copy.wait().untyped_storage().nbytes() == copy.nbytes == 12


def test_a_copy_from_a_gpu_is_waited_for_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = FakeStreams(monkeypatch)
    copy = HostCopy(torch.arange(3.0))
    assert streams.waits == 0
    assert copy.wait().tolist() == [0, 1, 2]
    assert streams.waits == 1


def test_a_gpu_that_fails_during_the_copy_is_reported_where_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = FakeStreams(monkeypatch)
    copy = HostCopy(torch.arange(3.0))
    streams.error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(DeviceFailed):
        copy.wait()


def test_where_memory_cannot_be_pinned_it_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    empty_like = torch.empty_like

    def fail(tensor: torch.Tensor, *, pin_memory: bool = False, **options: object) -> torch.Tensor:
        if pin_memory:
            raise torch.AcceleratorError("CUDA error: out of memory")
        return empty_like(tensor, **options)

    monkeypatch.setattr(torch, "empty_like", fail)
    assert empty_on_host(torch.arange(3.0), pinned=True).shape == (3,)


@pytest.mark.parametrize(("nbytes", "pinned"), [(1, 1), (64, 64), (65, 128), (3_670_016, 4_194_304)])
def test_pinned_memory_comes_in_powers_of_two(nbytes: int, pinned: int) -> None:
    assert (host_bytes(nbytes, pinned=False), host_bytes(nbytes, pinned=True)) == (nbytes, pinned)
