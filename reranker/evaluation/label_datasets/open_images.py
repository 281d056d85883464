"""Datasets in the format of Open Images: labels of pictures that people have verified, as CSV.

    ImageID,Source,LabelName,Confidence          LabelName,DisplayName
    000595fe6fee6369,verification,/m/0bt9lr,1    /m/0bt9lr,Dog
    000595fe6fee6369,verification,/m/01yrx,0     /m/01yrx,Cat

Confidence 1 says that a picture has a label, 0 that it does not; nothing is known of labels that are not listed, that
only a machine has proposed (with a confidence between the two), or on which two lines disagree. The second file, which
may lack its header, lies next to the first; its name has “class-descriptions” in it, or it has that header.
Pictures are named after their ids, and searched as in `picture_finder`; missing ones are left out and counted.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from reranker.core.faults import FaultList
from reranker.evaluation.datasets.caption_files import csv_rows
from reranker.evaluation.datasets.picture_finder import EXAMPLE_FOLDERS, PictureFinder
from reranker.evaluation.label_datasets.annotations import Annotations
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.storage.text_files import list_folder, read_text
from reranker.vocabulary.labels import Vocabulary

_COLUMNS: Final = ("imageid", "labelname", "confidence")
_SHOWN_COLUMNS: Final = "ImageID,Source,LabelName,Confidence"
_DESCRIPTIONS: Final = "class-descriptions.csv"
_DESCRIPTION_COLUMNS: Final = ["labelname", "displayname"]
# By the label of Open Images, whether the picture has it; None if lines disagree.
_Verified = dict[str, bool | None]


def read_open_images(file: Path, name: str, vocabulary: Vocabulary) -> LabelDataset | None:
    """Return the pictures of a file that are on this machine; None if it has another format.

    Raises `DatasetInvalid`.
    """
    annotations = Annotations(vocabulary)
    faults = annotations.faults
    text = read_text(file, faults)
    columns = _header(text)
    if not len(faults) and not set(_COLUMNS) <= set(columns):
        return None
    if not len(faults):
        verified = _read_labels(file, text, columns, faults)
        _add_pictures(file, verified, _read_descriptions(file, faults), annotations)
    return annotations.dataset(name, file)


def _header(text: str) -> list[str]:
    return [cell.strip().lower() for cell in text.split("\n", 1)[0].split(",")]


def _read_labels(file: Path, text: str, columns: list[str], faults: FaultList) -> Mapping[str, _Verified]:
    """Return what was verified, by the ids of pictures."""
    image, label, confidence = (columns.index(name) for name in _COLUMNS)
    verified: defaultdict[str, _Verified] = defaultdict(dict)
    for number, row in islice(csv_rows(text, ","), 1, None):
        if len(row) != len(columns) or not row[image].strip() or not row[label].strip():
            faults.add(file, number, "columns", _SHOWN_COLUMNS)
        elif (value := _number(row[confidence])) is None:
            faults.add(file, number, "confidence", row[confidence])
        elif value in (0, 1):
            of_picture, name = verified[row[image].strip()], row[label].strip()
            of_picture[name] = bool(value) if of_picture.get(name, value) == value else None
    return verified


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None


def _read_descriptions(file: Path, faults: FaultList) -> dict[str, str]:
    """Return the names of labels."""
    names: dict[str, str] = {}
    described = _descriptions_file(file, faults)
    for number, row in _description_rows(described, faults) if described else ():
        if len(row) != len(_DESCRIPTION_COLUMNS) or not all(map(str.strip, row)):
            faults.add(described or file, number, "columns", "LabelName,DisplayName")
        else:
            names[row[0].strip()] = row[1].strip()
    return names


def _description_rows(file: Path, faults: FaultList) -> Iterator[tuple[int, list[str]]]:
    text = read_text(file, faults)
    has_header = _header(text) == _DESCRIPTION_COLUMNS
    return islice(csv_rows(text, ","), int(has_header), None)


def _descriptions_file(file: Path, faults: FaultList) -> Path | None:
    """Return the file with the names of labels next to that of the labels; None if there is none, which is a fault."""
    others = list_folder(file.parent, lambda path: path.suffix.lower() == ".csv" and path.name != file.name, faults)
    if others is None:
        return None
    found = [path for path in others if "class-descriptions" in path.name.lower()]
    found = found or [path for path in others if _header(_first_line(path)) == _DESCRIPTION_COLUMNS]
    named = [path for path in found if path.name == _DESCRIPTIONS]
    if len(found) == 1 or named:
        return (named or found)[0]
    faults.add(file.parent, None, "several files" if found else "file missing", _DESCRIPTIONS)
    return None


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8-sig", errors="replace") as lines:
            return lines.readline()
    except OSError:
        return ""


def _add_pictures(
    file: Path, verified: Mapping[str, _Verified], names: Mapping[str, str], annotations: Annotations
) -> None:
    finder = PictureFinder(file.parent)
    found = {image_id: source for image_id in verified if (source := finder.find([f"{image_id}.jpg", image_id]))}
    annotations.missing_pictures = len(verified) - len(found)
    if verified and not found and not len(annotations.faults):
        annotations.faults.add(file, None, "pictures elsewhere", EXAMPLE_FOLDERS)
    for image_id, source in found.items():
        by_name = [(names.get(label, label), is_there) for label, is_there in verified[image_id].items()]
        present = annotations.keys(name for name, is_there in by_name if is_there)
        absent = annotations.keys(name for name, is_there in by_name if is_there is False)
        annotations.add(source.name, source, present, absent - present)
