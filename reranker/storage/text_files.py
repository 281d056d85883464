"""Read text files and folders that people have written; what cannot be read becomes a fault."""

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from reranker.core.faults import FaultList
from reranker.images.natural_order import natural_key

JSON_ERRORS: Final = (ValueError, RecursionError)


def is_file(path: Path) -> bool:
    """Whether the path is a file; False if that cannot be found out."""
    try:
        return path.is_file()
    except OSError:  # the folder may not be read, or the name is too long
        return False


def is_folder(path: Path) -> bool:
    """Whether the path is a folder; False if that cannot be found out."""
    try:
        return path.is_dir()
    except OSError:
        return False


def list_folder(folder: Path, is_wanted: Callable[[Path], bool], faults: FaultList) -> list[Path] | None:
    """Return the wanted entries of a folder in natural order, or None if it cannot be read."""
    try:
        return sorted(filter(is_wanted, folder.iterdir()), key=natural_key)
    except OSError:
        faults.add(folder, None, "no access")
        return None


def read_text(file: Path, faults: FaultList) -> str:
    """Return the text of a UTF-8 file without its byte order mark; an empty one if the file cannot be read."""
    try:
        data = file.read_bytes()
    except OSError:
        faults.add(file, None, "no access")
        return ""
    return decode_text(data, file, faults)


def decode_text(data: bytes, file: Path, faults: FaultList) -> str:
    """Return the text of UTF-8 without its byte order mark; an empty one if it is something else.

    file: is named in faults.
    """
    data = data.removeprefix(BOM_UTF8)
    error_index = _first_invalid_byte(data)
    if error_index is None:
        return data.decode()
    faults.add(file, data.count(b"\n", 0, error_index) + 1, "not UTF-8")
    return ""


def _first_invalid_byte(data: bytes) -> int | None:
    """Return the index of the first byte that is not UTF-8 text, or None.

    A zero byte counts as invalid: it is valid UTF-8, but it usually is half of a character in UTF-16.
    """
    zero_index = data.find(b"\0")
    try:
        data[: zero_index if zero_index >= 0 else len(data)].decode()
    except UnicodeDecodeError as error:
        return error.start
    return zero_index if zero_index >= 0 else None


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1. A carriage return at the end is kept.

    `splitlines` would also split at characters that JSON allows inside strings.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def read_objects(file: Path, faults: FaultList) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file with their line numbers."""
    yield from parse_objects(read_text(file, faults), file, faults)


def parse_objects(text: str, file: Path, faults: FaultList) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects in the text of a JSON Lines file with their line numbers. file: is named in faults."""
    unfinished = text.count("\n") + 1  # the number of the line that has no line break
    for number, line in numbered_lines(text):
        try:
            record = json.loads(line)
        except JSON_ERRORS:
            is_cut_off = number == unfinished and line.lstrip().startswith("{")
            faults.add(file, number, "cut off" if is_cut_off else "not JSON")
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            faults.add(file, number, "not an object")
