"""The best pictures of a result, copied into a folder of their own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from reranker.cli.console import FAILED, Refused, printable, say
from reranker.core.types import Ranking
from reranker.export.archive import folder_names, write_folder
from reranker.i18n.error_messages import sentence
from reranker.images.limits import Limits

COPIED_UNLESS_TOLD: Final = 10


def check_empty(folder: Path | None) -> None:
    """Raises `Refused` unless the folder is empty or not there, as nothing is ever overwritten."""
    if folder is None:
        return
    shown = f"“{printable(str(folder))}”"
    try:
        if any(folder.iterdir()):
            raise Refused(f"The folder {shown} for the copies is not empty; empty it, or name a new one.")
    except FileNotFoundError:
        return
    except OSError as error:
        raise Refused(f"Pictures cannot be copied into {shown}: {error.strerror}.") from error


def copy_best(rankings: Sequence[Ranking], count: int, folder: Path, limits: Limits, *, several: bool) -> None:
    """The best `count` pictures of each ranking, named in order; of several, into a folder for each query.

    Those that are gone by now are told on stderr. Raises `Refused`.
    """
    names = folder_names([ranking.query.text for ranking in rankings]) if several else [""]
    try:
        copied = sum(
            _copied(ranking, count, folder / name, limits) for ranking, name in zip(rankings, names, strict=True)
        )
    except OSError as error:
        reason = f"The pictures could not be copied into “{printable(str(folder))}”: {error.strerror}."
        raise Refused(reason, FAILED) from error
    say(f"Pictures copied into “{printable(str(folder))}”: {copied}.")


def _copied(ranking: Ranking, count: int, folder: Path, limits: Limits) -> int:
    best = replace(ranking, scored=ranking.scored[:count])
    gone = write_folder(best, folder, limits)
    for one in gone:
        say(sentence(one.error, "en"))
    return len(best.scored) - len(gone)
