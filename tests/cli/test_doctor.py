"""The command prints facts, a line for each check, and a summary; its exit code is that of the worst check."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from reranker.benchmarks.doctor import suite
from reranker.benchmarks.doctor.checks import Finding, NotChecked
from reranker.cli.main import main


def passing() -> Finding:
    return Finding(passed=True, sentence="All is well.", figures={"difference": 0.0})


def failing() -> Finding:
    return Finding(passed=False, sentence="The scores differ.", figures={"difference": 2.0})


def raising() -> Finding:
    raise RuntimeError("in /home/somebody")


def missing() -> Finding:
    raise NotChecked("It needs a CUDA GPU.")


@pytest.fixture
def use_checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def use(**checks: Callable[[], Finding]) -> None:
        monkeypatch.setattr(suite, "checks_for", lambda device: checks)

    return use


def test_facts_come_first_then_checks_then_their_number(use_checks, capfd: pytest.CaptureFixture[str]) -> None:
    use_checks(one=passing, other=missing)
    assert main(["doctor"]) == 0
    out, err = capfd.readouterr()
    facts, checks, summary = out.split("\n\n")
    assert facts.startswith("python ")
    assert f"torch               {torch.__version__}\n" in facts
    assert [line.split("  ")[0] for line in checks.splitlines()] == ["passed", "not checked other"]
    assert checks.endswith("It needs a CUDA GPU.")
    assert summary == "1 passed, 0 failed, 1 not checked\n"
    assert err == ""


@pytest.mark.parametrize("check", [failing, raising])
def test_one_failure_makes_the_exit_code_and_the_other_checks_still_run(
    check: Callable, use_checks, capfd: pytest.CaptureFixture[str]
) -> None:
    use_checks(one=check, other=passing)
    assert main(["doctor"]) == 1
    out, err = capfd.readouterr()
    assert out.endswith("1 passed, 1 failed, 0 not checked\n")
    assert "somebody" not in out
    assert "Traceback" not in out + err


def test_the_file_has_the_facts_and_all_figures(use_checks, tmp_path: Path) -> None:
    use_checks(one=failing, other=missing)
    file = tmp_path / "doctor.json"
    assert main(["doctor", "--json", str(file)]) == 1
    content = json.loads(file.read_text(encoding="utf-8"))
    assert {"version", "date", "facts", "checks", "summary"} == set(content)
    assert content["facts"]["versions"]["torch"] == torch.__version__
    assert [(check["name"], check["status"]) for check in content["checks"]] == [
        ("one", "failed"),
        ("other", "not checked"),
    ]
    assert content["checks"][0]["figures"] == {"difference": 2.0}


def test_a_file_that_cannot_be_written_is_a_usage_error_before_any_check(use_checks, tmp_path: Path) -> None:
    def unwanted() -> Finding:
        raise AssertionError("no check should run")

    use_checks(one=unwanted)
    assert main(["doctor", "--json", str(tmp_path)]) == 2


def test_a_gpu_that_is_not_there_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--device", "cuda"]) == 2
    assert capfd.readouterr().err == "torch finds no CUDA GPU; without --device cuda, doctor says what there is.\n"
