"""The index of a library's vectors: exact as long as that is quick enough, approximate beyond.

What was measured decides: the time of an exact search against a target, and the share of the exact results that an
approximate index finds. An index is built once and saved; vectors that are added later are searched exactly beside it,
until there are so many that it is built again. Removed ones are masked out.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from reranker.index import faiss_index
from reranker.storage.atomic_write import write_atomically

REPORT: Final = "index.json"
TARGET_MS: Final = 50.0  # of an exact search
LEAST_RECALL: Final = 0.98  # of the first `COMPARED` results of an exact search
COMPARED: Final = 200
MEASURED_QUERIES: Final = 50
LEAST_ROWS: Final = 50_000  # fewer are added to an index in memory when a library is opened
TAIL_SHARE: Final = 0.1  # of the rows, which may be beside the saved index
NARROW_SHARE: Final = 0.5  # of the rows; if fewer are searched, few are in the lists that a query reads

Kind = Literal["flat", "inverted file"]


@dataclass(frozen=True, kw_only=True)
class IndexReport:
    """Describe a saved index, and what was measured of it.

    file: its name. rows, dimensions: of the vectors in it. probes: lists of an inverted file that a query reads.
    recall: share of the first `COMPARED` results of an exact search that it finds. exact_ms, search_ms: medians of one
    query. build_s: seconds.
    """

    file: str
    kind: Kind
    rows: int
    dimensions: int
    probes: int
    recall: float
    exact_ms: float
    search_ms: float
    build_s: float


class VectorIndex:
    """An index over the first rows of a file of vectors, and one in memory over the others. One thread at a time.

    base: the saved index, and its report; None if there is none.
    """

    def __init__(self, dimensions: int, base: tuple[Any, IndexReport] | None = None) -> None:
        self._base, self._tail = base, faiss_index.flat_index(dimensions)

    @classmethod
    def open(cls, folder: Path, dimensions: int) -> "VectorIndex":
        """Open the saved index of a folder; without one, or if it cannot be read, start with an empty index."""
        report = read_report(folder)
        if report is not None and report.dimensions == dimensions:
            with suppress(OSError):
                return cls(dimensions, (faiss_index.load(folder / report.file), report))
        return cls(dimensions)

    @property
    def report(self) -> IndexReport | None:
        """Return the description of the saved index; None if there is none."""
        return None if self._base is None else self._base[1]

    @property
    def rows(self) -> int:
        """The number of vectors."""
        return self._base_rows + int(self._tail.ntotal)

    @property
    def _base_rows(self) -> int:
        return 0 if self._base is None else self._base[1].rows

    @property
    def is_outgrown(self) -> bool:
        """Whether so many vectors are not in the saved index that it should be built again."""
        return int(self._tail.ntotal) >= max(LEAST_ROWS, TAIL_SHARE * self._base_rows)

    def extend(self, vectors: NDArray[np.float16]) -> None:
        """Add those of all vectors, (rows, dimensions), that are not in the index yet."""
        faiss_index.add(self._tail, vectors[self.rows :])

    def search(
        self, queries: NDArray[np.float32], count: int, is_searched: NDArray[np.bool_] | None = None
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Return, for each query, the rows of the nearest vectors, nearest first, and their cosines.

        queries: (n, dimensions), of unit length. is_searched: (rows,), whether a row counts; None: all do.
        """
        found = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
        for index, first_row, probes in self._parts():
            mask = None if is_searched is None else is_searched[first_row : first_row + index.ntotal]
            is_narrow = mask is not None and mask.mean() < NARROW_SHARE
            read = faiss_index.list_count(index) if is_narrow else probes
            results = faiss_index.search(index, queries, count, is_searched=mask, probes=read)
            found = [
                (np.concatenate([rows, more_rows + first_row]), np.concatenate([cosines, more_cosines]))
                for (rows, cosines), (more_rows, more_cosines) in zip(found, results, strict=True)
            ]
        return [_nearest_first(rows, cosines, count) for rows, cosines in found]

    def _parts(self) -> Iterator[tuple[Any, int, int]]:
        """Yield each index that has vectors, its first row, and its probes."""
        if self._base is not None:
            index, report = self._base
            yield index, 0, report.probes
        if self._tail.ntotal:
            yield self._tail, self._base_rows, 0


def _nearest_first(
    rows: NDArray[np.int64], cosines: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    order = np.lexsort((rows, -cosines))[:count]  # of equal ones, the first row is first
    return rows[order], cosines[order]


def build(
    folder: Path, vectors: NDArray[np.float16], queries: NDArray[np.float32] | None = None, kind: Kind | None = None
) -> IndexReport:
    """Build the index of all vectors, (rows, dimensions), save it in a folder, and return what was measured.

    queries: (n, dimensions), for the measurement, such as earlier sentences; so are pictures of the library. kind:
    if None, an inverted file if an exact search takes longer than `TARGET_MS` and it is quicker; else flat.
    Whoever has opened an earlier index goes on with it. Raises `OSError`.
    """
    started = perf_counter()
    groups = [_sampled(vectors), *([] if queries is None else [queries])]
    index = faiss_index.flat_index(vectors.shape[1])
    faiss_index.add(index, vectors)
    expected, exact_ms = _timed(index, groups, probes=0)
    chosen: Kind = "flat"
    recall, probes, search_ms = 1.0, 0, exact_ms
    if kind == "inverted file" or (kind is None and exact_ms > TARGET_MS):
        inverted = faiss_index.inverted_file(vectors)
        tuned = _tuned(inverted, groups, expected)
        if kind or tuned[2] < exact_ms:
            chosen, index = "inverted file", inverted
            probes, recall, search_ms = tuned
    report = IndexReport(
        file=f"{secrets.token_hex(8)}.faiss",  # an index that somebody has opened must not be overwritten
        kind=chosen,
        rows=len(vectors),
        dimensions=vectors.shape[1],
        probes=probes,
        recall=recall,
        exact_ms=exact_ms,
        search_ms=search_ms,
        build_s=perf_counter() - started,
    )
    _save(folder, index, report)
    return report


def _sampled(vectors: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return some of the vectors as queries."""
    count = min(MEASURED_QUERIES, len(vectors))
    rows = np.random.default_rng(faiss_index.SEED).choice(len(vectors), count, replace=False)
    return vectors[np.sort(rows)].astype(np.float32)


def _timed(index: Any, groups: list[NDArray[np.float32]], *, probes: int) -> tuple[list[list[set[int]]], float]:
    """Return the rows that each query of each group finds, and the median time of one in milliseconds."""
    found: list[list[set[int]]] = []
    times_s = []
    for queries in groups:
        found.append([])
        for query in queries:
            started = perf_counter()
            ((rows, _),) = faiss_index.search(index, query[None], COMPARED, probes=probes)
            times_s.append(perf_counter() - started)
            found[-1].append(set(rows.tolist()))
    return found, float(np.median(times_s)) * 1000


def _tuned(index: Any, groups: list[NDArray[np.float32]], expected: list[list[set[int]]]) -> tuple[int, float, float]:
    """Return the fewest probes that find enough of the exact results for every group of queries.

    Also returns the share that they find for the worst group, and the time of a query in ms.
    """
    probes = 1
    while True:
        found, search_ms = _timed(index, groups, probes=probes)
        recall = min(_recall(*each) for each in zip(found, expected, strict=True))
        if recall >= LEAST_RECALL or probes >= faiss_index.list_count(index):
            return probes, recall, search_ms
        probes *= 2


def _recall(found: list[set[int]], expected: list[set[int]]) -> float:
    return float(np.mean([len(some & all_) / len(all_) for some, all_ in zip(found, expected, strict=True)]))


def read_report(folder: Path) -> IndexReport | None:
    """Return what is known of the saved index of a folder; None if there is none."""
    try:
        return IndexReport(**json.loads((folder / REPORT).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _save(folder: Path, index: Any, report: IndexReport) -> None:
    """Write the index, then the report that names it, and delete earlier ones. Raises `OSError`."""
    file = folder / report.file
    try:
        faiss_index.save(index, file)
        write_atomically(json.dumps(asdict(report)).encode(), folder / REPORT)
    except OSError:
        file.unlink(missing_ok=True)
        raise
    for other in folder.glob("*.faiss"):
        if other != file:
            with suppress(OSError):  # another system keeps files that are open
                other.unlink()
