"""The best pictures of a ranking as files: the original bytes, named in order, as in "01_9.4_beach.jpg"."""

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

MAX_NAME_BYTES = 200  # in UTF-8, of the original's own name, its end included; file systems take 255 in all
MAX_FOLDER_NAME_BYTES = 80
LEAST_DIGITS = 2
# What some system forbids in a name, or reads as something else.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff]')
_MADE_AT = (1980, 1, 1, 0, 0, 0)  # so that equal rankings are equal files; a ZIP knows no earlier day


def write_archive(ranking: Ranking, file: IO[bytes], limits: Limits) -> tuple[Failed, ...]:
    """Write all scored pictures of the ranking as a ZIP, best first. Returns those that could not be read any more."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        return _written(ranking, limits, lambda name, data: archive.writestr(zipfile.ZipInfo(name, _MADE_AT), data))


def write_folder(ranking: Ranking, folder: Path, limits: Limits) -> tuple[Failed, ...]:
    """As `write_archive`, into a folder, which is made where it is missing.

    Raises OSError, FileExistsError where a file would be overwritten.
    """

    def write(name: str, data: bytes) -> None:
        with (folder / name).open("xb") as file:
            file.write(data)

    folder.mkdir(parents=True, exist_ok=True)
    return _written(ranking, limits, write)


def _written(ranking: Ranking, limits: Limits, write: Callable[[str, bytes], None]) -> tuple[Failed, ...]:
    scores = score_texts([shown_score(one.score.log_odds, ranking.temperature) for one in ranking.scored])
    gone = []
    for one, name in zip(ranking.scored, member_names(ranking.scored, scores), strict=True):
        try:
            data = read_bytes(one.candidate, limits)
        except PictureError as error:
            gone.append(Failed(position=one.position, candidate=one.candidate, error=error))
        else:
            write(name, data)
    return tuple(gone)


def member_names(scored: Sequence[Scored], scores: Sequence[str]) -> list[str]:
    """Of each picture: its rank, as wide as the last one, its score, and what is safe of its name. No two are equal."""
    digits = _digits(len(scored))
    return [
        f"{rank:0{digits}}_{score}_{_safe(one.candidate.name)}"
        for rank, (one, score) in enumerate(zip(scored, scores, strict=True), start=1)
    ]


def folder_names(queries: Sequence[str]) -> list[str]:
    """Of each query: its number, as wide as the last one, and what is safe of its text. No two are equal."""
    digits = _digits(len(queries))
    plain = (_cut(_plain(query) or "query", MAX_FOLDER_NAME_BYTES).strip(" .") for query in queries)
    return [f"{number:0{digits}}_{text}" for number, text in enumerate(plain, start=1)]


def _digits(count: int) -> int:
    return max(LEAST_DIGITS, len(str(count)))


def _safe(name: str) -> str:
    """The last part of a path, on any system one file's name; of a long one the beginning and the extension."""
    plain = _plain(re.split(r"[\\/]", name.rstrip("\\/"))[-1]) or "picture"
    stem, point, extension = plain.rpartition(".")
    if len(plain.encode()) <= MAX_NAME_BYTES or not point:
        return _cut(plain, MAX_NAME_BYTES)
    end = f".{extension}"
    return _cut(_cut(stem, max(1, MAX_NAME_BYTES - len(end.encode()))) + end, MAX_NAME_BYTES)


def _plain(text: str) -> str:
    return _FORBIDDEN.sub("_", text).strip(" .")


def _cut(text: str, max_bytes: int) -> str:
    return text.encode()[:max_bytes].decode(errors="ignore")
