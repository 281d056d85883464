"""A cache of the features of encoded images."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from reranker.engine.host_memory import HostCopy, host_bytes
from reranker.models.architecture import ImageFeatures


@dataclass(frozen=True, kw_only=True)
class CachedImage:
    """The features of an image, and the hash of the pixels that they were computed from."""

    features: ImageFeatures
    pixel_hash: str


@dataclass(kw_only=True)
class _Entry:
    """A cached image whose features may still be copied, and the run that used it last."""

    copy: HostCopy
    rows: int
    columns: int
    pixel_hash: str
    run_id: str

    def image(self) -> CachedImage:
        """Return the image once its features are copied."""
        features = ImageFeatures(states=self.copy.wait(), rows=self.rows, columns=self.columns)
        return CachedImage(features=features, pixel_hash=self.pixel_hash)


class FeatureCache:
    """Image features by key, in host memory (pinned if they come from a GPU), bounded in bytes. Thread-safe.

    The least recently used are evicted first, but never for another image of the same run: of a set larger than the
    cache, what fits stays, and is found when the set is scored again.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self._bytes = max_bytes, 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> CachedImage | None:
        """Return an image with its features on the CPU, or None. Raises `DeviceFailed`."""
        with self._lock:
            entry = self._entries.get(key)
        return None if entry is None else entry.image()

    def touch(self, key: str, run_id: str) -> None:
        """Note that a run has used what it got."""
        with self._lock:
            if key in self._entries:
                self._entries[key].run_id = run_id
                self._entries.move_to_end(key)

    def put(self, key: str, features: ImageFeatures, pixel_hash: str, run_id: str) -> None:
        """Store an image if there is space or something to evict for it."""
        with self._lock:
            states = features.states
            if key in self._entries or not self._make_space(host_bytes(states.nbytes, pinned=states.is_cuda), run_id):
                return
            copy = HostCopy(states)
            self._entries[key] = _Entry(
                copy=copy, rows=features.rows, columns=features.columns, pixel_hash=pixel_hash, run_id=run_id
            )
            self._bytes += copy.nbytes

    def _make_space(self, nbytes: int, run_id: str) -> bool:
        while self._bytes + nbytes > self.max_bytes:
            if not self._entries or next(iter(self._entries.values())).run_id == run_id:
                return False
            self._bytes -= self._entries.popitem(last=False)[1].copy.nbytes
        return True
