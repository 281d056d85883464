"""Dataset files for tests, and the faults that are found in them."""

from pathlib import Path

import pytest

from reranker.core.errors import DatasetInvalid, FaultReason
from reranker.evaluation.datasets.loading import open_dataset


def put_pictures(folder: Path, *names: str) -> None:
    """Write files, each with its own bytes; no reader of datasets decodes them."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"of {file}".encode("utf-8", "surrogatepass"))


def faults_of(spec: Path | str) -> list[tuple[str, int | None, FaultReason, str]]:
    """Return all faults of a dataset in their order: file, line, reason, value."""
    with pytest.raises(DatasetInvalid) as caught:
        open_dataset(str(spec))
    assert caught.value.faults
    return [(fault.file, fault.line, fault.reason, fault.value) for fault in caught.value.faults]
