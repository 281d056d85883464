"""The benchmark of searches: made libraries of a small size."""

from pathlib import Path

import numpy as np
import pytest

from reranker.benchmarks.search import as_table, benchmark, made_queries, made_vectors, measure_index
from reranker.cli.console import DONE, USAGE_ERROR
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.shell import Shell


def test_every_size_and_the_library_have_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    result = benchmark([2000, 3000], 16, 150, said.append)
    assert [(each["rows"], each["kind"], each["recall"]) for each in result["indexes"]] == [
        (2000, "flat", 1.0),
        (3000, "flat", 1.0),
    ]
    (library,) = result["libraries"]
    assert library["files"] == 150
    assert 0 < library["p50_ms"] <= library["p95_ms"]
    table = as_table(result)
    assert "2,000 flat" in table
    assert "150 files: compared in" in table
    assert len(said) == 3


def test_an_inverted_file_is_measured_with_queries_that_it_was_not_tuned_on(tmp_path: Path) -> None:
    (figures,) = measure_index(4000, 16, "inverted file", tmp_path)
    assert (figures.kind, figures.rows) == ("inverted file", 4000)
    assert 0.9 < figures.recall <= 1
    assert figures.file_bytes > 4000 * 16 * 2


def test_made_vectors_are_in_clusters_and_queries_beside_them(tmp_path: Path) -> None:
    vectors, queries = made_vectors(2000, 32, tmp_path).astype(np.float32), made_queries(32, 2000)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-2)
    cosines = vectors[:200] @ vectors.T
    assert np.sort(cosines, axis=1)[:, -100].mean() > 0.5 > abs(cosines.mean()) + 0.3
    assert 0.2 < np.sort(queries @ vectors.T, axis=1)[:, -1].mean() < 0.9


def test_sizes_that_are_none_are_refused(capfdbinary) -> None:
    shell = Shell(capture=capfdbinary, scorer=ScriptedScorer())
    for wrong in ("", "10", "a", "1000,-5"):
        assert shell("benchmark", "search", "--vectors", wrong).code == USAGE_ERROR
    done = shell("benchmark", "search", "--vectors", "1000", "--dimensions", 16, "--files", 0)
    assert (done.code, "1,000 flat" in done.out) == (DONE, True)
