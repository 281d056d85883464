"""Exact search for the nearest vectors, by the cosine of vectors of unit length."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS: Final = 16_384  # converted to float32 at a time


def nearest(
    vectors: NDArray[np.float16], query: NDArray[np.float32], count: int, is_searched: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows of the nearest vectors, nearest first, and their cosines. Of equal ones, the first row is first.

    vectors: (rows, dimensions); query: (dimensions,), both of unit length. is_searched: (rows,), whether a row counts.
    """
    cosines = np.full(len(vectors), -np.inf, np.float32)
    for start in range(0, len(vectors), BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        cosines[block] = vectors[block].astype(np.float32) @ query
    cosines[~is_searched] = -np.inf
    kept = min(count, int(is_searched.sum()))
    if kept == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    threshold = np.partition(cosines, len(cosines) - kept)[len(cosines) - kept]
    candidates = np.flatnonzero(cosines >= threshold)  # with all that are equal to the last one
    order = candidates[np.argsort(-cosines[candidates], kind="stable")][:kept]
    return order, cosines[order]
