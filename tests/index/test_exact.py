"""The nearest vectors are those with the largest cosines."""

import numpy as np
import pytest

from reranker.index import exact
from reranker.index.exact import nearest


def units(count: int, dimensions: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1, 7, 300, 1000])
def test_the_nearest_are_those_of_a_full_sort(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(exact, "BLOCK_ROWS", 64)
    vectors, (query,) = units(300, 12, 1).astype(np.float16), units(1, 12, 2)
    is_searched = np.random.default_rng(3).random(300) < 0.8
    cosines = vectors.astype(np.float32) @ query
    expected = [row for row in np.argsort(-cosines, kind="stable") if is_searched[row]][:count]
    rows, found = nearest(vectors, query, count, is_searched)
    assert rows.tolist() == expected
    np.testing.assert_allclose(found, cosines[rows], rtol=1e-6)


def test_of_equal_ones_the_first_rows_come_first() -> None:
    vectors, (query,) = np.repeat(units(1, 4, 1), 10, axis=0).astype(np.float16), units(1, 4, 2)
    assert nearest(vectors, query, 3, np.ones(10, bool))[0].tolist() == [0, 1, 2]


def test_nothing_is_near_in_an_empty_library() -> None:
    for vectors in (np.zeros((0, 4), np.float16), units(3, 4, 1).astype(np.float16)):
        rows, cosines = nearest(vectors, units(1, 4, 2)[0], 5, np.zeros(len(vectors), bool))
        assert (len(rows), len(cosines)) == (0, 0)
