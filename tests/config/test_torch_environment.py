"""Threads of torch wait without spinning, unless a person has chosen otherwise."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def environment_after_import(statement: str, **chosen: str) -> dict[str, str]:
    """The variables that a process has set when torch is first looked for, or in the end if it is not."""
    code = f"""
import json, os, sys
def variables():
    return {{each: os.environ[each] for each in {CHOICES} if each in os.environ}}
class Spy:
    seen = None
    def find_spec(self, name, *_):
        if name == "torch" and Spy.seen is None:
            Spy.seen = variables()
sys.meta_path.insert(0, Spy())
{statement}
print(json.dumps(variables() if Spy.seen is None else Spy.seen))
"""
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES} | chosen
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return dict(json.loads(done.stdout))


def test_waiting_is_passive_before_torch_is_imported() -> None:
    expected = {"OMP_WAIT_POLICY": "PASSIVE", "PYTORCH_ALLOC_CONF": "expandable_segments:True"}
    assert environment_after_import("import reranker") == expected


@pytest.mark.parametrize("statement", ["import reranker.models.loading", "import app", "import reranker.__main__"])
@pytest.mark.extended
def test_every_way_into_the_program_sets_it(statement: str) -> None:
    assert environment_after_import(statement)["OMP_WAIT_POLICY"] == "PASSIVE"


def test_what_a_person_has_set_stays() -> None:
    chosen = {"GOMP_SPINCOUNT": "1000", "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:64"}
    assert environment_after_import("import reranker", **chosen) == chosen
