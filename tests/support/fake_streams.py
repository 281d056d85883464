"""Streams and events of a GPU that is not there: tensors say that they are on it, and waits are counted."""

from contextlib import nullcontext

import pytest
import torch


class FakeStreams:
    """What `torch.cuda` offers for copies beside other work.

    waits: how often a thread has waited for an event. error: raised by the next waits if it is not None.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = 0
        self.error: Exception | None = None
        monkeypatch.setattr(torch.Tensor, "is_cuda", True)
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda *_: None)
        monkeypatch.setattr(torch.cuda, "Stream", lambda _: _Stream())
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: _Stream())
        monkeypatch.setattr(torch.cuda, "stream", nullcontext)
        monkeypatch.setattr(torch.cuda, "Event", lambda: _Event(self))
        self._empty_like = torch.empty_like
        monkeypatch.setattr(torch, "empty_like", self._plain_empty_like)

    def _plain_empty_like(self, tensor: torch.Tensor, device: str, *, pin_memory: bool = False) -> torch.Tensor:
        return self._empty_like(tensor, device=device)


class _Stream:
    def wait_stream(self, _: "_Stream") -> None:
        pass


class _Event:
    def __init__(self, streams: FakeStreams) -> None:
        self._streams = streams

    def record(self, _: _Stream) -> None:
        pass

    def synchronize(self) -> None:
        self._streams.waits += 1
        if self._streams.error is not None:
            raise self._streams.error
