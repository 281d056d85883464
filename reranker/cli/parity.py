"""`parity`: compare the scores of this program with those of transformers, on pictures made here."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reranker.cli.console import (
    DONE,
    FAILED,
    CommandError,
    as_bytes,
    print_bytes,
    printable,
    say,
    silence_transformers,
)
from reranker.cli.options import DeviceOption
from reranker.cli.outputs import check_output, write_output
from reranker.cli.streams import check_stdout
from reranker.config.settings import Precision

if TYPE_CHECKING:
    from reranker.benchmarks.parity import ParityReport

ModelArgument = Annotated[str, typer.Argument(metavar="toybox|NAME|PATH", help="Model on this machine.")]
PrecisionOption = Annotated[Precision, typer.Option(help="Number format of the weights; scores are compared in fp32.")]
TokensOption = Annotated[int, typer.Option(min=0, help="Most visual tokens a picture; 0: the model's usual number.")]
GoldenOption = Annotated[
    Path | None, typer.Option(metavar="FILE.json", help="Also compare with the scores in this golden file.")
]
OutputOption = Annotated[
    Path | None, typer.Option(metavar="FILE.json", help="Write a golden file: all scores of this run.")
]


def parity(
    model: ModelArgument = "toybox",
    *,
    precision: PrecisionOption = "fp32",
    device: DeviceOption = "auto",
    visual_tokens: TokensOption = 0,
    golden: GoldenOption = None,
    output: OutputOption = None,
) -> int:
    """Show that scores are those of transformers: its image processor and forward pass against this program.

    Seven drawn pictures of all sizes are scored for four sentences. A table goes to stdout. The exit code is 0 if the
    largest difference is one of rounding, and 1 if it is not.

    ```sh
    python -m reranker parity toybox --golden assets/parity/toybox.json
    python -m reranker parity lychee --precision bf16 --output lychee.json
    ```
    """
    check_stdout()
    check_output(output)
    from reranker.benchmarks.model_shapes import open_model  # noqa: PLC0415 - loads torch
    from reranker.benchmarks.parity import as_table, measure_parity  # noqa: PLC0415

    expected = None if golden is None else _read(golden)
    silence_transformers()
    report = measure_parity(open_model(model, device, precision), visual_tokens or None)
    print_bytes(as_bytes(as_table(report)))
    agrees = report.largest_difference <= report.tolerance
    if expected is not None:
        agrees = _agrees_with(report, expected) and agrees
    if output is not None:
        write_output(as_bytes(report.as_json()), output)
    if not agrees:
        say("The scores differ by more than rounding explains.")
    return DONE if agrees else FAILED


def _read(golden: Path) -> "ParityReport":
    from reranker.benchmarks.parity import read_golden_file  # noqa: PLC0415 - loads torch

    try:
        return read_golden_file(golden)
    except OSError as error:
        raise CommandError(f"“{printable(str(golden))}” cannot be read: {error.strerror}.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CommandError(f"“{printable(str(golden))}” is not a golden file of this command.") from error


def _agrees_with(report: "ParityReport", expected: "ParityReport") -> bool:
    """Compare with a golden file, and print the largest difference."""
    from reranker.benchmarks.parity import GOLDEN_TOLERANCE  # noqa: PLC0415 - loads torch

    try:
        difference = report.difference_from(expected)
    except ValueError as error:
        raise CommandError(str(error)) from error
    print_bytes(f"Largest difference from the golden file: {difference:.2e} log-odds.\n".encode())
    return difference <= max(GOLDEN_TOLERANCE, report.tolerance)
