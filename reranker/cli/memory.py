"""`memory`: list which model fits on which GPU, in which precision."""

import json
from typing import Annotated, Literal

import typer

from reranker.cli.console import DONE, as_bytes, print_bytes, say, silence_transformers
from reranker.cli.options import DeviceOption, FiguresOption
from reranker.cli.outputs import check_output, write_output
from reranker.cli.streams import check_stdout

ShapeOption = Annotated[
    str,
    typer.Option(
        "--geometry",
        metavar="3b|7b|2b|8b|LAYERSxWIDTH|PATH",
        help="Model for which GPUs are listed; 7b is lychee-rerank-mm, 2b and 8b are Qwen3-VL-Reranker.",
    ),
]
LocalModelOption = Annotated[
    str,
    typer.Option(
        "--here", metavar="toybox|NAME|PATH", help="Model on this machine that is measured in each precision."
    ),
]
EncoderShape = Literal["siglip2", "siglip2-so400m", "chinese-clip", "git-rsclip"]
EncoderShapeOption = Annotated[
    EncoderShape, typer.Option("--encoder", help="Dual encoder beside the model, which `tag` needs.")
]
ImagesOption = Annotated[int, typer.Option(min=2, help="Number of pictures; they are generated, in mixed sizes.")]


def memory(
    *,
    shape: ShapeOption = "7b",
    local_model: LocalModelOption = "toybox",
    encoder: EncoderShapeOption = "siglip2",
    device: DeviceOption = "auto",
    images: ImagesOption = 24,
    output: FiguresOption = None,
) -> int:
    """List which precisions fit on GPUs of 24 to 6 GiB, and measure the memory use of a model on this machine.

    The same is listed for labels, which need a dual encoder, too. With a GPU, models are measured within a limit of
    that size. Without one, what fits is computed from the shape of the model, and marked as such. A table goes to
    stdout; --output writes all figures into a JSON file.

    ```sh
    python -m reranker memory
    python -m reranker memory --geometry 3b --output memory.json
    ```
    """
    check_stdout()
    check_output(output)
    from reranker.benchmarks.memory import as_table, memory_report  # noqa: PLC0415 - loads torch

    silence_transformers()
    result = memory_report(shape, local_model, encoder, device=device, images=images, report=say)
    print_bytes(as_table(result).encode())
    if output is not None:
        write_output(as_bytes(json.dumps(result, indent=2) + "\n"), output)
    return DONE
