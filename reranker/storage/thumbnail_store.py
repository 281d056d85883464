"""Thumbnails of picture files, stored on disk and made at most once for each version of a picture."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from reranker.core.errors import PictureError, PictureSkipped, PictureUnreadable
from reranker.core.types import Candidate
from reranker.images.limits import Limits
from reranker.images.thumbnails import make_placeholder, make_thumbnail
from reranker.storage.atomic_write import write_atomically

MAX_THUMBNAIL_PX: Final = 512
JPEG_QUALITY: Final = 85


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

    def __init__(self, paths: ThumbnailPaths, limits: Limits, threads: int) -> None:
        self._paths, self._limits, self._threads = paths, limits, threads

    def get_all(self, pictures: Sequence[Path]) -> list[Path]:
        """The files of the thumbnails of several pictures; missing ones are made in parallel."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self.get, pictures))

    def get(self, picture: Path) -> Path:
        """The file of the thumbnail, made if it is missing or older than the picture.

        A JPEG of at most `MAX_THUMBNAIL_PX` a side. If the picture cannot be read, it shows a grey cross.
        """
        thumbnail = self.path(picture)
        if not _is_current(thumbnail, picture):
            thumbnail.parent.mkdir(parents=True, exist_ok=True)
            data, is_final = self._make(picture)
            write_atomically(data, thumbnail)  # another thread may read or write the same thumbnail
            if not is_final:
                os.utime(thumbnail, (0, 0))
        return thumbnail

    def path(self, picture: Path) -> Path:
        """The path of the thumbnail, whether it exists or not."""
        return self._paths.thumbnail(picture)

    def _make(self, picture: Path) -> tuple[bytes, bool]:
        """Return a JPEG, and whether it would be the same at another time."""
        try:
            jpeg = make_thumbnail(Candidate.of(picture), self._limits, max_px=MAX_THUMBNAIL_PX, quality=JPEG_QUALITY)
            return jpeg, True
        except PictureError as error:
            depends_on_machine = isinstance(error, PictureUnreadable) and error.reason in ("too slow", "no memory")
            is_final = not (depends_on_machine or isinstance(error, PictureSkipped))
            return make_placeholder(quality=JPEG_QUALITY), is_final


def _is_current(thumbnail: Path, picture: Path) -> bool:
    """Whether the thumbnail is complete, and at least as new as the picture, or the picture is gone."""
    if not _is_complete(thumbnail):
        return False
    try:
        return thumbnail.stat().st_mtime >= picture.stat().st_mtime
    except OSError:
        return True


def _is_complete(thumbnail: Path) -> bool:
    """Whether the file exists and has the start and the end of a JPEG; a power cut may leave it empty."""
    try:
        with thumbnail.open("rb") as file:
            start, size_bytes = file.read(2), file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - 2))
            return (start, file.read()) == (b"\xff\xd8", b"\xff\xd9")
    except OSError:
        return False
