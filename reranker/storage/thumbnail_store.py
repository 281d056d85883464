"""Thumbnails of picture files, stored on disk and made at most once for each version of a picture."""

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from reranker.core.errors import PictureError, PictureSkipped, PictureUnreadable
from reranker.core.types import Candidate
from reranker.images.decoding_pool import DECODING_VERSION
from reranker.images.hashing import file_stamp
from reranker.images.limits import Limits
from reranker.images.thumbnails import make_placeholder, make_thumbnail
from reranker.storage.atomic_write import write_atomically

MAX_THUMBNAIL_PX: Final = 512
JPEG_QUALITY: Final = 85
_START, _COMMENT, _END = b"\xff\xd8", b"\xff\xfe", b"\xff\xd9"  # markers of a JPEG


class ThumbnailPaths(Protocol):
    """Decides where thumbnails are stored."""

    def thumbnail(self, picture: Path) -> Path:
        """The path for the thumbnail of a picture; the file need not exist."""


@dataclass(frozen=True)
class HashedThumbnailPaths:
    """Stores the thumbnails of pictures from any folder in one folder, named by a hash of the picture's path."""

    folder: Path

    def thumbnail(self, picture: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(picture)).hexdigest()}.jpg"


class ThumbnailStore:
    """Makes thumbnails and stores them. Thread-safe."""

    def __init__(self, paths: ThumbnailPaths, limits: Limits) -> None:
        self._paths, self._limits = paths, limits

    def get(self, picture: Path) -> Path:
        """The file of the thumbnail, made if it is missing, or was made of another version of the picture.

        A JPEG of at most `MAX_THUMBNAIL_PX` a side. If the picture cannot be read, it shows a grey cross.
        """
        thumbnail, start = self.path(picture), _start_for(picture)
        if not _is_current(thumbnail, start):
            jpeg, is_final = self._make(picture)
            _write(jpeg, thumbnail, start if is_final else None)
        return thumbnail

    def read(self, picture: Path) -> tuple[bytes, bool]:
        """The thumbnail that `get` stores, and whether it would be the same at another time. Raises `OSError`."""
        thumbnail, start = self.get(picture), _start_for(picture)
        return thumbnail.read_bytes(), start is not None and _is_current(thumbnail, start)

    def make(self, candidate: Candidate) -> bytes:
        """The thumbnail of a picture, as a JPEG that is not stored. Raises a `PictureError`."""
        return make_thumbnail(candidate, self._limits, max_px=MAX_THUMBNAIL_PX, quality=JPEG_QUALITY)

    def put(self, picture: Path, jpeg: bytes) -> Path:
        """Store what `make` has returned as the thumbnail of a file, and return the thumbnail's file."""
        thumbnail = self.path(picture)
        _write(jpeg, thumbnail, _start_for(picture))
        return thumbnail

    def path(self, picture: Path) -> Path:
        """The path of the thumbnail, whether it exists or not."""
        return self._paths.thumbnail(picture)

    def _make(self, picture: Path) -> tuple[bytes, bool]:
        """Return a JPEG, and whether it would be the same at another time."""
        try:
            return self.make(Candidate.of(picture)), True
        except PictureError as error:
            depends_on_machine = isinstance(error, PictureUnreadable) and error.reason in ("too slow", "no memory")
            is_final = not (depends_on_machine or isinstance(error, PictureSkipped))
            return make_placeholder(quality=JPEG_QUALITY), is_final


def _write(jpeg: bytes, thumbnail: Path, start: bytes | None) -> None:
    """Write a thumbnail. start: how it begins; None if it is made again the next time."""
    thumbnail.parent.mkdir(parents=True, exist_ok=True)
    content = jpeg if start is None else start + jpeg[len(_START) :]
    write_atomically(content, thumbnail)  # another thread may read or write the same thumbnail


def _start_for(picture: Path) -> bytes | None:
    """Return how a JPEG begins that was made of this version of a picture; None if the picture is gone.

    Its comment has a hash of what changes when the file does. It need not be newer: files keep their time when they are
    moved or synchronized.
    """
    stamp = file_stamp(picture)
    if stamp is None:
        return None
    version = hashlib.sha256(repr((DECODING_VERSION, stamp)).encode()).digest()
    return _START + _COMMENT + struct.pack(">H", 2 + len(version)) + version


def _is_current(thumbnail: Path, start: bytes | None) -> bool:
    """Whether the file is a JPEG with this start, or any if the picture is gone; a power cut may leave it empty."""
    expected = start or _START
    try:
        with thumbnail.open("rb") as file:
            found, size_bytes = file.read(len(expected)), file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - len(_END)))
            return (found, file.read()) == (expected, _END)
    except OSError:
        return False
