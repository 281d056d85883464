"""Read the encoded bytes of a picture, within the limits."""

import stat
from pathlib import Path

from reranker.core.errors import PictureMissing, PictureUnreadable
from reranker.core.types import Candidate
from reranker.images.limits import Limits


def read_bytes(candidate: Candidate, limits: Limits) -> bytes:
    """The encoded bytes of a candidate. The size is checked before any of them is read.

    Raises `PictureMissing` if the source is not a regular file, `PictureFileTooLarge` if it is beyond the limit, and
    `PictureUnreadable` with the reason "no access" if the operating system refuses to read it.
    """
    if isinstance(candidate.source, bytes):
        limits.check_bytes(len(candidate.source), candidate.name)
        return candidate.source
    try:
        return _read_file(candidate.source, candidate.name, limits)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: the path contains a null byte
        raise PictureMissing(name=candidate.name) from error
    except OSError as error:
        raise PictureUnreadable(name=candidate.name, reason="no access") from error


def _read_file(path: Path, name: str, limits: Limits) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise PictureMissing(name=name)
    limits.check_bytes(status.st_size, name)
    with path.open("rb") as file:
        data = file.read(limits.max_bytes + 1)
    limits.check_bytes(len(data), name)  # again, as the file may have grown since `stat`
    return data
