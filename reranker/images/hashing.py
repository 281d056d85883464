"""Content hashes: what identifies a picture in caches and in the score store."""

import hashlib
import time
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import Final

from reranker.core.types import Candidate, EncodedPicture
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes

SETTLED_NS: Final = 1_000_000_000

Stamp = tuple[str, int, int, int, int]


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of the encoded bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def with_text(digest: str, text: str) -> str:
    """Return a digest of a picture's digest and the text beside it; the digest itself if there is no text."""
    return hashlib.sha256(f"{digest}\0{text}".encode()).hexdigest() if text else digest


def read_and_hash(candidate: Candidate, limits: Limits) -> EncodedPicture:
    """Return a picture with its bytes and their hash. Raises a `PictureError`."""
    data = read_bytes(candidate, limits)
    return _identified(candidate, content_hash(data), data)


def file_stamp(path: Path) -> Stamp | None:
    """Return what changes when a file does or another takes its place; None if it cannot be examined."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class ContentHashes:
    """Content hashes of files, remembered by path, size and times, so that an unchanged file is not read again.

    Thread-safe. It remembers the last `max_files` that were identified, but not a file that was written a moment ago:
    the clock of a file system may not tell its next change from this one.
    """

    def __init__(self, max_files: int = 100_000) -> None:
        self._max_files = max_files
        self._hashes: OrderedDict[Stamp, str] = OrderedDict()
        self._lock = Lock()

    def identify(self, candidate: Candidate, limits: Limits) -> EncodedPicture:
        """Return the picture with its hash, and with its bytes if they had to be read. Raises a `PictureError`."""
        if isinstance(candidate.source, bytes):
            return read_and_hash(candidate, limits)
        stamp = file_stamp(candidate.source)
        with self._lock:
            if stamp is not None and stamp in self._hashes:
                self._hashes.move_to_end(stamp)
                return _identified(candidate, self._hashes[stamp], None)
        picture = read_and_hash(candidate, limits)
        if (
            stamp is not None
            and time.time_ns() - max(stamp[-2:]) > SETTLED_NS
            and stamp == file_stamp(candidate.source)
        ):
            self._remember(stamp, picture.content_hash)
        return picture

    def _remember(self, stamp: Stamp, digest: str) -> None:
        with self._lock:
            self._hashes[stamp] = digest
            if len(self._hashes) > self._max_files:
                self._hashes.popitem(last=False)


def _identified(candidate: Candidate, digest: str, data: bytes | None) -> EncodedPicture:
    key = with_text(digest, candidate.text)
    return EncodedPicture(candidate=candidate, content_hash=digest, key=key, data=data)
