"""Open a dataset by its spec; its format is detected from the files.

    labels.jsonl                        labelled sets, one a line: `json_lines`
    photos, photos:127:15:0             a folder with a sub-folder for each query: `folders`
    beir                                a folder with queries, qrels and pictures: `trec`
    captions_val2017.json:127:15:0      captions in the formats of COCO, Karpathy and Flickr: `captions`
    toybox:127:15:0                     generated sets: `toybox`

The numbers are those of `Sampling`; numbers at the end may be omitted.
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
from reranker.evaluation.datasets.toybox import draw_toybox_sets
from reranker.evaluation.datasets.trec import has_qrels, read_trec
from reranker.evaluation.datasets.types import Dataset, Sampling
from reranker.storage.text_files import is_file, is_folder

_TOYBOX: Final = "toybox"
_LAST_NUMBER: Final = re.compile("(?P<path>.*):(?P<number>[0-9]{1,9})", re.DOTALL)


def open_dataset(spec: str) -> Dataset:
    """Return the dataset of a spec; its name is the spec without folders, and with all numbers.

    If a file or folder has numbers at the end of its name, they are part of the name. Raises a `DatasetError`.
    """
    location, numbers = split_spec(spec)
    path = Path(location)
    name = path.name if path.name not in ("", "..") else path.resolve().name
    if location == _TOYBOX:
        sampling = _sampling(name, numbers)
        return _with_numbers(draw_toybox_sets(sampling), sampling)
    if location and is_folder(path):
        return _open_folder(path, name, numbers)
    if is_file(path):
        return _open_file(path, name, numbers)
    raise DatasetMissing(name=name)


def split_spec(spec: str) -> tuple[str, tuple[int, ...]]:
    """Return the name or path of a dataset, and the numbers after it."""
    location, numbers = spec, tuple[int, ...]()
    while (match := _LAST_NUMBER.fullmatch(location)) and not (is_file(Path(location)) or is_folder(Path(location))):
        location, numbers = match["path"], (int(match["number"]), *numbers)
    return location, numbers


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


def _with_numbers(dataset: Dataset, sampling: Sampling) -> Dataset:
    """Add the numbers to the name, so that the name draws the same sets again."""
    return replace(dataset, name=f"{dataset.name}:{sampling}")


def refuse_numbers(name: str, numbers: tuple[int, ...]) -> None:
    """Raise `DatasetSpecInvalid` if there are numbers."""
    if numbers:
        raise DatasetSpecInvalid(name=name, reason="not allowed")


def _open_folder(folder: Path, name: str, numbers: tuple[int, ...]) -> Dataset:
    if has_qrels(folder):
        refuse_numbers(name, numbers)
        return read_trec(folder, name)
    sampling = _sampling(name, numbers) if numbers else None
    dataset = read_folders(folder, name, sampling)
    if dataset is None:
        raise DatasetFormatUnknown(name=name)
    return _with_numbers(dataset, sampling) if sampling else dataset


def _open_file(file: Path, name: str, numbers: tuple[int, ...]) -> Dataset:
    suffix = file.suffix.lower()
    if suffix == ".jsonl":
        refuse_numbers(name, numbers)
        return read_json_lines(file, name)
    if suffix in CAPTION_SUFFIXES:
        sampling = _sampling(name, numbers)
        dataset = read_caption_sets(file, name, sampling)
        if dataset is not None:
            return _with_numbers(dataset, sampling)
    raise DatasetFormatUnknown(name=name)
