"""Vectors of unit length in one file of float16 rows, which is memory-mapped, so that a million open at once.

Rows are only appended: a row that was written never changes, so that other processes may read while one writes.
"""

import os
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

_BYTES: Final = np.dtype(np.float16).itemsize


class VectorFile:
    """path: of the file, which need not exist. dimensions: of a vector."""

    def __init__(self, path: Path, dimensions: int) -> None:
        self._path, self._dimensions = path, dimensions

    @property
    def name(self) -> str:
        """The name of the file."""
        return self._path.name

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self._dimensions * _BYTES

    def append(self, vectors: NDArray[np.float32], first_row: int) -> None:
        """Write vectors, (n, dimensions), into the rows from `first_row`, and wait until they are on the disk.

        What a program that was killed has left from that row on is overwritten. One process at a time. Raises
        `OSError`.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("r+b" if self._path.exists() else "w+b") as file:
            file.truncate(first_row * self.row_bytes)
            file.seek(0, os.SEEK_END)
            file.write(np.ascontiguousarray(vectors, np.float16).tobytes())
            file.flush()
            os.fsync(file.fileno())

    def delete(self) -> None:
        """Delete the file. Raises `OSError`."""
        self._path.unlink(missing_ok=True)

    def read(self, count: int) -> NDArray[np.float16]:
        """Return the first `count` rows, memory-mapped: (count, dimensions). Raises `OSError` if there are fewer."""
        if count == 0:
            return np.zeros((0, self._dimensions), np.float16)
        if self._path.stat().st_size < count * self.row_bytes:
            raise OSError(f"{self._path.name} has fewer than {count} vectors")
        return np.memmap(self._path, np.float16, "r", shape=(count, self._dimensions))
