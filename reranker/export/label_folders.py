"""Put pictures into folders by their labels, as links or as copies."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from reranker.core.errors import PictureMissing
from reranker.core.types import Candidate, Failed
from reranker.export.file_names import label_folder_names, picture_names
from reranker.pipelines.tag import Tagged
from reranker.vocabulary.labels import LabelLanguage

Mode = Literal["link", "copy"]


def write_label_folders(
    tagged: Iterable[Tagged], folder: Path, language: LabelLanguage, *, unlabelled: str, mode: Mode = "link"
) -> tuple[Failed, ...]:
    """Make a folder for each label, with the pictures that have it; pictures are files.

    folder: new or empty. language: of the names of the folders. unlabelled: name of the folder of pictures without
    labels. mode: symbolic links with absolute paths, or copies with the times of the files. Returns the pictures that
    no longer exist. Raises `OSError`.
    """
    by_label: dict[str, list[Path]] = defaultdict(list)
    failed: list[Failed] = []
    for each in tagged:
        source = each.candidate.source
        assert isinstance(source, Path), "pictures are files"
        if not source.is_file():
            failed.append(_missing(each))
            continue
        for name in [label.label.name.written(language) for label in each.labels] or [unlabelled]:
            by_label[name].append(source)
    names = sorted(by_label)
    folder.mkdir(parents=True, exist_ok=True)
    for name, own_folder in zip(names, label_folder_names(names), strict=True):
        target = folder / own_folder
        target.mkdir()
        sources = by_label[name]
        for source, file_name in zip(sources, picture_names(map(str, sources)), strict=True):
            _put(source, target / file_name, mode)
    return tuple(failed)


def _put(source: Path, target: Path, mode: Mode) -> None:
    if mode == "link":
        target.symlink_to(os.path.abspath(source))  # noqa: PTH100 - links on the way to it stay
    else:
        shutil.copy2(source, target)


def _missing(tagged: Tagged) -> Failed:
    candidate: Candidate = tagged.candidate
    error = PictureMissing(name=candidate.name)
    return Failed(position=tagged.position, candidate=candidate, error=error, content_hash=tagged.content_hash)
