"""`benchmark`: compare the speed and memory use of this program with other methods of scoring pictures."""

import json
from typing import Annotated

import typer

from reranker.cli.console import (
    DONE,
    CommandError,
    as_bytes,
    print_bytes,
    printable,
    say,
    silence_transformers,
)
from reranker.cli.options import DeviceOption, FiguresOption
from reranker.cli.outputs import check_output, write_output
from reranker.cli.streams import check_stdout
from reranker.config.settings import Precision

ShapeOption = Annotated[
    str,
    typer.Option(
        "--geometry",
        metavar="toybox|3b|7b|LAYERSxWIDTH|PATH",
        help="Model that scores the pictures: 3b and 7b have the shapes of lychee-rerank-mm and random weights, "
        "LAYERSxWIDTH any other shape.",
    ),
]
TokensOption = Annotated[int, typer.Option(min=0, help="Visual tokens a picture; 0: the model's usual number.")]
ImagesOption = Annotated[int, typer.Option(min=2, help="Number of pictures; they are generated, in mixed sizes.")]
RoundsOption = Annotated[int, typer.Option(min=1, help="Times that each method scores all pictures.")]
MethodsOption = Annotated[
    str, typer.Option("--ways", metavar="NAME,...", help="Methods to compare, separated by commas; if empty all.")
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(help="Number format of the weights; auto: the best that the device computes fast."),
]
CacheOption = Annotated[
    int, typer.Option("--vision-memory-mb", min=0, help="Host memory for the features of pictures, in megabytes.")
]
MemoryOption = Annotated[
    bool, typer.Option(help="On the CPU, run each method once more in a process of its own to measure its memory.")
]


def benchmark(
    *,
    shape: ShapeOption = "toybox",
    visual_tokens: TokensOption = 0,
    images: ImagesOption = 50,
    rounds: RoundsOption = 3,
    methods: MethodsOption = "",
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    cache_mb: CacheOption = 1024,
    memory: MemoryOption = True,
    output: FiguresOption = None,
) -> int:
    """Compare this program with other methods of scoring, on the same model and pictures.

    The methods: `articles` (one by one, eight tokens generated, the cache emptied), `pairwise` (one forward pass a
    pair), `padded` (batches with a mask), `sentence_transformers` (its CrossEncoder, if it is installed), `ours`,
    `ours_known` (another query for the same pictures), `language_tower` (a lower bound for the time of `ours_known`).
    A table goes to stdout; --output writes all figures into a JSON file.

    ```sh
    python -m reranker benchmark --images 24 --ways pairwise,ours,ours_known
    python -m reranker benchmark --geometry 12x512 --output figures.json
    ```
    """
    check_stdout()
    check_output(output)
    from reranker.benchmarks.speed import Options, as_table  # noqa: PLC0415 - loads torch
    from reranker.benchmarks.speed import benchmark as run_benchmark  # noqa: PLC0415

    silence_transformers()
    options = Options(
        shape=shape,
        methods=_checked_methods(methods),
        images=images,
        rounds=rounds,
        visual_tokens=visual_tokens,
        precision=precision,
        device=device,
        feature_cache_mb=cache_mb,
        separate_processes=memory,
    )
    result = run_benchmark(options, say)
    print_bytes(as_table(result).encode())
    if output is not None:
        write_output(as_bytes(json.dumps(result, indent=2) + "\n"), output)
    return DONE


def _checked_methods(names: str) -> tuple[str, ...]:
    """Return the methods between commas; if there are none, all that can be run here. Raises `CommandError`."""
    from reranker.benchmarks.methods import METHODS, unavailable_methods  # noqa: PLC0415 - loads torch

    chosen, unavailable = [name for name in names.split(",") if name], unavailable_methods()
    for name in chosen:
        if name not in METHODS:
            raise CommandError(f"There is no method “{printable(name)}”; there are {', '.join(METHODS)}.")
        if name in unavailable:
            raise CommandError(f"The method “{name}” cannot be run here: {unavailable[name]}")
    if not chosen:
        for name, reason in unavailable.items():
            say(f"The method “{name}” is left out: {reason}")
    return tuple(name for name in METHODS if name in chosen or (not chosen and name not in unavailable))
