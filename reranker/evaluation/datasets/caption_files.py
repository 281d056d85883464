"""Files with captions of pictures, as the usual sets publish them, and which of these forms a file has.

COCO        {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}
Karpathy    {"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}; only the split test, where
            there is one
Flickr      lines `name.jpg#0`, blank or tabulator, caption; with tags before the number, or without the extension,
            as in the Chinese sets: `COCO_val2014_000000000042#zhm#0`
CSV         a header with the columns image (or image_name) and caption (or comment), between commas or |
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

from reranker.evaluation.datasets.reading import NOT_JSON, Faults, is_id, is_text, misfits, numbered_lines, read_text

SUFFIXES: Final = frozenset({".json", ".token", ".txt", ".csv"})
_TOKEN: Final = re.compile(r"(?P<picture>[^\t]+?)(?:#[a-z]+)*#[0-9]+[\t ](?P<caption>.*)")
_LOOKED_AT: Final = 10  # lines by which Flickr's form is known, as some of them may be damaged
_PICTURE_COLUMNS: Final = {"image", "image_name"}
_CAPTION_COLUMNS: Final = {"caption", "comment"}


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What is written of a picture, on one line; paths: where the picture may be; the first is its name."""

    paths: tuple[str, ...]
    text: str


def read_captions(file: Path, faults: Faults) -> list[Caption] | None:
    """All captions of a file, in its order; None where it has none of the forms."""
    text = read_text(file, faults)
    if len(faults):
        return []
    found = _of_json(file, text, faults) if file.suffix.lower() == ".json" else _of_lines(file, text, faults)
    return None if found is None else list(found)


def _is_sentence(value: object) -> bool:
    return is_text(value) and bool(str(value).strip())


def _caption(text: str, *paths: str) -> Caption:
    return Caption(paths=paths, text=" ".join(text.split()))


def _of_json(file: Path, text: str, faults: Faults) -> Iterator[Caption] | None:
    try:
        content = json.loads(text)
    except NOT_JSON as error:
        faults.add(file, getattr(error, "lineno", None), "not JSON")
        return iter(())
    if _has(content, "images", "file_name") and _has(content, "annotations", "caption"):
        return _coco(file, content, faults)
    return _karpathy(file, content, faults) if _has(content, "images", "sentences") else None


def _has(content: object, name: str, field: str) -> bool:
    """Whether there is a list of objects by that name, of which at least one has the field."""
    entries = content.get(name) if isinstance(content, dict) else None
    return isinstance(entries, list) and any(isinstance(entry, dict) and field in entry for entry in entries)


def _entries(
    file: Path, entries: list[Any], place: str, fields: Mapping[str, Callable[[object], bool]], faults: Faults
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list that have the fields, each with its place in the file, as in `images[3]`."""
    for number, entry in enumerate(entries):
        here = f"{place}[{number}]"
        wrong = misfits(entry if isinstance(entry, dict) else {}, fields)
        for field in wrong:
            faults.add(file, None, "field", f"{here}.{field}")
        if not wrong:
            yield here, entry


def _coco(file: Path, content: dict[str, Any], faults: Faults) -> Iterator[Caption]:
    images = _entries(file, content["images"], "images", {"id": is_id, "file_name": _is_sentence}, faults)
    names = {image["id"]: image["file_name"] for _, image in images}
    fields = {"image_id": is_id, "caption": _is_sentence}
    for _, entry in _entries(file, content["annotations"], "annotations", fields, faults):
        if entry["image_id"] in names:
            yield _caption(entry["caption"], names[entry["image_id"]])
        else:
            faults.add(file, None, "unknown picture", str(entry["image_id"]))


def _karpathy(file: Path, content: dict[str, Any], faults: Faults) -> Iterator[Caption]:
    fields = {"filename": _is_sentence, "sentences": lambda value: isinstance(value, list)}
    images = list(_entries(file, content["images"], "images", fields, faults))
    has_test = any(image.get("split") == "test" for _, image in images)
    for place, image in images:
        if has_test and image.get("split") != "test":
            continue
        name, folder = image["filename"], image.get("filepath")
        paths = (f"{folder}/{name}", name) if folder else (name,)
        sentences = _entries(file, image["sentences"], f"{place}.sentences", {"raw": _is_sentence}, faults)
        yield from (_caption(sentence["raw"], *paths) for _, sentence in sentences)


def _of_lines(file: Path, text: str, faults: Faults) -> Iterator[Caption] | None:
    first = [line for _, line in islice(numbered_lines(text), _LOOKED_AT)]
    header = first[0] if first else ""
    delimiter = "|" if "|" in header else ","
    columns = [cell.strip().lower() for cell in header.split(delimiter)]
    if _PICTURE_COLUMNS & set(columns) and _CAPTION_COLUMNS & set(columns):
        return _table(file, text, delimiter, columns, faults)
    return _flickr(file, text, faults) if any(map(_TOKEN.fullmatch, first)) else None


def _flickr(file: Path, text: str, faults: Faults) -> Iterator[Caption]:
    for number, line in numbered_lines(text):
        found = _TOKEN.fullmatch(line)
        if found is None:
            faults.add(file, number, "columns", "name.jpg#0 TAB caption")
        elif not found["caption"].strip():
            faults.add(file, number, "empty query")
        else:
            yield _caption(found["caption"], found["picture"])


def _table(file: Path, text: str, delimiter: str, columns: list[str], faults: Faults) -> Iterator[Caption]:
    picture = next(place for place, name in enumerate(columns) if name in _PICTURE_COLUMNS)
    caption = next(place for place, name in enumerate(columns) if name in _CAPTION_COLUMNS)
    for number, cells in islice(_rows(text, delimiter), 1, None):
        whole = _mended(cells, columns) if delimiter == "|" else cells
        if len(whole) != len(columns) or not whole[picture].strip():
            faults.add(file, number, "columns", delimiter.join(columns))
        elif not whole[caption].strip():
            faults.add(file, number, "empty query")
        else:
            yield _caption(whole[caption], whole[picture].strip())


def _mended(cells: list[str], columns: list[str]) -> list[str]:
    """Flickr30k is published with a row whose number and caption have only blanks between them."""
    found = re.fullmatch(r"\s*([0-9]+)\s+(\S.*)", cells[-1]) if len(cells) == len(columns) - 1 else None
    return [*cells[:-1], *found.groups()] if found else cells


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the number of its first line; none of the cells of one that is no CSV."""
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
