"""Copy the pictures of a ranking into a ZIP or a folder, named by rank and score, such as "01_9.4_beach.jpg"."""

import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from reranker.core.errors import PictureError
from reranker.core.scores import score_texts, shown_score
from reranker.core.types import Failed, Ranking, Scored
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes

MAX_NAME_BYTES = 200  # of the picture's own name, in UTF-8; file systems allow 255 in all
MAX_FOLDER_NAME_BYTES = 80
MIN_DIGITS = 2
# Characters that some operating system forbids in a name or interprets.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff]')
_MODIFIED = (1980, 1, 1, 0, 0, 0)  # the earliest date of a ZIP; constant, so that equal rankings give equal files


def write_archive(ranking: Ranking, file: IO[bytes], limits: Limits) -> tuple[Failed, ...]:
    """Write the original bytes of all scored pictures into a ZIP, best first.

    Returns the pictures that could no longer be read. Raises `OSError`.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        return _write_all(ranking, limits, lambda name, data: archive.writestr(zipfile.ZipInfo(name, _MODIFIED), data))


def write_folder(ranking: Ranking, folder: Path, limits: Limits) -> tuple[Failed, ...]:
    """Write the same files as `write_archive` into a folder, which is created if it is missing.

    Returns the pictures that could no longer be read. Raises `FileExistsError` if a file of that name exists, or
    another `OSError`.
    """

    def write(name: str, data: bytes) -> None:
        with (folder / name).open("xb") as file:
            file.write(data)

    folder.mkdir(parents=True, exist_ok=True)
    return _write_all(ranking, limits, write)


def _write_all(ranking: Ranking, limits: Limits, write: Callable[[str, bytes], None]) -> tuple[Failed, ...]:
    scores = score_texts([shown_score(scored.score.log_odds, ranking.temperature) for scored in ranking.scored])
    failed = []
    for scored, name in zip(ranking.scored, member_names(ranking.scored, scores), strict=True):
        try:
            data = read_bytes(scored.candidate, limits)
        except PictureError as error:
            failed.append(Failed(position=scored.position, candidate=scored.candidate, error=error))
        else:
            write(name, data)
    return tuple(failed)


def member_names(scored: Sequence[Scored], scores: Sequence[str]) -> list[str]:
    """A distinct file name for each picture: rank, padded to equal width, score, and the safe part of its own name.

    scores: as text, one for each picture.
    """
    digits = _digits(len(scored))
    return [
        f"{rank:0{digits}}_{score}_{safe_name(picture.candidate.name)}"
        for rank, (picture, score) in enumerate(zip(scored, scores, strict=True), start=1)
    ]


def folder_names(queries: Sequence[str]) -> list[str]:
    """A distinct folder name for each query: number, padded to equal width, and the safe part of its text."""
    digits = _digits(len(queries))
    texts = (_truncate(_replace_forbidden(query) or "query", MAX_FOLDER_NAME_BYTES).strip(" .") for query in queries)
    return [f"{number:0{digits}}_{text}" for number, text in enumerate(texts, start=1)]


def _digits(count: int) -> int:
    return max(MIN_DIGITS, len(str(count)))


def safe_name(path: str) -> str:
    """A file name that is valid on any operating system: the last part of a path, shortened before its extension."""
    name = _replace_forbidden(re.split(r"[\\/]", path.rstrip("\\/"))[-1]) or "picture"
    stem, point, extension = name.rpartition(".")
    if len(name.encode()) <= MAX_NAME_BYTES or not point:
        return _truncate(name, MAX_NAME_BYTES)
    suffix = f".{extension}"
    return _truncate(_truncate(stem, max(1, MAX_NAME_BYTES - len(suffix.encode()))) + suffix, MAX_NAME_BYTES)


def _replace_forbidden(text: str) -> str:
    return _FORBIDDEN.sub("_", text).strip(" .")


def _truncate(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")
