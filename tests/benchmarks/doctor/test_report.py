"""The report has every fact and every result."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from reranker.benchmarks.doctor.checks import CheckResult
from reranker.benchmarks.doctor.facts import Cpu, Facts, Folder, Gpu
from reranker.benchmarks.doctor.report import as_json, facts_table, result_line, summary_line
from reranker.version import __version__

GIB = 2**30
FACTS = Facts(
    versions={"python": "3.11.7", "bitsandbytes": None},
    system="Linux",
    cpu=Cpu(name="EPYC", cores=16, threads=8, capability="AVX512", multiplies_bf16=True),
    gpus=(
        Gpu(name="H200", compute_capability="9.0", multiprocessors=132, total_bytes=140 * GIB, free_bytes=139 * GIB),
    ),
    cuda="13.0",
    driver="580.1",
    memory_bytes=(128 * GIB, 100 * GIB),
    folders={"cache folder": Folder(path="~/.cache/reranker", free_bytes=64 * GIB)},
    models={"lychee": "incomplete"},
)
RESULTS = [
    CheckResult(name="sums", status="passed", sentence="Good.", figures={"difference": 0.5}, seconds=1.25),
    CheckResult(name="GPU sums", status="failed", sentence="Bad.", figures={"difference": float("inf")}, seconds=0.0),
    CheckResult(name="more", status="not checked", sentence="No abacus.", figures={}, seconds=0.0),
]


def test_every_fact_is_on_a_line() -> None:
    assert facts_table(FACTS).splitlines() == [
        "python              3.11.7",
        "bitsandbytes        not installed",
        "system              Linux",
        "CPU                 EPYC, 16 cores; torch uses 8 threads and AVX512",
        "                    multiplies BF16",
        "GPU                 H200, compute capability 9.0, 132 multiprocessors, 140.0 GiB, 139.0 GiB free",
        "CUDA of torch       13.0",
        "GPU driver          580.1",
        "memory              128.0 GiB, 100.0 GiB free",
        "cache folder        ~/.cache/reranker, 64.0 GiB free",
        "model lychee        incomplete",
    ]


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ({"gpus": ()}, "GPU                 none that torch can use"),
        ({"cuda": None}, "CUDA of torch       none: this torch is built for the CPU alone"),
        ({"driver": None}, "GPU driver          none found (nvidia-smi)"),
        ({"memory_bytes": None}, "memory              unknown"),
    ],
)
def test_what_is_missing_is_said(missing: dict, line: str) -> None:
    assert line in facts_table(replace(FACTS, **missing)).splitlines()


def test_each_result_is_a_line_and_the_last_line_counts_them() -> None:
    assert result_line(RESULTS[0]) == "passed      sums                   1.2 s  Good.\n"
    assert summary_line(RESULTS) == "1 passed, 1 failed, 1 not checked\n"


def test_the_json_is_complete() -> None:
    content = json.loads(as_json(FACTS, RESULTS))
    assert content["version"] == __version__
    assert datetime.fromisoformat(content["date"]).tzinfo is not None
    assert content["facts"]["cpu"]["multiplies_bf16"] is True
    assert content["facts"]["gpus"][0]["total_bytes"] == 140 * GIB
    assert [check["name"] for check in content["checks"]] == ["sums", "GPU sums", "more"]
    assert [check["figures"] for check in content["checks"]] == [{"difference": 0.5}, {"difference": None}, {}]
    assert content["summary"] == {"passed": 1, "failed": 1, "not checked": 1}
