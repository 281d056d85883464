"""Datasets of a folder with one sub-folder for each label, whose pictures have it.

Files with the same bytes are one picture, which has the labels of all their sub-folders, and no label of the others.
Hidden entries, pictures next to the sub-folders, and folders inside the sub-folders are ignored.
"""

from collections import defaultdict
from pathlib import Path

from reranker.evaluation.datasets.folders import is_picture_file, originals, sub_folders
from reranker.evaluation.label_datasets.annotations import Annotations
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.storage.text_files import list_folder
from reranker.vocabulary.labels import Vocabulary


def read_folders(folder: Path, name: str, vocabulary: Vocabulary) -> LabelDataset | None:
    """Return the pictures of all sub-folders; None if none of them has pictures. Raises `DatasetInvalid`."""
    annotations = Annotations(vocabulary)
    faults = annotations.faults
    listings = {sub: list_folder(sub, is_picture_file, faults) for sub in sub_folders(folder, faults)}
    files_by_folder = {sub: files for sub, files in listings.items() if files is not None}
    if not any(files_by_folder.values()) and not len(faults):
        return None
    for sub, files in files_by_folder.items():
        if not files:
            faults.add(sub, None, "no pictures")
    firsts = originals([file for files in files_by_folder.values() for file in files], faults)
    categories: defaultdict[Path, set[str]] = defaultdict(set)
    for file, first in firsts.items():
        categories[first].add(file.parent.name)
    annotated = annotations.keys(sub.name for sub in files_by_folder)
    for first, of_picture in categories.items():
        present = annotations.keys(of_picture)
        annotations.add(f"{first.parent.name}/{first.name}", first, present, annotated - present)
    return annotations.dataset(name, folder)
