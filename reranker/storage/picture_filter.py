"""Which pictures of a library are searched, and the same as a condition of SQL on the tables of the catalogue."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, get_args

from reranker.core.errors import FilterInvalid
from reranker.images.formats import ImageFormat, format_named

_DATE_FORM: Final = re.compile(r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?")
# When a picture was taken, or else when its file was changed, in local time.
DATE: Final = "COALESCE(taken, strftime('%Y-%m-%dT%H:%M:%S', mtime_ns / 1000000000, 'unixepoch', 'localtime'))"


@dataclass(frozen=True, kw_only=True)
class PictureFilter:
    """Which pictures are searched; all by default.

    folders: only pictures in one of them or in their subfolders. since, until: the first and the last date, as the
    start of an ISO 8601 date and time: "2024", "2024-05" or "2024-05-01". formats: such as "JPEG". least_px: of the
    shorter side. labels: keys of labels that a picture must have, all of them.
    """

    folders: tuple[Path, ...] = ()
    since: str = ""
    until: str = ""
    formats: tuple[ImageFormat, ...] = ()
    least_px: int = 0
    labels: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        folders: Iterable[Path] = (),
        since: str = "",
        until: str = "",
        formats: Iterable[str] = (),
        least_px: int = 0,
    ) -> Self:
        """Return the filter of what somebody has written; formats by any of their names. Raises `FilterInvalid`."""
        chosen = {name: format_named(name) for name in formats}
        for name, format_ in chosen.items():
            if format_ is None:
                raise FilterInvalid(filter="type", value=name, expected=" | ".join(get_args(ImageFormat)))
        for filter_, date in (("since", since), ("until", until)):
            if date and not _DATE_FORM.fullmatch(date):
                raise FilterInvalid(filter=filter_, value=date, expected="2024 | 2024-05 | 2024-05-01")
        return cls(
            folders=tuple(folder.expanduser().resolve() for folder in folders),
            since=since,
            until=until,
            formats=tuple(format_ for format_ in chosen.values() if format_ is not None),
            least_px=least_px,
        )


def filter_condition(filter_: PictureFilter) -> tuple[str, list[object]]:
    """Return a condition of SQL on the tables `pictures` and `contents`, and its values."""
    conditions, values = ["error IS NULL"], list[object]()
    if filter_.folders:
        conditions.append(" OR ".join(["path >= ? AND path < ?"] * len(filter_.folders)).join("()"))
        for folder in filter_.folders:
            prefix = os.fsencode(folder).rstrip(os.fsencode(os.sep))
            values += [prefix + os.fsencode(os.sep), prefix + bytes([ord(os.sep) + 1])]
    if filter_.since:
        conditions.append(f"{DATE} >= ?")
        values.append(filter_.since)
    if filter_.until:
        conditions.append(f"substr({DATE}, 1, ?) <= ?")
        values += [len(filter_.until), filter_.until]
    if filter_.formats:
        conditions.append(f"format IN ({', '.join('?' * len(filter_.formats))})")
        values += filter_.formats
    if filter_.least_px:
        conditions.append("MIN(width, height) >= ?")
        values.append(filter_.least_px)
    for label in filter_.labels:
        conditions.append("content_hash IN (SELECT content_hash FROM labels WHERE label = ?)")
        values.append(label)
    return " AND ".join(conditions), values
