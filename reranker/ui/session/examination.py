"""Find out what people want to know of a picture: its size, when it was taken, and which others look like it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from reranker.core.errors import PictureError
from reranker.core.types import Candidate
from reranker.i18n.capture_labels import CAPTURE_LABELS
from reranker.images.capture_data import capture_data
from reranker.images.decoding_pool import shared_pool
from reranker.images.hashing import content_hash
from reranker.images.limits import Limits
from reranker.images.perceptual_hash import group_alike, perceptual_hash
from reranker.images.reading import read_bytes
from reranker.ui.session.records import Picture
from reranker.ui.session.session import Session

GROUPING_DELAY_S: Final = 0.5  # so that many pictures that arrive together are compared once
THREADS: Final = 2
CHUNK: Final = 20  # pictures of a gallery that are told to the browser together


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What the bytes of a picture say. jpeg: its thumbnail. size: as stored. taken: as in `CaptureData`."""

    size: tuple[int, int]
    taken: str | None
    jpeg: bytes


class Examination:
    """Examines pictures of sessions. Thread-safe. What comes late is told to the sessions."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reranker-examination")
        self._lock, self._waiting = threading.Lock(), set[str]()

    def examine(self, session: Session, candidate: Candidate) -> Examined:
        """Return what is known of a picture that was uploaded. Raises `PictureError`."""
        data, name = read_bytes(candidate, self._limits), candidate.name
        size = shared_pool().size(data, name, self._limits)
        jpeg = session.thumbnails.make(Candidate(name=name, source=data))
        return Examined(size=size, taken=capture_data(data, name).taken, jpeg=jpeg)

    def examine_later(self, session: Session, pictures: list[Picture]) -> None:
        """Examine pictures that lie on this machine, such as those of a gallery, in another thread."""
        for start in range(0, len(pictures), CHUNK):
            self._pool.submit(self._examine_chunk, session, pictures[start : start + CHUNK])

    def examine_again(self, session: Session) -> None:
        """Examine the pictures that could not be read when they came, as they may be readable by now."""
        self.examine_later(session, [picture for picture in session.pictures.values() if picture.error is not None])

    def group_soon(self, session: Session) -> None:
        """Find the pictures that look alike, in a moment and in another thread."""
        with self._lock:
            if session.id in self._waiting:
                return
            self._waiting.add(session.id)
        timer = threading.Timer(GROUPING_DELAY_S, self._group, [session])
        timer.daemon = True
        timer.start()

    def details(self, picture: Picture) -> list[Any]:
        """Return what the camera has written into a picture: labels in each language, and values."""
        found = capture_data(read_bytes(picture.candidate, self._limits), picture.name)
        return [[CAPTURE_LABELS[key], value] for key, value in found.details]

    def _examine_chunk(self, session: Session, pictures: list[Picture]) -> None:
        found = {picture.id: self._facts(session, picture) for picture in pictures}
        session.amend(found)
        self.group_soon(session)

    def _facts(self, session: Session, picture: Picture) -> dict[str, Any]:
        try:
            data = read_bytes(picture.candidate, self._limits)
            size = shared_pool().size(data, picture.name, self._limits)
        except PictureError as error:
            return {"error": error}
        thumbnail = session.thumbnails.get(picture.path)
        return {
            "error": None,
            "sha256": content_hash(data),
            "size": upright(size, thumbnail),
            "taken": capture_data(data, picture.name).taken,
            "perceptual_hash": perceptual_hash(thumbnail),
        }

    def _group(self, session: Session) -> None:
        with self._lock:
            self._waiting.discard(session.id)
        pictures = [picture for picture in session.pictures.values() if picture.perceptual_hash is not None]
        groups = group_alike([picture.perceptual_hash or 0 for picture in pictures])
        pairs = zip(pictures, groups, strict=True)
        session.amend({picture.id: {"alike": group} for picture, group in pairs if picture.alike != group})


def upright(size: tuple[int, int], thumbnail: Path) -> tuple[int, int]:
    """Return a size as people see the picture: its metadata may say that it is turned."""
    with Image.open(thumbnail) as image:
        is_turned = (image.width > image.height) != (size[0] > size[1]) and image.width != image.height
    return (size[1], size[0]) if is_turned else size
