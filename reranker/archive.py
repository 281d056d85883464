"""The best pictures of a ranking as a ZIP: the original bytes, named in order, as in "01_9.4_beach.jpg"."""

import re
import zipfile
from collections.abc import Sequence
from typing import IO

from reranker.errors import PictureError
from reranker.images import Limits, read_bytes
from reranker.scores import score_texts, shown_score
from reranker.types import Failed, Ranking, Scored

MAX_NAME_LENGTH = 100  # characters of the original's own name, its end included
LEAST_DIGITS = 2
# What some system forbids in a name, or reads as something else.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff]')
_MADE_AT = (1980, 1, 1, 0, 0, 0)  # so that equal rankings are equal files; a ZIP knows no earlier day


def write_archive(ranking: Ranking, file: IO[bytes], limits: Limits) -> tuple[Failed, ...]:
    """Write all scored pictures of the ranking, best first. Returns those that could not be read any more."""
    scores = score_texts([shown_score(one.judgement.log_odds, ranking.temperature) for one in ranking.scored])
    gone = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for one, name in zip(ranking.scored, member_names(ranking.scored, scores), strict=True):
            try:
                data = read_bytes(one.candidate, limits)
            except PictureError as error:
                gone.append(Failed(position=one.position, candidate=one.candidate, error=error))
            else:
                archive.writestr(zipfile.ZipInfo(name, _MADE_AT), data)
    return tuple(gone)


def member_names(scored: Sequence[Scored], scores: Sequence[str]) -> list[str]:
    """Of each picture: its rank, as wide as the last one, its score, and what is safe of its name. No two are equal."""
    digits = max(LEAST_DIGITS, len(str(len(scored))))
    return [
        f"{rank:0{digits}}_{score}_{_safe(one.candidate.name)}"
        for rank, (one, score) in enumerate(zip(scored, scores, strict=True), start=1)
    ]


def _safe(name: str) -> str:
    """The last part of a path, on any system one file's name; of a long one the beginning and the extension."""
    last = re.split(r"[\\/]", name.rstrip("\\/"))[-1]
    plain = _FORBIDDEN.sub("_", last).strip(" .") or "picture"
    stem, point, extension = plain.rpartition(".")
    if len(plain) <= MAX_NAME_LENGTH or not point:
        return plain[:MAX_NAME_LENGTH]
    return f"{stem[: max(1, MAX_NAME_LENGTH - len(extension) - 1)]}.{extension}"[:MAX_NAME_LENGTH]
