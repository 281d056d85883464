"""Flat and inverted-file indexes of FAISS over float16 vectors, searched by inner product.

The vectors have unit length, so the inner product is their cosine. Source: https://arxiv.org/abs/2401.08281.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS: Final = 16_384  # converted to float32 at a time
POINTS_PER_LIST: Final = 40  # that the lists of an inverted file are learnt from; FAISS asks for 39 at least
ITERATIONS: Final = 8  # of k-means
SEED: Final = 0


def flat_index(dimensions: int) -> Any:
    """Return an empty index that compares a query with every vector."""
    return faiss.IndexScalarQuantizer(dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def inverted_file(vectors: NDArray[np.float16]) -> Any:
    """Return an index of lists of near vectors, of which a query reads some; it has the vectors already.

    vectors: (rows, dimensions). There are about 4 * sqrt(rows) lists, a power of two.
    """
    rows, dimensions = vectors.shape
    list_count = int(2 ** np.round(np.log2(4 * np.sqrt(rows))))
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimensions),
        dimensions,
        list_count,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the vectors themselves, not what is left of them after the centre of their list
    )
    index.cp.niter, index.cp.seed = ITERATIONS, SEED
    sample_size = min(rows, POINTS_PER_LIST * list_count)
    sample = np.random.default_rng(SEED).choice(rows, sample_size, replace=False)
    index.train(vectors[np.sort(sample)].astype(np.float32))
    add(index, vectors)
    return index


def add(index: Any, vectors: NDArray[np.float16]) -> None:
    """Add vectors, (rows, dimensions), whose rows count on from those of the index."""
    for start in range(0, len(vectors), BLOCK_ROWS):
        index.add(vectors[start : start + BLOCK_ROWS].astype(np.float32))


def save(index: Any, path: Path) -> None:
    """Write an index into a file. Raises `OSError`."""
    try:
        faiss.write_index(index, str(path))
    except RuntimeError as error:  # FAISS has no other
        raise OSError(f"{path.name} cannot be written") from error


def load(path: Path) -> Any:
    """Return the index of a file, memory-mapped. Raises `OSError`."""
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise OSError(f"{path.name} cannot be read") from error


def list_count(index: Any) -> int:
    """Return the number of lists of an inverted file; 1 for a flat index."""
    return int(getattr(index, "nlist", 1))


def search(
    index: Any, queries: NDArray[np.float32], count: int, *, is_searched: NDArray[np.bool_] | None = None, probes: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the rows of the nearest vectors of each query, nearest first, and their cosines.

    queries: (n, dimensions). is_searched: (rows of the index,), whether a row counts; None: all do. probes: lists of an
    inverted file that a query reads.
    """
    options: dict[str, Any] = {}
    if is_searched is not None:
        options["sel"] = faiss.IDSelectorBitmap(np.packbits(is_searched, bitorder="little"))
    if isinstance(index, faiss.IndexIVF):
        parameters = faiss.SearchParametersIVF(nprobe=probes, **options)
    else:
        parameters = faiss.SearchParameters(**options)
    cosines, rows = index.search(np.ascontiguousarray(queries), min(count, index.ntotal), params=parameters)
    for each_rows, each_cosines in zip(rows, cosines, strict=True):
        is_found = each_rows >= 0  # there may be fewer
        yield each_rows[is_found], each_cosines[is_found]
