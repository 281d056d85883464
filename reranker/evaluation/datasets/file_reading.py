"""The files and folders of a dataset, read whole, and all that is found wrong in them."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from reranker.core.errors import DatasetInvalid, Fault, FaultReason
from reranker.evaluation.datasets.labelled import Dataset, LabelledSet
from reranker.images.natural_order import natural_key

HALF_CHARACTERS: Final = re.compile("[\ud800-\udfff]")  # of UTF-16; JSON can spell them, and names of files have them
NOT_JSON: Final = (ValueError, RecursionError)


class Faults:
    """What is wrong with one dataset, gathered while it is read, as people want to mend all of it at once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[Fault] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, file: Path, line: int | None, reason: FaultReason, value: str = "") -> None:
        """The fields are those of `Fault`."""
        self._found.append(Fault(file=file.name, line=line, reason=reason, value=value))

    def dataset(self, place: Path, sets: Sequence[LabelledSet]) -> Dataset:
        """The sets that were read from a file or folder, where nothing is wrong. Raises `DatasetInvalid`."""
        if not sets and not self._found:
            self.add(place, None, "no sets")
        if self._found:
            raise DatasetInvalid(name=self._name, faults=tuple(self._found))
        return Dataset(name=self._name, sets=tuple(sets))


def is_text(value: object) -> bool:
    """Whether it is a string that can be written in UTF-8."""
    return isinstance(value, str) and not HALF_CHARACTERS.search(value)


def is_id(value: object) -> bool:
    """Whether it is a name or a whole number."""
    return (is_text(value) and value != "") or (isinstance(value, int) and not isinstance(value, bool))


def is_file(path: Path) -> bool:
    """Whether there is a file, as far as can be seen."""
    try:
        return path.is_file()
    except OSError:  # in a folder that is closed, or longer than a name can be
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as can be seen."""
    try:
        return path.is_dir()
    except OSError:
        return False


def listed(folder: Path, is_wanted: Callable[[Path], bool], faults: Faults) -> list[Path] | None:
    """What of a folder is wanted, in natural order; None where the folder is closed."""
    try:
        return sorted(filter(is_wanted, folder.iterdir()), key=natural_key)
    except OSError:
        faults.add(folder, None, "no access")
        return None


def read_text(file: Path, faults: Faults) -> str:
    """What a file in UTF-8 says, with or without a byte order mark; nothing where it cannot be read."""
    try:
        data = file.read_bytes().removeprefix(BOM_UTF8)
    except OSError:
        faults.add(file, None, "no access")
        return ""
    odd = _other_encoding(data)
    if odd is None:
        return data.decode()
    faults.add(file, data.count(b"\n", 0, odd) + 1, "not UTF-8")
    return ""


def _other_encoding(data: bytes) -> int | None:
    """Where it begins; a zero is a half of a letter in UTF-16, which may lack its mark."""
    zero = data.find(b"\0")
    try:
        data[: zero if zero >= 0 else len(data)].decode()
    except UnicodeDecodeError as error:
        return error.start
    return zero if zero >= 0 else None


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1; a carriage return at the end is left there.

    Not by `splitlines`: it also ends a line at characters that may stand within the strings of JSON.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def read_objects(file: Path, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file with one a line, with the numbers of their lines."""
    for number, line in numbered_lines(read_text(file, faults)):
        try:
            record = json.loads(line)
        except NOT_JSON:
            faults.add(file, number, "not JSON")
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            faults.add(file, number, "not an object")


def misfits(record: Mapping[str, Any], fields: Mapping[str, Callable[[object], bool]]) -> list[str]:
    """The fields that are missing from a JSON object, or are not of their kinds."""
    return [field for field, fits in fields.items() if not fits(record.get(field))]
