"""Bring pictures into a session: uploads, the sample gallery, and the galleries of the server."""

import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from reranker.api import Reranker
from reranker.core.errors import PictureError, TooManyPictures
from reranker.core.text import well_formed
from reranker.core.types import Candidate
from reranker.export.archive import safe_name
from reranker.images.decoding_pool import shared_pool
from reranker.images.formats import is_picture
from reranker.images.hashing import content_hash
from reranker.images.reading import read_bytes
from reranker.ui.galleries import Galleries
from reranker.ui.session.records import Picture, can_retry
from reranker.ui.session.session import Session

ID_BYTES: Final = 6
MAX_NAME_LENGTH: Final = 255


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """An uploaded picture. same_as: name of the picture with the same bytes that was there already, or None."""

    picture: Picture
    same_as: str | None


class Admission:
    """Adds pictures to sessions. Thread-safe. samples: of the sample gallery."""

    def __init__(self, reranker: Reranker, samples: Sequence[Path], galleries: Galleries) -> None:
        self._limits, self._max_count = reranker.limits, reranker.settings.limits.max_pictures
        self.samples, self.galleries = samples, galleries

    def add_upload(self, session: Session, file: Path, sha256: str, name: str) -> Admitted:
        """Move an uploaded file into a session, if it is a picture.

        sha256: of its bytes, in hexadecimal. name: as the browser has sent it. Raises the `PictureError` of a file that
        can never be scored, and `TooManyPictures`.
        """
        shown = _shown_name(name)
        if (equal := session.find_equal(sha256)) is not None:
            return Admitted(picture=equal, same_as=equal.name)
        self._check_count(session, 1)
        picture = self._examined(session, file, sha256, shown)
        with session.lock:  # two equal files may have arrived at the same time
            if (equal := session.find_equal(sha256)) is not None:
                shutil.rmtree(picture.path.parent, ignore_errors=True)
                return Admitted(picture=equal, same_as=equal.name)
            session.add([picture])
        return Admitted(picture=picture, same_as=None)

    def add_samples(self, session: Session) -> int:
        """Add the sample gallery, except what is there already. Returns the number of new pictures."""
        pictures = [_from_file(path, content_hash(path.read_bytes())) for path in self.samples]
        new = [picture for picture in pictures if session.find_equal(picture.sha256 or "") is None]
        self._check_count(session, len(new))
        session.add(new)
        return len(new)

    def add_gallery(self, session: Session, name: str) -> tuple[int, int]:
        """Add the pictures of a gallery of the server, except those that are there already.

        Returns how many are new, and how many there is no room for.
        """
        present = {picture.path for picture in session.pictures.values()}
        paths = [path for path in self.galleries.pictures(name, self._max_count + 1) if path not in present]
        kept = paths[: max(0, self._max_count - len(present))]
        session.add([_from_file(path, None) for path in kept])
        return len(kept), len(paths) - len(kept)

    def details(self, picture: Picture) -> list[Any]:
        """Return what the camera has written into a picture."""
        return []

    def _check_count(self, session: Session, new_count: int) -> None:
        count = len(session.pictures) + new_count
        if count > self._max_count:
            raise TooManyPictures(count=count, max_count=self._max_count)

    def _examined(self, session: Session, file: Path, sha256: str, name: str) -> Picture:
        """Move a file into the session, and return what is known of it. Raises `PictureError`."""
        candidate = Candidate(name=name, source=file)
        picture_id = new_id()
        target = session.folder / "pictures" / picture_id / safe_name(name)
        error: PictureError | None = None
        size = None
        try:
            size = shared_pool().size(read_bytes(candidate, self._limits), name, self._limits)
            jpeg = session.thumbnails.make(candidate)
        except PictureError as raised:
            if not can_retry(raised):
                raise
            error = raised
        target.parent.mkdir(parents=True)
        byte_count = file.stat().st_size
        file.replace(target)
        if error is None:
            size = _upright(size, session.thumbnails.put(target, jpeg))
        return Picture(
            id=picture_id, name=name, path=target, sha256=sha256, size_bytes=byte_count, size=size, error=error
        )


def new_id() -> str:
    """Return a new id, which need not be secret."""
    return secrets.token_hex(ID_BYTES)


def find_samples(folder: Path) -> list[Path]:
    """Return the pictures of a folder by name."""
    return sorted(path for path in folder.glob("*") if is_picture(path.name))


def _from_file(path: Path, sha256: str | None) -> Picture:
    return Picture(id=new_id(), name=well_formed(path.name), path=path, sha256=sha256, size_bytes=path.stat().st_size)


def _shown_name(name: str) -> str:
    """Return the last part of a path on one line, shortened."""
    last = re.split(r"[\\/]", well_formed(name).rstrip("\\/"))[-1]
    visible = "".join(character if character.isprintable() else "\ufffd" for character in last)
    return visible[-MAX_NAME_LENGTH:] or "picture"


def _upright(size: tuple[int, int] | None, thumbnail: Path) -> tuple[int, int] | None:
    """Return a size as people see the picture: its metadata may say that it is turned."""
    if size is None:
        return None
    with Image.open(thumbnail) as image:
        is_turned = (image.width > image.height) != (size[0] > size[1]) and image.width != image.height
    return (size[1], size[0]) if is_turned else size
