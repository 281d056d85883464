"""Datasets written to the disk for tests, and what is found wrong in them."""

from pathlib import Path

import pytest

from reranker.core.errors import DatasetInvalid, FaultReason
from reranker.evaluation.datasets.loading import open_dataset


def put_pictures(folder: Path, *names: str) -> None:
    """Files, each with bytes of its own: no reader of a dataset decodes them."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"of {file}".encode("utf-8", "surrogatepass"))


def faults_of(spec: Path | str) -> list[tuple[str, int | None, FaultReason, str]]:
    """All that is wrong with a dataset, in its order: file, line, reason, value."""
    with pytest.raises(DatasetInvalid) as caught:
        open_dataset(str(spec))
    assert caught.value.faults
    return [(fault.file, fault.line, fault.reason, fault.value) for fault in caught.value.faults]
