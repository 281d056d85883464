"""Read the inputs of a command: pictures from paths, queries from a text file, texts of pictures from a CSV file."""

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Final

from reranker.api import Reranker
from reranker.cli.console import CommandError, printable, say
from reranker.core.errors import QueryTooLong
from reranker.core.text import is_blank
from reranker.core.types import Candidate
from reranker.images.formats import is_picture
from reranker.images.natural_order import natural_key

STDIN: Final = Path("-")
TEXT_COLUMNS: Final = ("path", "text")


def candidates_at(paths: Sequence[str], recursive: bool) -> list[Candidate]:
    """Return the pictures at paths and in folders, each file once, named as they were typed.

    Pictures of a folder are in natural order. A folder that is empty or cannot be read is reported on stderr if there
    are other paths. Raises `CommandError` if there are no pictures at all.
    """
    candidates: list[Candidate] = []
    for path in paths:
        try:
            candidates += _candidates_at(path, recursive)
        except CommandError as error:
            if len(paths) == 1:
                raise
            say(str(error))
    if not candidates:
        raise CommandError("There is no picture to rank.")
    return _distinct(candidates)


def _candidates_at(path: str, recursive: bool) -> list[Candidate]:
    """Raises `CommandError` if a folder cannot be read or has no pictures."""
    if not is_folder(path):
        return [Candidate(name=path, source=Path(path))]
    pictures = sorted(_pictures_in(path, recursive), key=natural_key)
    if not pictures:
        shown = f"The folder “{printable(path)}”"
        if recursive:
            raise CommandError(f"{shown} and its subfolders have no pictures.")
        raise CommandError(f"{shown} has no pictures; add --recursive to search its subfolders, too.")
    return [Candidate(name=str(picture), source=picture) for picture in pictures]


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the first candidate of each file, since several paths and links may lead to it. Reports the others."""
    by_file: dict[object, Candidate] = {}
    for candidate in candidates:
        by_file.setdefault(_file_identity(candidate), candidate)
    if repeated := len(candidates) - len(by_file):
        say(f"Left out, since other paths lead to the same files: {repeated} of {len(candidates)} pictures.")
    return list(by_file.values())


def _file_identity(candidate: Candidate) -> object:
    """Return what is equal for two paths of one file; the path itself if there is no file, which is reported later."""
    assert isinstance(candidate.source, Path), "it was typed"
    try:
        status = candidate.source.stat()
    except (OSError, ValueError):
        return candidate.source
    return status.st_dev, status.st_ino


def is_path(text: str) -> bool:
    """Return whether a text has the extension of a picture or names a file or folder; a sentence does neither."""
    try:
        return is_picture(Path(text).name) or Path(text).exists()
    except OSError:  # longer than a name can be
        return False


def is_folder(path: str) -> bool:
    """Return whether there is a folder at this path."""
    try:
        return Path(path).is_dir()
    except OSError:  # longer than a name can be; reported when the picture is read
        return False


def _pictures_in(folder: str, recursive: bool) -> Iterator[Path]:
    def report(error: OSError) -> None:
        message = f"The folder “{printable(str(error.filename))}” cannot be opened"
        if error.filename == folder:
            raise CommandError(f"{message}; check its permissions.")
        say(f"{message} and was skipped.")

    for parent, subfolders, files in os.walk(folder, onerror=report):
        subfolders[:] = [name for name in subfolders if recursive and not name.startswith(".")]
        yield from (Path(parent, name) for name in files if is_picture(name))


def read_queries(file: Path, reranker: Reranker) -> list[str]:
    """Return the queries of a file with one a line, in their order and checked; blank lines are skipped.

    The file is in UTF-8, with or without a byte order mark; `-` is stdin. Raises `CommandError`.
    """
    shown = "stdin" if file == STDIN else f"the file “{printable(str(file))}”"
    lines = enumerate(_read_text(file, shown), start=1)
    queries = [
        _checked_query(line, f"Line {number} of {shown}", reranker) for number, line in lines if not is_blank(line)
    ]
    if not queries:
        raise CommandError(f"There is no query in {shown}; write one a line.")
    return queries


def _read_text(file: Path, shown: str) -> StringIO:
    if file == STDIN and sys.stdin is None:
        raise CommandError("stdin is closed, so no queries can be read from it; name a file with --queries.")
    try:
        data = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
        return StringIO(data.decode("utf-8-sig"))
    except OSError as error:
        raise CommandError(f"The queries in {shown} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"The queries in {shown} are not UTF-8 text; save them as UTF-8.") from error


def _checked_query(line: str, place: str, reranker: Reranker) -> str:
    try:
        return reranker.query(line).text
    except QueryTooLong as error:
        raise CommandError(
            f"{place} has {error.length:,} characters; the limit is {error.max_length:,}: shorten it."
        ) from error


def with_texts(candidates: Sequence[Candidate], file: Path) -> list[Candidate]:
    """Return the candidates with their texts from a CSV file with the columns `path` and `text`, in UTF-8.

    A row belongs to the candidate with the same path as it was typed. Otherwise the name of the file decides, if it is
    unique among the rows and among the candidates. Other rows are ignored. Raises `CommandError` if the file cannot be
    read, or has a text for none of the candidates.
    """
    texts = _read_texts(file)
    row_names = Counter(Path(path).name for path in texts)
    candidate_names = Counter(Path(candidate.name).name for candidate in candidates)
    by_name = {Path(path).name: text for path, text in texts.items()}
    unique = {name: text for name, text in by_name.items() if row_names[name] == candidate_names[name] == 1}
    matched = [texts.get(each.name) or unique.get(Path(each.name).name, "") for each in candidates]
    count = sum(map(bool, matched))
    if not count:
        raise CommandError(f"The file “{printable(str(file))}” has no text for any of the pictures; check its paths.")
    say(f"{count} of {len(candidates)} pictures have a text.")
    return [replace(candidate, text=text) for candidate, text in zip(candidates, matched, strict=True)]


def _read_texts(file: Path) -> dict[str, str]:
    """Return the texts by path."""
    shown = printable(str(file))
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, strict=True)  # else a quote that is not closed takes the rest of the file
            if not set(TEXT_COLUMNS) <= set(table.fieldnames or ()):
                raise CommandError(f"The file “{shown}” needs a header with the columns path and text.")
            if repeated := [name for name in TEXT_COLUMNS if (table.fieldnames or []).count(name) > 1]:
                raise CommandError(f"The file “{shown}” has several columns “{repeated[0]}”; keep one of them.")
            return _texts_by_path(table, shown)
    except OSError as error:
        raise CommandError(f"The file “{shown}” cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"The file “{shown}” is not UTF-8 text; save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise CommandError(
            f"The file “{shown}” is not a valid CSV file; check for a quote that is not closed."
        ) from error


def _texts_by_path(table: "csv.DictReader[str]", shown: str) -> dict[str, str]:
    """Raises `CommandError` if a path has several texts, or a line more cells than the header."""
    texts: dict[str, str] = {}
    for row in table:
        if table.restkey in row:
            raise CommandError(
                f"The file “{shown}” has more cells than columns on line {table.line_num}; put a text with a comma "
                "between quotes."
            )
        path, text = row["path"], (row["text"] or "").strip()
        if path and texts.setdefault(path, text) != text:
            raise CommandError(
                f"The file “{shown}” has several texts for “{printable(path)}”; the second one is on line "
                f"{table.line_num}: keep one of them."
            )
    return texts
