"""Collect the faults of a dataset, and check the fields of its JSON objects."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reranker.core.errors import DatasetInvalid
from reranker.core.faults import FaultList
from reranker.core.text import is_well_formed
from reranker.evaluation.datasets.types import Dataset, LabelledSet


class Faults(FaultList):
    """The faults of one dataset."""

    def __init__(self, dataset_name: str) -> None:
        super().__init__()
        self._dataset_name = dataset_name

    def dataset(self, path: Path, sets: Sequence[LabelledSet]) -> Dataset:
        """Return the sets that were read from a file or folder. Raises `DatasetInvalid` if there are faults or no sets.

        path: the file or folder that is named if there are no sets.
        """
        if not sets and not len(self):
            self.add(path, None, "no sets")
        if len(self):
            raise DatasetInvalid(name=self._dataset_name, faults=tuple(self))
        return Dataset(name=self._dataset_name, sets=tuple(sets))


def is_text(value: object) -> bool:
    """Whether the value is a string that can be encoded as UTF-8."""
    return isinstance(value, str) and is_well_formed(value)


def is_id(value: object) -> bool:
    """Whether the value is a text that is not empty, or an integer."""
    return (is_text(value) and value != "") or (isinstance(value, int) and not isinstance(value, bool))


def invalid_fields(record: Mapping[str, Any], fields: Mapping[str, Callable[[object], bool]]) -> list[str]:
    """Return the fields that are missing from a JSON object, or that have the wrong type."""
    return [field for field, is_valid in fields.items() if not is_valid(record.get(field))]
