"""Small pictures to show in place of the originals, which may be of many megapixels or unknown to browsers."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from PIL import Image, ImageDraw

from reranker.core.errors import PictureError
from reranker.core.types import Candidate
from reranker.images.decoding import Limits, decode, read_bytes

MAX_THUMBNAIL_PX: Final = 512


class Shelf(Protocol):
    """Where thumbnails are kept."""

    def thumbnail(self, picture: Path) -> Path:
        """The place of a picture's own, which need not exist."""


@dataclass(frozen=True)
class OneFolder:
    """A shelf in a folder of its own, for pictures from anywhere."""

    folder: Path

    def thumbnail(self, picture: Path) -> Path:
        return self.folder / f"{hashlib.sha256(os.fsencode(picture)).hexdigest()}.jpg"


class Thumbnails:
    """Makes them once, on a shelf."""

    def __init__(self, shelf: Shelf, limits: Limits, threads: int) -> None:
        self._shelf, self._limits, self._threads = shelf, limits, threads

    def of_all(self, pictures: Sequence[Path]) -> list[Path]:
        """Of each, made several at a time."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self.of, pictures))

    def of(self, picture: Path) -> Path:
        """A JPEG of at most `MAX_THUMBNAIL_PX` a side, made once; a grey cross for what cannot be read."""
        thumbnail = self.place(picture)
        if not _is_newer(thumbnail, picture):
            thumbnail.parent.mkdir(parents=True, exist_ok=True)
            _save(self._drawn(picture), thumbnail)
        return thumbnail

    def place(self, picture: Path) -> Path:
        """Where that of a picture is, or will be."""
        return self._shelf.thumbnail(picture)

    def _drawn(self, picture: Path) -> Image.Image:
        try:
            shown = decode(read_bytes(Candidate.of(picture), self._limits), picture.name, self._limits)
        except PictureError:
            return _cross()
        shown.thumbnail((MAX_THUMBNAIL_PX, MAX_THUMBNAIL_PX), reducing_gap=2.0)
        return shown


def _is_newer(thumbnail: Path, picture: Path) -> bool:
    """Than the picture, or all that is left of it."""
    try:
        made = thumbnail.stat().st_mtime
    except FileNotFoundError:
        return False
    try:
        return made >= picture.stat().st_mtime
    except OSError:
        return True


def _save(picture: Image.Image, target: Path) -> None:
    """Whole or not at all: another thread may be asked for the same thumbnail."""
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        picture.save(file, "JPEG", quality=85)
    Path(name).replace(target)


def _cross() -> Image.Image:
    picture = Image.new("RGB", (240, 240), (236, 238, 241))
    pen = ImageDraw.Draw(picture)
    for start, end in (((90, 90), (150, 150)), ((90, 150), (150, 90))):
        pen.line((start, end), fill=(150, 156, 166), width=8)
    return picture
