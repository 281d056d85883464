"""Open an annotated dataset by its spec; its format is detected from the files.

photos                     a folder with a sub-folder for each label: `folders`
instances_val2017.json     objects in pictures, in the format of COCO: `coco`
annotations.csv            verified labels, in the format of Open Images: `open_images`
labels.jsonl               a picture and its labels a line: `json_lines`
toybox:300:0               scenes, and the seed that draws them: `toybox`
"""

from pathlib import Path
from typing import Final

from reranker.core.errors import DatasetFormatUnknown, DatasetMissing
from reranker.evaluation.datasets.loading import refuse_numbers, split_spec
from reranker.evaluation.label_datasets.coco import read_coco
from reranker.evaluation.label_datasets.folders import read_folders
from reranker.evaluation.label_datasets.json_lines import read_json_lines
from reranker.evaluation.label_datasets.open_images import read_open_images
from reranker.evaluation.label_datasets.toybox import draw_scenes
from reranker.evaluation.label_datasets.types import LabelDataset
from reranker.storage.text_files import is_file, is_folder
from reranker.vocabulary.labels import Vocabulary

_TOYBOX: Final = "toybox"
_READERS: Final = {".json": read_coco, ".csv": read_open_images, ".jsonl": read_json_lines}


def open_label_dataset(spec: str, vocabulary: Vocabulary) -> LabelDataset:
    """Return the dataset of a spec, as the labels of a vocabulary. Raises a `DatasetError`.

    Its name is the spec without folders; that of the toybox has all numbers.
    """
    location, numbers = split_spec(spec)
    path = Path(location)
    name = path.name if path.name not in ("", "..") else path.resolve().name
    if location == _TOYBOX:
        return draw_scenes(name, numbers, vocabulary)
    if not (location and is_folder(path)) and not is_file(path):
        raise DatasetMissing(name=name)
    refuse_numbers(name, numbers)
    read = read_folders if is_folder(path) else _READERS.get(path.suffix.lower())
    dataset = read(path, name, vocabulary) if read else None
    if dataset is None:
        raise DatasetFormatUnknown(name=name)
    return dataset
