"""The nearest vectors are found, however many there are, whichever were added later, and whatever is masked out."""

from pathlib import Path

import numpy as np
import pytest

from reranker.index import vector_index
from reranker.index.vector_index import LEAST_RECALL, VectorIndex, build, read_report

DIMENSIONS = 16


def units(count: int, seed: int) -> np.ndarray:
    """Vectors in clusters, as those of pictures are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((30, DIMENSIONS))
    vectors = centres[random.integers(0, 30, count)] + 0.5 * random.standard_normal((count, DIMENSIONS))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


VECTORS = units(4000, 1).astype(np.float16)
QUERIES = units(5, 2)


def sorted_rows(query: np.ndarray, is_searched: np.ndarray) -> list[int]:
    cosines = VECTORS.astype(np.float32) @ query
    return [row for row in np.argsort(-cosines, kind="stable").tolist() if is_searched[row]]


@pytest.fixture(params=["in memory", "flat", "inverted file"])
def index(request, tmp_path: Path) -> VectorIndex:
    """An index of all vectors, the last of which were added after it was saved."""
    if request.param != "in memory":
        report = build(tmp_path, VECTORS[:3000], kind=request.param)
        assert (report.kind, report.rows, report.recall >= LEAST_RECALL) == (request.param, 3000, True)
    opened = VectorIndex.open(tmp_path, DIMENSIONS)
    assert opened.rows == (0 if request.param == "in memory" else 3000)
    opened.extend(VECTORS[:3500])
    opened.extend(VECTORS)
    assert opened.rows == 4000
    return opened


@pytest.mark.parametrize("share", [0.05, 0.8, 1.0])
def test_the_nearest_are_those_of_a_full_sort(index: VectorIndex, share: float) -> None:
    is_searched = np.random.default_rng(3).random(4000) < share
    least = 1.0 if index.report is None or index.report.kind == "flat" or share < 0.5 else 0.9
    for query, (rows, cosines) in zip(QUERIES, index.search(QUERIES, 50, is_searched), strict=True):
        assert is_searched[rows].all()
        assert len(set(rows.tolist()) & set(sorted_rows(query, is_searched)[:50])) >= 50 * least
        np.testing.assert_allclose(cosines, VECTORS[rows].astype(np.float32) @ query, atol=1e-5)
        assert (np.diff(cosines) <= 0).all()


def test_as_many_are_found_as_there_are(index: VectorIndex) -> None:
    assert [len(rows) for rows, _ in index.search(QUERIES, 9, np.zeros(4000, bool))] == [0] * 5
    only = np.arange(4000) == 3999
    assert [rows.tolist() for rows, _ in index.search(QUERIES, 9, only)] == [[3999]] * 5
    if index.report is None or index.report.kind == "flat":
        assert [len(rows) for rows, _ in index.search(QUERIES, 9000)] == [4000] * 5


def test_an_approximate_index_is_only_built_if_an_exact_search_takes_too_long(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(vector_index, "TARGET_MS", float("inf"))
    assert build(tmp_path, VECTORS).kind == "flat"
    monkeypatch.setattr(vector_index, "TARGET_MS", 0.0)
    report = build(tmp_path, VECTORS)
    assert report.search_ms <= report.exact_ms, "it is quicker, or was not chosen"
    assert (report.probes > 0) == (report.kind == "inverted file")


def test_of_equal_ones_the_first_rows_come_first() -> None:
    index = VectorIndex(DIMENSIONS)
    index.extend(np.repeat(VECTORS[:1], 10, axis=0))
    ((rows, _),) = index.search(QUERIES[:1], 3)
    assert rows.tolist() == [0, 1, 2]


def test_an_index_is_replaced_and_those_who_have_opened_it_go_on(tmp_path: Path) -> None:
    build(tmp_path, VECTORS[:1000])
    opened = VectorIndex.open(tmp_path, DIMENSIONS)
    build(tmp_path, VECTORS, QUERIES)
    assert len(list(tmp_path.glob("*.faiss"))) == 1
    assert (opened.rows, VectorIndex.open(tmp_path, DIMENSIONS).rows) == (1000, 4000)
    ((rows, _),) = opened.search(QUERIES[:1], 5)
    assert rows.tolist() == [row for row in sorted_rows(QUERIES[0], np.ones(4000, bool)) if row < 1000][:5]


@pytest.mark.parametrize("damage", ["index", "report", "dimensions", "both"])
def test_without_a_readable_index_the_vectors_are_added_in_memory(tmp_path: Path, damage: str) -> None:
    report = build(tmp_path, VECTORS)
    if damage in ("index", "both"):
        (tmp_path / report.file).write_bytes(b"no index")
    if damage in ("report", "both"):
        (tmp_path / vector_index.REPORT).write_text('{"kind": "flat"}')
        assert read_report(tmp_path) is None
    assert VectorIndex.open(tmp_path, 8 if damage == "dimensions" else DIMENSIONS).rows == 0


def test_an_index_is_outgrown_once_many_vectors_are_beside_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(vector_index, "LEAST_ROWS", 100)
    index = VectorIndex(DIMENSIONS)
    index.extend(VECTORS[:99])
    assert not index.is_outgrown
    index.extend(VECTORS[:100])
    assert index.is_outgrown
    build(tmp_path, VECTORS[:2000])
    index = VectorIndex.open(tmp_path, DIMENSIONS)
    index.extend(VECTORS[:2199])
    assert not index.is_outgrown
    index.extend(VECTORS[:2200])
    assert index.is_outgrown


def test_nothing_is_left_of_an_index_that_could_not_be_saved(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be written"):
        build(tmp_path / "gone", VECTORS)
    (tmp_path / vector_index.REPORT).mkdir()
    with pytest.raises(OSError, match="directory"):
        build(tmp_path, VECTORS)
    assert not list(tmp_path.glob("*.faiss"))
