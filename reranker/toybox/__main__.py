"""Train the embedded model again, or draw its sample gallery.

`python -m reranker evaluate toybox:1000:10` measures the model.
"""

import logging
from pathlib import Path
from typing import Annotated

import typer

from reranker.config.paths import ASSETS

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def train(
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Duration of the training; the embedded model took 126 on two CPU cores.")
    ] = 130,
    device: Annotated[str, typer.Option(help="Device: cpu or cuda.")] = "cpu",
    output: Annotated[Path, typer.Option(help="Folder for the checkpoint.")] = ASSETS / "toybox",
    start: Annotated[
        Path | None, typer.Option(help="Checkpoint to continue from, with the rating stage alone.")
    ] = None,
) -> None:
    """Train a model and write its checkpoint."""
    import torch  # noqa: PLC0415  slow to import

    from reranker.toybox.training import continue_training, train_from_scratch  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_flush_denormal(True)  # arithmetic with denormal numbers is slow on CPUs, and training does not need it
    if start is None:
        train_from_scratch(output, minutes=minutes, device=device)
    else:
        continue_training(start, output, minutes=minutes, device=device)


@app.command()
def gallery(output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = ASSETS / "gallery") -> None:
    """Draw the sample gallery."""
    from reranker.toybox.gallery import write_gallery  # noqa: PLC0415

    write_gallery(output)


if __name__ == "__main__":
    app()
