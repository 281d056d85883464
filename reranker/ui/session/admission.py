"""Bring pictures into a session: uploads, the sample gallery, and the galleries of the server."""

import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reranker.api import Reranker
from reranker.core.errors import PathUnknown, PictureError, SessionUnknown, TooManyPictures, can_retry
from reranker.core.text import well_formed
from reranker.core.types import Candidate
from reranker.export.file_names import safe_name
from reranker.images.formats import is_picture
from reranker.images.hashing import content_hash
from reranker.images.perceptual_hash import perceptual_hash
from reranker.ui.galleries import Galleries
from reranker.ui.session.examination import Examination, upright
from reranker.ui.session.records import Picture
from reranker.ui.session.session import Session
from reranker.ui.session.uploads import Upload

ID_BYTES: Final = 6


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """An uploaded picture. same_as: name of the picture with the same bytes that was there already, or None."""

    picture: Picture
    same_as: str | None


class Admission:
    """Adds pictures to sessions. Thread-safe. samples: of the sample gallery."""

    def __init__(self, reranker: Reranker, samples: Sequence[Path], galleries: Galleries) -> None:
        self._max_count = reranker.settings.limits.max_pictures
        self.examination = Examination(reranker.limits)
        self.samples, self.galleries = samples, galleries

    def add_upload(self, session: Session, upload: Upload, place: int) -> Admitted:
        """Move an uploaded file into a session, if it is a picture. place: see `Picture`.

        Raises the `PictureError` of a file that can never be scored, `TooManyPictures`, `SessionUnknown`, `OSError`.
        """
        if (equal := session.find_equal(upload.sha256)) is not None:
            return Admitted(picture=equal, same_as=equal.name)
        self._check_count(session, 1)
        picture_id = new_id()
        target = session.folder / "pictures" / picture_id / safe_name(upload.name)
        try:
            picture = replace(self._examined(session, upload, picture_id, target), place=place)
            with session.lock:  # other files may have arrived at the same time, and equal ones
                if (equal := session.find_equal(upload.sha256)) is None:
                    self._check_count(session, 1)
                    session.add([picture])
                    self.examination.group_soon(session)
                    return Admitted(picture=picture, same_as=None)
        except BaseException:
            _discard(session, target)
            if session.is_forgotten:
                session.delete_folder()  # the upload has made it again
                raise SessionUnknown from None
            raise
        _discard(session, target)
        return Admitted(picture=equal, same_as=equal.name)

    def add_samples(self, session: Session) -> int:
        """Add the sample gallery, except what is there already. Returns the number of new pictures."""
        pictures = [_from_file(path, content_hash(path.read_bytes())) for path in self.samples]
        with session.lock:
            new = [picture for picture in pictures if session.find_equal(picture.sha256 or "") is None]
            self._check_count(session, len(new))
            session.add(new)
        self.examination.examine_later(session, new)
        return len(new)

    def add_gallery(self, session: Session, name: str) -> tuple[int, int]:
        """Add the pictures of a gallery of the server, except those that are there already.

        Returns how many are new, and how many there is no room for, as far as they were counted. Raises `PathUnknown`
        if there is no gallery of this name.
        """
        if name not in self.galleries.names:
            raise PathUnknown
        listed = [_listed(path) for path in self.galleries.pictures(name, 2 * self._max_count)]
        with session.lock:
            present = {picture.path for picture in session.pictures.values()}
            new = [picture for picture in listed if picture is not None and picture.path not in present]
            kept = new[: max(0, self._max_count - len(present))]
            session.add(kept)
        self.examination.examine_later(session, kept)
        return len(kept), len(new) - len(kept)

    def _check_count(self, session: Session, new_count: int) -> None:
        count = len(session.pictures) + new_count
        if count > self._max_count:
            raise TooManyPictures(count=count, max_count=self._max_count)

    def _examined(self, session: Session, upload: Upload, picture_id: str, target: Path) -> Picture:
        """Move a file to a path in a new folder, and return what is known of it. Raises `PictureError`, `OSError`."""
        candidate = Candidate(name=upload.name, source=upload.file)
        error: PictureError | None = None
        try:
            examined = self.examination.examine(session, candidate)
        except PictureError as raised:
            if not can_retry(raised):
                raise
            error = raised
        target.parent.mkdir(parents=True)
        byte_count = upload.file.stat().st_size
        upload.file.replace(target)
        picture = Picture(
            id=picture_id, name=upload.name, path=target, sha256=upload.sha256, size_bytes=byte_count, error=error
        )
        if error is not None:
            return picture
        thumbnail = session.thumbnails.put(target, examined.jpeg)
        return replace(
            picture,
            size=upright(examined.size, thumbnail),
            taken=examined.taken,
            perceptual_hash=perceptual_hash(thumbnail),
        )


def new_id() -> str:
    """Return a new id, which need not be secret."""
    return secrets.token_hex(ID_BYTES)


def find_samples(folder: Path) -> list[Path]:
    """Return the pictures of a folder by name."""
    return sorted(path for path in folder.glob("*") if is_picture(path.name))


def _from_file(path: Path, sha256: str | None) -> Picture:
    return Picture(id=new_id(), name=well_formed(path.name), path=path, sha256=sha256, size_bytes=path.stat().st_size)


def _discard(session: Session, file: Path) -> None:
    """Delete an uploaded file with its folder and its thumbnail."""
    shutil.rmtree(file.parent, ignore_errors=True)
    session.thumbnails.path(file).unlink(missing_ok=True)


def _listed(path: Path) -> Picture | None:
    """Return a picture of a gallery, or None if it was deleted meanwhile."""
    try:
        return _from_file(path, None)
    except OSError:
        return None
