"""The benchmark of workers: small numbers of them, whose devices are timers."""

import json
from pathlib import Path

import pytest

from reranker.benchmarks.cluster import BATCH_IMAGES, WorkersAtOnce, as_table, measure
from reranker.cli.console import DONE, USAGE_ERROR
from reranker.cluster.messages import Variant
from tests.support.scripted_scorer import ScriptedScorer
from tests.support.shell import Shell


def test_a_thousand_workers_each_get_their_batches() -> None:
    workers = WorkersAtOnce(1000)
    scaling = measure(workers, Variant(source="simulated"), 1000, 2, 0)
    statuses = workers.scheduler.status()
    workers.close()
    assert (scaling.workers, scaling.batches) == (1000, 2000)
    assert scaling.pictures_per_s == pytest.approx(BATCH_IMAGES * scaling.batches_per_s)
    assert scaling.driver_ms > 0
    assert sum(status.pictures for status in statuses) >= 2000 * BATCH_IMAGES


@pytest.mark.extended
def test_workers_in_processes_have_figures(tmp_path: Path, capfdbinary) -> None:
    shell, output = Shell(capture=capfdbinary, scorer=ScriptedScorer()), tmp_path / "figures.json"
    options = ("--workers", "2", "--simulated", "4", "--batch-ms", 5, "--batches", 4, "--output", output)
    done = shell("benchmark", "cluster", *options)
    assert done.code == DONE, done.err
    result = json.loads(output.read_text())
    assert [each["workers"] for each in result["processes"]] == [1, 2]
    assert [each["workers"] for each in result["program_alone"]] == [4]
    assert done.out == as_table(result)


def test_numbers_of_workers_that_are_none_are_refused(capfdbinary) -> None:
    shell = Shell(capture=capfdbinary, scorer=ScriptedScorer())
    for wrong in ("0", "a", "1,-5", "1,,2"):
        assert shell("benchmark", "cluster", "--workers", wrong).code == USAGE_ERROR
