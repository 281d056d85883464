"""`python -m reranker.toybox`: teach the embedded model again, measure it, draw its sample gallery."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from reranker.program_files import ASSETS
from reranker.settings import Precision, Scoring, Settings

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
def evaluate(
    model: Annotated[str, typer.Option(help="toybox, or a folder with a checkpoint.")] = "toybox",
    sets: Annotated[int, typer.Option(min=10, help="Sets of ten pictures.")] = 1000,
    precision: Annotated[Precision, typer.Option(help="Of the weights.")] = "auto",
    scoring: Annotated[Scoring, typer.Option(help="The way to ask.")] = "yes-no",
) -> None:
    """Measure a checkpoint on scenes that no lesson has; prints its figures as JSON."""
    from reranker.reranker import Reranker  # noqa: PLC0415
    from reranker.toybox.evaluation import examinations, figures  # noqa: PLC0415

    scorer = Reranker(model, settings=Settings(precision=precision, scoring=scoring)).load()
    results = list(tqdm(examinations(scorer, sets), total=sets, unit="set"))
    typer.echo(json.dumps(dataclasses.asdict(figures(results)), indent=2))


@app.command()
def gallery(output: Annotated[Path, typer.Option(help="The folder for the pictures.")] = ASSETS / "gallery") -> None:
    """Draw the sample gallery."""
    from reranker.toybox.gallery import write_gallery  # noqa: PLC0415

    write_gallery(output)


if __name__ == "__main__":
    app()
