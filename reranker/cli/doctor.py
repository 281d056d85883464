"""`doctor`: report what this machine is, and check that the program computes on it as it should."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reranker.cli.console import DONE, FAILED, CommandError, as_bytes, print_bytes, silence_transformers
from reranker.cli.outputs import check_output, write_output
from reranker.cli.streams import check_stdout
from reranker.config.settings import Device

if TYPE_CHECKING:
    from reranker.benchmarks.doctor.checks import CheckResult

DeviceOption = Annotated[
    Device, typer.Option(help="What is checked; auto: the CPU, and the first GPU if there is one; cpu: the CPU alone.")
]
JsonOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE.json", help="Also write the facts and all figures into this file."),
]


def doctor(*, device: DeviceOption = "auto", json_file: JsonOption = None) -> int:
    """Report what this machine is, and check that the program computes on it as it should.

    The CPU takes a minute, a GPU up to ten. Each check passes, fails, or is not made, with the reason. The exit code is
    0 if none failed, and 1 if one did. Nothing is downloaded or sent, and your home directory is shown as `~`.

    ```sh
    python -m reranker doctor
    python -m reranker doctor --json doctor.json
    ```
    """
    check_stdout()
    check_output(json_file)
    from reranker.benchmarks.doctor.facts import gather_facts  # noqa: PLC0415 - loads torch
    from reranker.benchmarks.doctor.report import as_json, facts_table, summary_line  # noqa: PLC0415

    _check_device(device)
    silence_transformers()
    facts = gather_facts()
    print_bytes(as_bytes(facts_table(facts) + "\n"))
    results = _run_checks(device)
    print_bytes(as_bytes("\n" + summary_line(results)))
    if json_file is not None:
        write_output(as_bytes(as_json(facts, results)), json_file)
    return FAILED if any(result.status == "failed" for result in results) else DONE


def _check_device(device: Device) -> None:
    """Raise `CommandError` if a GPU is to be checked, and torch finds none."""
    from reranker.models.memory_plan import choose_device  # noqa: PLC0415 - loads torch

    if device == "cuda" and choose_device("auto").type != "cuda":
        raise CommandError("torch finds no CUDA GPU; without --device cuda, doctor says what there is.")


def _run_checks(device: Device) -> list["CheckResult"]:
    """Run all checks, and print the result of each as soon as it is there."""
    from reranker.benchmarks.doctor.checks import run_check  # noqa: PLC0415 - loads torch
    from reranker.benchmarks.doctor.report import result_line  # noqa: PLC0415
    from reranker.benchmarks.doctor.suite import checks_for  # noqa: PLC0415

    results = []
    for name, check in checks_for(device).items():
        results.append(run_check(name, check))
        print_bytes(as_bytes(result_line(results[-1])))
    return results
