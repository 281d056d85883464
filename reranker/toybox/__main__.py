"""`python -m reranker.toybox`: teach the embedded model again, draw its sample gallery.

`python -m reranker evaluate toybox:1000:10` measures it.
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
        float, typer.Option(min=0.01, help="How long to teach; the shipped one took 126 on two CPU cores.")
    ] = 130,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    output: Annotated[Path, typer.Option(help="The folder for the checkpoint.")] = ASSETS / "toybox",
    start: Annotated[Path | None, typer.Option(help="A checkpoint to go on from, with the last part alone.")] = None,
) -> None:
    """Teach a new model from nothing and write its checkpoint."""
    import torch  # noqa: PLC0415  slow to import

    from reranker.toybox.teaching import teach, teach_on  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_flush_denormal(True)  # on CPUs they are slow, and nothing learns from them
    if start is None:
        teach(output, minutes=minutes, device=device)
    else:
        teach_on(start, output, minutes=minutes, device=device)


@app.command()
def gallery(output: Annotated[Path, typer.Option(help="The folder for the pictures.")] = ASSETS / "gallery") -> None:
    """Draw the sample gallery."""
    from reranker.toybox.gallery import write_gallery  # noqa: PLC0415

    write_gallery(output)


if __name__ == "__main__":
    app()
