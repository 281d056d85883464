"""Datasets in the format of COCO instances.

    {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "category_id": 18}],
     "categories": [{"id": 18, "name": "dog"}]}

A picture has the categories of its annotations, and none of the others. Pictures are searched as in `picture_finder`;
those that are missing are left out and counted, since many people have only a part of a dataset.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reranker.core.faults import FaultList
from reranker.evaluation.datasets.caption_files import has_objects, is_filled_text, valid_entries
from reranker.evaluation.datasets.faults import is_id
from reranker.evaluation.datasets.picture_finder import EXAMPLE_FOLDERS, PictureFinder
from reranker.evaluation.label_datasets.annotations import Annotations
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.storage.text_files import JSON_ERRORS, read_text
from reranker.vocabulary.labels import Vocabulary

Id = str | int


def read_coco(file: Path, name: str, vocabulary: Vocabulary) -> LabelDataset | None:
    """Return the pictures of a file that are on this machine; None if it has another format.

    Raises `DatasetInvalid`.
    """
    annotations = Annotations(vocabulary)
    faults = annotations.faults
    content = _parsed(file, faults)
    if content is not None and not _has_format(content):
        return None
    if content is not None:
        _add_pictures(file, content, annotations)
    return annotations.dataset(name, file)


def _parsed(file: Path, faults: FaultList) -> Any:
    """Return the content of a file; None if it cannot be read, which is a fault."""
    text = read_text(file, faults)
    if len(faults):
        return None
    try:
        return json.loads(text)
    except JSON_ERRORS as error:
        faults.add(file, getattr(error, "lineno", None), "not JSON")
        return None


def _has_format(content: object) -> bool:
    has_names = has_objects(content, "images", "file_name") and has_objects(content, "categories", "name")
    return has_names and isinstance(content, dict) and isinstance(content.get("annotations"), list)


def _add_pictures(file: Path, content: dict[str, Any], annotations: Annotations) -> None:
    faults = annotations.faults
    names = _by_id(file, content, "images", "file_name", faults)
    categories = _by_id(file, content, "categories", "name", faults)
    category_ids = _categories_of_images(file, content, names, categories, faults)
    annotated, finder = annotations.keys(categories.values()), PictureFinder(file.parent)
    found = {image_id: source for image_id, name in names.items() if (source := finder.find([name]))}
    annotations.missing_pictures = len(names) - len(found)
    if names and not found and not len(faults):
        faults.add(file, None, "pictures elsewhere", EXAMPLE_FOLDERS)
    for image_id, source in found.items():
        present = annotations.keys(categories[category_id] for category_id in category_ids[image_id])
        annotations.add(names[image_id], source, present, annotated - present)


def _by_id(file: Path, content: dict[str, Any], part: str, field: str, faults: FaultList) -> dict[Id, str]:
    """Return a field of the objects of a part by their ids."""
    values: dict[Id, str] = {}
    for _, entry in valid_entries(file, content[part], part, {"id": is_id, field: is_filled_text}, faults):
        if entry["id"] in values:
            faults.add(file, None, "id twice", str(entry["id"]))
        values[entry["id"]] = entry[field]
    return values


def _categories_of_images(
    file: Path, content: dict[str, Any], images: Iterable[Id], categories: Iterable[Id], faults: FaultList
) -> dict[Id, set[Id]]:
    """Return the ids of the categories that images have, by the ids of images."""
    found: defaultdict[Id, set[Id]] = defaultdict(set)
    known_images, known_categories = set(images), set(categories)
    fields = {"image_id": is_id, "category_id": is_id}
    for _, entry in valid_entries(file, content["annotations"], "annotations", fields, faults):
        if entry["image_id"] not in known_images:
            faults.add(file, None, "unknown picture", str(entry["image_id"]))
        elif entry["category_id"] not in known_categories:
            faults.add(file, None, "unknown category", str(entry["category_id"]))
        else:
            found[entry["image_id"]].add(entry["category_id"])
    return found
