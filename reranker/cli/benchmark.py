"""`benchmark`: this program against the usual ways, in figures."""

import json
from typing import Annotated

import typer

from reranker.cli.console import (
    DONE,
    Output,
    Refused,
    as_bytes,
    check_target,
    deliver,
    print_bytes,
    printable,
    say,
    silence_transformers,
)
from reranker.config.settings import Device, Precision


def benchmark(
    *,
    geometry: Annotated[
        str,
        typer.Option(
            metavar="toybox|3b|7b|LAYERSxWIDTH|PATH",
            help="What judges. 3b and 7b are lychee-rerank-mm's shapes with random weights, LAYERSxWIDTH any other.",
        ),
    ] = "toybox",
    visual_tokens: Annotated[int, typer.Option(min=0, help="How closely to look; 0: the model's own choice.")] = 0,
    images: Annotated[int, typer.Option(min=2, help="How many pictures, of mixed sizes; they are made.")] = 50,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is gone.")] = 3,
    methods: Annotated[str, typer.Option(help="Which ways, with commas; all where empty.")] = "",
    precision: Annotated[Precision, typer.Option(help="auto: what the device is good at.")] = "auto",
    device: Annotated[Device, typer.Option(help="auto: the first card where there is one.")] = "auto",
    vision_memory_mb: Annotated[int, typer.Option(min=0, help="Host memory for what was seen.")] = 1024,
    memory: Annotated[bool, typer.Option(help="On the CPU: each way once more by itself, for its memory.")] = True,
    output: Output = None,
) -> int:
    """Measure this program against the usual ways of scoring pictures, on the same model and the same pictures.

    The ways: `articles` (one by one, eight tokens generated, the cache emptied), `pairwise` (one forward pass a pair),
    `padded` (batches with a mask), `sentence_transformers` (its CrossEncoder, where that is installed), `ours`,
    `ours_known` (another query about the same pictures), `language_tower` (what `ours_known` cannot be faster than). A
    table goes to stdout; with --output, every figure into a JSON file.

    ```sh
    python -m reranker benchmark --images 24 --ways pairwise,ours,ours_known
    python -m reranker benchmark --geometry 12x512 --output figures.json
    ```
    """
    from reranker.benchmarks.speed import Options, as_table  # noqa: PLC0415 - torch takes seconds
    from reranker.benchmarks.speed import benchmark as measured  # noqa: PLC0415

    check_target(output)
    silence_transformers()
    options = Options(
        geometry=geometry,
        methods=_known_ways(methods),
        images=images,
        rounds=rounds,
        visual_tokens=visual_tokens,
        precision=precision,
        device=device,
        vision_memory_mb=vision_memory_mb,
        own_processes=memory,
    )
    result = measured(options, say)
    print_bytes(as_table(result).encode())
    if output is not None:
        deliver(as_bytes(json.dumps(result, indent=2) + "\n"), output)
    return DONE


def _known_ways(names: str) -> tuple[str, ...]:
    from reranker.benchmarks.methods import METHODS, left_out  # noqa: PLC0415

    chosen, impossible = [name for name in names.split(",") if name], left_out()
    for name in chosen:
        if name not in METHODS:
            raise Refused(f"There is no way “{printable(name)}”; there are {', '.join(METHODS)}.")
        if name in impossible:
            raise Refused(f"The way “{name}” cannot be gone here: {impossible[name]}")
    if not chosen:
        for name, reason in impossible.items():
            say(f"The way “{name}” is left out: {reason}")
    return tuple(name for name in METHODS if name in chosen or (not chosen and name not in impossible))
