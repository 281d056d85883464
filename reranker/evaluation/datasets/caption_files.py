"""Read files of picture captions, in the formats in which the common datasets are published.

COCO        {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}
Karpathy    {"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}; only the test split, if the file
            has one
Flickr      lines `name.jpg#0`, a space or a tab, caption; the Chinese datasets have tags before the number, or names
            without an extension: `COCO_val2014_000000000042#zhm#0`
CSV         a header with the columns image (or image_name) and caption (or comment), separated by commas or |
"""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

from reranker.core.faults import FaultList
from reranker.core.text import is_blank
from reranker.evaluation.datasets.faults import Faults, invalid_fields, is_id, is_text
from reranker.storage.text_files import JSON_ERRORS, numbered_lines, read_text

SUFFIXES: Final = frozenset({".json", ".token", ".txt", ".csv"})
_FLICKR_LINE: Final = re.compile(r"(?P<picture>[^\t]+?)(?:#[a-z]+)*#[0-9]+[\t ](?P<caption>.*)")
_FLICKR_COLUMNS: Final = "name.jpg#0 TAB caption"
_LINES_TO_DETECT: Final = 10  # one of these in Flickr's format is enough, since others may be damaged
_PICTURE_COLUMNS: Final = {"image", "image_name"}
_CAPTION_COLUMNS: Final = {"caption", "comment"}


@dataclass(frozen=True, kw_only=True)
class Caption:
    """A caption on one line. paths: where its picture may be; the first one is also its name."""

    paths: tuple[str, ...]
    text: str


def read_captions(file: Path, faults: Faults) -> list[Caption] | None:
    """Return the captions of a file in its order, or None if it has none of the formats."""
    text = read_text(file, faults)
    if len(faults):
        return []
    is_json = file.suffix.lower() == ".json"
    captions = _parse_json(file, text, faults) if is_json else _parse_lines(file, text, faults)
    return None if captions is None else list(captions)


def is_filled_text(value: object) -> bool:
    """Return whether a value is a text in which something can be seen."""
    return is_text(value) and not is_blank(str(value))


def _caption(text: str, *paths: str) -> Caption:
    return Caption(paths=paths, text=" ".join(text.split()))


def _parse_json(file: Path, text: str, faults: Faults) -> Iterator[Caption] | None:
    try:
        content = json.loads(text)
    except JSON_ERRORS as error:
        faults.add(file, getattr(error, "lineno", None), "not JSON")
        return iter(())
    if has_objects(content, "images", "file_name") and has_objects(content, "annotations", "caption"):
        return _parse_coco(file, content, faults)
    return _parse_karpathy(file, content, faults) if has_objects(content, "images", "sentences") else None


def has_objects(content: object, name: str, field: str) -> bool:
    """Whether the content has a list of this name in which at least one object has the field."""
    entries = content.get(name) if isinstance(content, dict) else None
    return isinstance(entries, list) and any(isinstance(entry, dict) and field in entry for entry in entries)


def valid_entries(
    file: Path, entries: list[Any], path: str, fields: Mapping[str, Callable[[object], bool]], faults: FaultList
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a list whose fields are valid, each with its path in the file, such as `images[3]`."""
    for index, entry in enumerate(entries):
        entry_path = f"{path}[{index}]"
        invalid = invalid_fields(entry if isinstance(entry, dict) else {}, fields)
        for field in invalid:
            faults.add(file, None, "field", f"{entry_path}.{field}")
        if not invalid:
            yield entry_path, entry


def _parse_coco(file: Path, content: dict[str, Any], faults: Faults) -> Iterator[Caption]:
    image_fields = {"id": is_id, "file_name": is_filled_text}
    images = valid_entries(file, content["images"], "images", image_fields, faults)
    names = {image["id"]: image["file_name"] for _, image in images}
    fields = {"image_id": is_id, "caption": is_filled_text}
    for _, entry in valid_entries(file, content["annotations"], "annotations", fields, faults):
        if entry["image_id"] in names:
            yield _caption(entry["caption"], names[entry["image_id"]])
        else:
            faults.add(file, None, "unknown picture", str(entry["image_id"]))


def _parse_karpathy(file: Path, content: dict[str, Any], faults: Faults) -> Iterator[Caption]:
    fields = {"filename": is_filled_text, "sentences": lambda value: isinstance(value, list)}
    images = list(valid_entries(file, content["images"], "images", fields, faults))
    has_test_split = any(image.get("split") == "test" for _, image in images)
    for path, image in images:
        if has_test_split and image.get("split") != "test":
            continue
        name, folder = image["filename"], image.get("filepath")
        paths = (f"{folder}/{name}", name) if folder else (name,)
        sentences = valid_entries(file, image["sentences"], f"{path}.sentences", {"raw": is_filled_text}, faults)
        yield from (_caption(sentence["raw"], *paths) for _, sentence in sentences)


def _parse_lines(file: Path, text: str, faults: Faults) -> Iterator[Caption] | None:
    first_lines = [line for _, line in islice(numbered_lines(text), _LINES_TO_DETECT)]
    header = first_lines[0] if first_lines else ""
    delimiter = "|" if "|" in header else ","
    columns = [cell.strip().lower() for cell in header.split(delimiter)]
    if _PICTURE_COLUMNS & set(columns) and _CAPTION_COLUMNS & set(columns):
        return _parse_csv(file, text, delimiter, columns, faults)
    return _parse_flickr(file, text, faults) if any(map(_FLICKR_LINE.fullmatch, first_lines)) else None


def _parse_flickr(file: Path, text: str, faults: Faults) -> Iterator[Caption]:
    for number, line in numbered_lines(text):
        match = _FLICKR_LINE.fullmatch(line)
        if match is None:
            faults.add(file, number, "columns", _FLICKR_COLUMNS)
        elif is_blank(match["caption"]):
            faults.add(file, number, "empty query")
        else:
            yield _caption(match["caption"], match["picture"])


def _parse_csv(file: Path, text: str, delimiter: str, columns: list[str], faults: Faults) -> Iterator[Caption]:
    picture = next(index for index, name in enumerate(columns) if name in _PICTURE_COLUMNS)
    caption = next(index for index, name in enumerate(columns) if name in _CAPTION_COLUMNS)
    for number, row in islice(csv_rows(text, delimiter), 1, None):
        cells = _repair_row(row, columns) if delimiter == "|" else row
        if len(cells) != len(columns) or not cells[picture].strip():
            faults.add(file, number, "columns", delimiter.join(columns))
        elif is_blank(cells[caption]):
            faults.add(file, number, "empty query")
        else:
            yield _caption(cells[caption], cells[picture].strip())


def _repair_row(cells: list[str], columns: list[str]) -> list[str]:
    """Split the last cell of a row in which spaces stand for the delimiter; Flickr30k is published with such a row."""
    match = re.fullmatch(r"\s*([0-9]+)\s+(\S.*)", cells[-1]) if len(cells) == len(columns) - 1 else None
    return [*cells[:-1], *match.groups()] if match else cells


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with the number of their first line. A malformed row has one empty cell."""
    lines, is_quoted = StringIO(text, newline=""), delimiter == ","
    reader = csv.reader(lines, delimiter=delimiter, quotechar='"' if is_quoted else None, strict=True)
    number = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = [""]
        if cells is None:
            return
        if cells:
            yield number, cells
        number = reader.line_num + 1
