"""Content hashes of pictures."""

import hashlib
import time
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Final

from reranker.core.types import Candidate
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes

SETTLED_NS: Final = 1_000_000_000


def content_hash(data: bytes) -> str:
    """SHA-256 of the encoded bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


class ContentHashes:
    """A cache of the content hashes of files, by path, inode, size and times. Thread-safe.

    A file that has not changed is not read again. The cache holds the `max_files` most recently used files. A file
    that was written less than `SETTLED_NS` ago is not cached: the clock of the file system may be too coarse to tell
    its next change from this one.
    """

    def __init__(self, max_files: int = 100_000) -> None:
        self._max_files = max_files
        self._digests: OrderedDict[tuple[str, int, int, int, int], str] = OrderedDict()
        self._lock = Lock()

    def identify(self, candidate: Candidate, limits: Limits) -> tuple[str, bytes | None]:
        """The content hash, and the encoded bytes, or None if the hash was cached. Raises a `PictureError`."""
        if isinstance(candidate.source, bytes):
            data = read_bytes(candidate, limits)
            return content_hash(data), data
        stamp = _stamp(candidate.source)
        with self._lock:
            if stamp is not None and stamp in self._digests:
                self._digests.move_to_end(stamp)
                return self._digests[stamp], None
        data = read_bytes(candidate, limits)
        digest = content_hash(data)
        if stamp is not None and time.time_ns() - max(stamp[-2:]) > SETTLED_NS and stamp == _stamp(candidate.source):
            self._store(stamp, digest)
        return digest, data

    def _store(self, stamp: tuple[str, int, int, int, int], digest: str) -> None:
        with self._lock:
            self._digests[stamp] = digest
            if len(self._digests) > self._max_files:
                self._digests.popitem(last=False)


def _stamp(path: Path) -> tuple[str, int, int, int, int] | None:
    """Path, inode, size in bytes, and times of the last change in nanoseconds; None if the file cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
