"""`benchmark`: measure speed and memory of scoring, of encoding and of searching, beside other methods."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

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
from reranker.cli.extras import require_extra
from reranker.cli.options import DeviceOption, EncoderOption, FiguresOption
from reranker.cli.outputs import check_output, write_output
from reranker.cli.streams import check_stdout
from reranker.config.settings import Precision
from reranker.library import DEFAULT_ENCODER

LEAST_VECTORS: Final = 1000

SubjectArgument = Annotated[
    Literal["scoring", "encoding", "search", "cluster"],
    typer.Argument(
        help="What is measured: the scoring of pictures, their encoding for a library, searches, or what several "
        "workers cost."
    ),
]
SizesOption = Annotated[
    str, typer.Option("--vectors", metavar="N,...", help="For search: sizes of the indexes, separated by commas.")
]
DimensionsOption = Annotated[int, typer.Option(min=8, help="For search: dimensions of a vector.")]
FilesOption = Annotated[int, typer.Option(min=0, help="For search: files of a library; 0: none is made.")]
WorkersOption = Annotated[
    str,
    typer.Option("--workers", metavar="N,...", help="For cluster: numbers of workers in processes, up to 999 each."),
]
SimulatedOption = Annotated[
    str, typer.Option("--simulated", metavar="N,...", help="For cluster: numbers of workers without processes.")
]
BatchMsOption = Annotated[
    float, typer.Option("--batch-ms", min=0, help="For cluster: milliseconds that a device works on a batch.")
]
BatchesOption = Annotated[int, typer.Option("--batches", min=1, help="For cluster: batches for each worker.")]
ShapeOption = Annotated[
    str,
    typer.Option(
        "--geometry",
        metavar="toybox|3b|7b|2b|8b|LAYERSxWIDTH|PATH",
        help="Model that scores the pictures: 3b and 7b have the shapes of lychee-rerank-mm, 2b and 8b those of "
        "Qwen3-VL-Reranker, LAYERSxWIDTH any other shape, all with random weights.",
    ),
]
ArchitectureOption = Annotated[
    Literal["qwen2_5_vl", "qwen3_vl"], typer.Option(help="Architecture of a shape LAYERSxWIDTH.")
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


def benchmark(  # noqa: PLR0913 - the options of a command
    subject: SubjectArgument = "scoring",
    *,
    shape: ShapeOption = "toybox",
    architecture: ArchitectureOption = "qwen2_5_vl",
    visual_tokens: TokensOption = 0,
    images: ImagesOption = 50,
    rounds: RoundsOption = 3,
    methods: MethodsOption = "",
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    cache_mb: CacheOption = 1024,
    memory: MemoryOption = True,
    encoder: EncoderOption = None,
    vectors: SizesOption = "10000,100000,1000000",
    dimensions: DimensionsOption = 768,
    files: FilesOption = 100_000,
    workers: WorkersOption = "1,8",
    simulated: SimulatedOption = "64,1000",
    batch_ms: BatchMsOption = 40.0,
    batches: BatchesOption = 50,
    output: FiguresOption = None,
) -> int:
    """Compare this program with other methods of scoring or encoding pictures, or measure searches of libraries.

    `scoring` has the methods `articles` (one by one, eight tokens generated, the cache emptied), `pairwise` (one
    forward pass a pair), `padded` (batches with a mask), `sentence_transformers` (its CrossEncoder, if it is
    installed), `ours`, `ours_known` (another query for the same pictures), `language_tower` (a lower bound for the time
    of `ours_known`). `encoding` has `articles` (batches of eight, no read-ahead), `sentence_transformers` and `ours`,
    on torch and on ONNX Runtime. `search` measures how long it takes to build, open and search indexes of made vectors.
    `cluster` gives batches to workers whose devices are timers: how throughput grows with their number, and how many
    batches a second the program gives out at most.
    A table goes to stdout; --output writes all figures into a JSON file.

    ```sh
    python -m reranker benchmark --images 24 --ways pairwise,ours,ours_known
    python -m reranker benchmark --geometry 12x512 --output figures.json
    python -m reranker benchmark encoding --images 200
    python -m reranker benchmark search --vectors 10000,100000 --files 10000
    python -m reranker benchmark cluster --workers 8,64
    ```
    """
    check_stdout()
    check_output(output)
    if subject == "cluster":
        require_extra("cluster", "`benchmark cluster`")
        return _written(*_cluster(_counts(workers), _counts(simulated), batch_ms, batches), output)
    if subject != "scoring":
        require_extra("library", f"`benchmark {subject}`")
        result, table = (
            _encoding(encoder or DEFAULT_ENCODER, images, rounds)
            if subject == "encoding"
            else _search(_sizes(vectors), dimensions, files)
        )
        return _written(result, table, output)
    from reranker.benchmarks.random_configs import is_by_size  # noqa: PLC0415 - loads torch
    from reranker.benchmarks.speed import Options, as_table  # noqa: PLC0415 - loads torch
    from reranker.benchmarks.speed import benchmark as run_benchmark  # noqa: PLC0415

    silence_transformers()
    options = Options(
        shape=f"{architecture}:{shape}" if is_by_size(shape) else shape,
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
    return _written(result, as_table(result), output)


def _written(result: dict[str, Any], table: str, output: Path | None) -> int:
    print_bytes(table.encode())
    if output is not None:
        write_output(as_bytes(json.dumps(result, indent=2) + "\n"), output)
    return DONE


def _encoding(encoder: str, images: int, rounds: int) -> tuple[dict[str, Any], str]:
    from reranker.benchmarks.encoding import as_table, benchmark  # noqa: PLC0415 - loads torch

    silence_transformers()
    result = benchmark(encoder, images, rounds, say)
    return result, as_table(result)


def _search(sizes: list[int], dimensions: int, files: int) -> tuple[dict[str, Any], str]:
    from reranker.benchmarks.search import as_table, benchmark  # noqa: PLC0415 - loads torch

    silence_transformers()
    result = benchmark(sizes, dimensions, files, say)
    return result, as_table(result)


def _cluster(counts: list[int], simulated: list[int], batch_ms: float, batches: int) -> tuple[dict[str, Any], str]:
    from reranker.benchmarks.cluster import as_table, benchmark  # noqa: PLC0415 - loads torch

    result = benchmark(counts, simulated, batch_ms, batches, say)
    return result, as_table(result)


def _counts(text: str) -> list[int]:
    """Raises `CommandError`."""
    counts = [int(each) for each in text.split(",") if each.isascii() and each.isdigit() and len(each) < 6]
    if text and (len(counts) != len(text.split(",")) or min(counts) < 1):
        raise CommandError("--workers and --simulated must be whole numbers from 1, separated by commas.")
    return counts


def _sizes(text: str) -> list[int]:
    """Raises `CommandError`."""
    sizes = [int(each) for each in text.split(",") if each.isascii() and each.isdigit() and len(each) < 10]
    if len(sizes) != len(text.split(",")) or min(sizes) < LEAST_VECTORS:
        raise CommandError(f"--vectors must be whole numbers from {LEAST_VECTORS}, separated by commas.")
    return sizes


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
