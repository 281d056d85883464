"""The memory of what the vision tower has seen."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

import torch

from reranker.models.qwen2_5_vl.vision import ImageFeatures


@dataclass(kw_only=True)
class _Kept:
    """A remembered picture, and the run that used it last."""

    picture: ImageFeatures
    run: object


class FeatureCache:
    """Seen pictures by key, in host memory (pinned where they come from a card), bounded in bytes. Thread-safe.

    The least recently used are forgotten first, but never for another picture of the same run: of a set larger than
    the memory, what fits stays, and is known when the set is asked for again.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self._bytes = max_bytes, 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> ImageFeatures | None:
        """The picture with its visual tokens on the CPU, None where it is not known."""
        with self._lock:
            kept = self._kept.get(key)
            return None if kept is None else kept.picture

    def use(self, key: str, run: object) -> None:
        """Note that a run has used what it got; runs are told apart by identity."""
        with self._lock:
            if key in self._kept:
                self._kept[key].run = run
                self._kept.move_to_end(key)

    def put(self, key: str, picture: ImageFeatures, run: object) -> None:
        """Remember, where there is room or something to forget for it."""
        with self._lock:
            if key in self._kept or not self._make_room(picture.tokens.nbytes, run):
                return
            self._kept[key] = _Kept(picture=replace(picture, tokens=_on_host(picture.tokens)), run=run)
            self._bytes += picture.tokens.nbytes

    def _make_room(self, nbytes: int, run: object) -> bool:
        while self._bytes + nbytes > self.max_bytes:
            if not self._kept or next(iter(self._kept.values())).run is run:
                return False
            self._bytes -= self._kept.popitem(last=False)[1].picture.tokens.nbytes
        return True


def _on_host(tokens: torch.Tensor) -> torch.Tensor:
    """A copy of its own: a slice would hold its whole batch."""
    return torch.empty_like(tokens, device="cpu", pin_memory=tokens.is_cuda).copy_(tokens)
