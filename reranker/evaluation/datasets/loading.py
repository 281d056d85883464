"""What people write for a dataset -> its sets: which form it has is seen by what lies there.

    labels.jsonl                        sets of one's own, a line each: `reranker.evaluation.datasets.json_lines`
    photos, photos:127:15:0             a folder with a sub-folder a query: `reranker.evaluation.datasets.folders`
    beir                                a folder with queries, qrels and pictures: `reranker.evaluation.datasets.trec`
    captions_val2017.json:127:15:0      captions, of COCO, Karpathy, Flickr: `reranker.evaluation.datasets.captions`
    toybox:127:15:0                     drawn for it: `reranker.evaluation.datasets.toybox`

The numbers are `reranker.evaluation.datasets.sampling`; later ones may be left out, or all.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from reranker.core.errors import DatasetFormatUnknown, DatasetMissing, DatasetSpecInvalid
from reranker.evaluation.datasets.caption_files import SUFFIXES as CAPTION_SUFFIXES
from reranker.evaluation.datasets.captions import read_caption_sets
from reranker.evaluation.datasets.folders import read_folders
from reranker.evaluation.datasets.json_lines import read_json_lines
from reranker.evaluation.datasets.labelled import Dataset
from reranker.evaluation.datasets.reading import is_file, is_folder
from reranker.evaluation.datasets.sampling import Sampling
from reranker.evaluation.datasets.toybox import draw_toybox_sets
from reranker.evaluation.datasets.trec import has_qrels, read_trec

_TOYBOX: Final = "toybox"
_NUMBER_BEHIND: Final = re.compile("(?P<place>.*):(?P<number>[0-9]{1,9})", re.DOTALL)


def open_dataset(spec: str) -> Dataset:
    """The dataset that a spec stands for; its name is the spec's without folders, with the numbers that hold.

    Numbers belong to the name of a file or folder where that is there with them. Raises a `DatasetError`.
    """
    place, numbers = _parted(spec)
    path = Path(place)
    name = path.name if path.name not in ("", "..") else path.resolve().name
    if place == _TOYBOX:
        sampling = _sampling(name, numbers)
        return _numbered(draw_toybox_sets(sampling), sampling)
    if place and is_folder(path):
        return _open_folder(path, name, numbers)
    if is_file(path):
        return _open_file(path, name, numbers)
    raise DatasetMissing(name=name)


def _parted(spec: str) -> tuple[str, tuple[int, ...]]:
    place, numbers = spec, tuple[int, ...]()
    while (found := _NUMBER_BEHIND.fullmatch(place)) and not (is_file(Path(place)) or is_folder(Path(place))):
        place, numbers = found["place"], (int(found["number"]), *numbers)
    return place, numbers


def _sampling(name: str, numbers: tuple[int, ...]) -> Sampling:
    """Raises `DatasetSpecInvalid`."""
    if len(numbers) > 3:
        raise DatasetSpecInvalid(name=name, reason="too many")
    sampling = Sampling(**dict(zip(("sets", "candidates", "seed"), numbers, strict=False)))
    if sampling.sets < 1:
        raise DatasetSpecInvalid(name=name, reason="sets")
    if sampling.candidates < 2:
        raise DatasetSpecInvalid(name=name, reason="candidates")
    return sampling


def _numbered(dataset: Dataset, sampling: Sampling) -> Dataset:
    """By the name that draws the very same again."""
    return replace(dataset, name=f"{dataset.name}:{sampling}")


def _refuse(name: str, numbers: tuple[int, ...]) -> None:
    """Raises `DatasetSpecInvalid`."""
    if numbers:
        raise DatasetSpecInvalid(name=name, reason="not allowed")


def _open_folder(folder: Path, name: str, numbers: tuple[int, ...]) -> Dataset:
    if has_qrels(folder):
        _refuse(name, numbers)
        return read_trec(folder, name)
    sampling = _sampling(name, numbers) if numbers else None
    dataset = read_folders(folder, name, sampling)
    if dataset is None:
        raise DatasetFormatUnknown(name=name)
    return _numbered(dataset, sampling) if sampling else dataset


def _open_file(file: Path, name: str, numbers: tuple[int, ...]) -> Dataset:
    suffix = file.suffix.lower()
    if suffix == ".jsonl":
        _refuse(name, numbers)
        return read_json_lines(file, name)
    if suffix in CAPTION_SUFFIXES:
        sampling = _sampling(name, numbers)
        dataset = read_caption_sets(file, name, sampling)
        if dataset is not None:
            return _numbered(dataset, sampling)
    raise DatasetFormatUnknown(name=name)
