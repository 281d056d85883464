"""Copy the pictures of rankings into a ZIP or a folder, named by rank and score, such as "01_9.4_beach.jpg"."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from reranker.core.errors import PictureError
from reranker.core.types import Failed, Ranking
from reranker.export.file_names import DEFAULT_TEMPLATE, folder_names, member_names
from reranker.export.ranks import Ranks, with_ranks
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes

# The earliest date of a ZIP; constant, so that equal rankings give equal files.
_MODIFIED: Final = (1980, 1, 1, 0, 0, 0)

_Write = Callable[[str, bytes], None]


def write_archive(
    ranking: Ranking,
    file: IO[bytes],
    limits: Limits,
    *,
    template: str = DEFAULT_TEMPLATE,
    ranks: Ranks = None,
) -> tuple[Failed, ...]:
    """Write the original bytes of all scored pictures into a ZIP, in their order.

    template, ranks: as in `member_names`. Returns the pictures that could no longer be read. Raises `OSError` and
    `NameTemplateInvalid`.
    """
    names = member_names(ranking, template=template, ranks=ranks)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        return _write_all(ranking, limits, _member_writer(archive), names)


def write_archive_of_several(
    rankings: Sequence[Ranking],
    file: IO[bytes],
    limits: Limits,
    *,
    template: str = DEFAULT_TEMPLATE,
    ranks: Sequence[Ranks] | None = None,
) -> tuple[Failed, ...]:
    """Write the files of `write_archive` for each ranking into a ZIP, each into a folder named after its query.

    ranks: those of each ranking. Returns and raises as `write_archive`.
    """
    folders = folder_names([ranking.query.title for ranking in rankings])
    failed: list[Failed] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for (ranking, each), folder in zip(with_ranks(rankings, ranks), folders, strict=True):
            names = [f"{folder}/{name}" for name in member_names(ranking, template=template, ranks=each)]
            failed += _write_all(ranking, limits, _member_writer(archive), names)
    return tuple(failed)


def write_folder(
    ranking: Ranking,
    folder: Path,
    limits: Limits,
    *,
    template: str = DEFAULT_TEMPLATE,
    ranks: Ranks = None,
) -> tuple[Failed, ...]:
    """Write the same files as `write_archive` into a folder, which is created if it is missing.

    Returns the pictures that could no longer be read. Raises `FileExistsError` if a file of that name exists, or
    another `OSError`, and `NameTemplateInvalid`.
    """

    def write(name: str, data: bytes) -> None:
        with (folder / name).open("xb") as file:
            file.write(data)

    names = member_names(ranking, template=template, ranks=ranks)
    folder.mkdir(parents=True, exist_ok=True)
    return _write_all(ranking, limits, write, names)


def _member_writer(archive: zipfile.ZipFile) -> _Write:
    return lambda name, data: archive.writestr(zipfile.ZipInfo(name, _MODIFIED), data)


def _write_all(ranking: Ranking, limits: Limits, write: _Write, names: Sequence[str]) -> tuple[Failed, ...]:
    failed = []
    for scored, name in zip(ranking.scored, names, strict=True):
        try:
            data = read_bytes(scored.candidate, limits)
        except PictureError as error:
            failed.append(Failed(position=scored.position, candidate=scored.candidate, error=error))
        else:
            write(name, data)
    return tuple(failed)
