"""`memory`: which model fits where, in which precision."""

import json
from typing import Annotated

import typer

from reranker.cli.console import (
    DONE,
    Output,
    as_bytes,
    check_target,
    deliver,
    print_bytes,
    say,
    silence_transformers,
)
from reranker.config.settings import Device

ModelShape = Annotated[
    str,
    typer.Option(
        metavar="3b|7b|LAYERSxWIDTH|PATH", help="The model for which cards are looked for; 7b is lychee-rerank-mm."
    ),
]
Here = Annotated[
    str, typer.Option(metavar="toybox|NAME|PATH", help="A model of this machine, to be measured in each precision.")
]


def memory(
    *,
    geometry: ModelShape = "7b",
    here: Here = "toybox",
    device: Annotated[Device, typer.Option(help="auto: the first card where there is one.")] = "auto",
    images: Annotated[int, typer.Option(min=2, help="How many pictures, of mixed sizes; they are made.")] = 24,
    output: Output = None,
) -> int:
    """Say which precision fits cards of 24 to 6 GiB, and measure what a model takes on this machine.

    On a card both are measured, each under a cap of that size. Without one, what fits is computed from the model's
    shape, and marked so. A table goes to stdout; with --output, every figure into a JSON file.

    ```sh
    python -m reranker memory
    python -m reranker memory --geometry 3b --output memory.json
    ```
    """
    from reranker.benchmarks.memory import as_table, memory_report  # noqa: PLC0415 - torch takes seconds

    check_target(output)
    silence_transformers()
    result = memory_report(geometry, here, device=device, images=images, report=say)
    print_bytes(as_table(result).encode())
    if output is not None:
        deliver(as_bytes(json.dumps(result, indent=2) + "\n"), output)
    return DONE
