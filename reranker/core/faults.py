"""Collect what is wrong with files that people have written, so that all of it is reported at once."""

from collections.abc import Iterator
from pathlib import Path

from reranker.core.errors import Fault, FaultReason


class FaultList:
    """The faults that were found while something was read."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __len__(self) -> int:
        return len(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def add(self, file: Path, line: int | None, reason: FaultReason, value: str = "") -> None:
        """Add a fault. The parameters are the fields of `Fault`."""
        self._faults.append(Fault(file=file.name, line=line, reason=reason, value=value))
