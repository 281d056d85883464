"""Train the embedded models again, or draw the sample gallery.

`python -m reranker evaluate toybox:1000:10` measures the model.
"""

import logging
from pathlib import Path
from typing import Annotated

import typer

from reranker.config.paths import ASSETS, LABELS
from reranker.pipelines.label_proposals import PROPOSED
from reranker.vocabulary.labels import LabelLanguage

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
def train_encoder(
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Duration of the training; the embedded encoder took 50 on two CPU cores.")
    ] = 50,
    device: Annotated[str, typer.Option(help="Device: cpu or cuda.")] = "cpu",
    output: Annotated[Path, typer.Option(help="Folder for the encoder.")] = ASSETS / "toybox-encoder",
) -> None:
    """Train the dual encoder and write it."""
    import torch  # noqa: PLC0415  slow to import

    from reranker.toybox.encoder_training import EncoderTraining  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_flush_denormal(True)
    EncoderTraining(output, minutes=minutes, device=device).run()


@app.command()
def measure_encoder(
    model: Annotated[str, typer.Option(help="Name or folder of the encoder.")] = "toybox-encoder",
    scenes: Annotated[int, typer.Option(min=200, help="Scenes to search.")] = 5000,
) -> None:
    """Measure how well a dual encoder finds scenes by captions."""
    from reranker.models.dual_encoders.encoder import load_encoder  # noqa: PLC0415
    from reranker.toybox.encoder_evaluation import DEPTH, measure_recall  # noqa: PLC0415

    report = measure_recall(load_encoder(model), scenes=scenes)
    typer.echo(f"{report.scenes} scenes")
    for depth, share in report.rare_within.items():
        typer.echo(f"a fitting scene within the first {depth:3}: {share:6.1%} of {report.rare_captions} rare captions")
    typer.echo(f"fitting scenes within the first {DEPTH}: {report.recall:6.1%}, mean of {report.captions} captions")
    for language, recall in report.recall_by_language.items():
        typer.echo(f"  {language:5} {recall:6.1%}")


@app.command()
def measure_search(
    folder: Annotated[Path, typer.Option(help="Folder for the scenes and their library; drawn ones are kept.")],
    scenes: Annotated[int, typer.Option(min=200, help="Scenes to search.")] = 5000,
    captions: Annotated[int, typer.Option(min=10, help="Sentences to search them by.")] = 200,
    recall: Annotated[int, typer.Option(min=1, help="Pictures that the first stage recalls.")] = 200,
) -> None:
    """Compare a search in two stages with the scoring of every picture."""
    from reranker.toybox.search_evaluation import measure_search  # noqa: PLC0415

    report = measure_search(folder, scenes=scenes, captions=captions, recall=recall, report=typer.echo)
    typer.echo(report)


@app.command()
def measure_labels(
    scenes: Annotated[int, typer.Option(min=10, help="Scenes to label.")] = 1000,
    compared: Annotated[
        int, typer.Option(min=1, help="Of these, scenes in which two stages are compared with one, with 300 labels.")
    ] = 100,
    candidates: Annotated[int, typer.Option(min=1, help="Labels of a scene that two stages judge.")] = PROPOSED,
) -> None:
    """Measure labels in two languages, with nothing to find, and in two stages against one.

    `python -m reranker evaluate toybox:1000:0 --labels toybox` measures the other figures of the same scenes.
    """
    from reranker.toybox.label_evaluation import measure_labels  # noqa: PLC0415

    report = measure_labels(scenes=scenes, compared=min(compared, scenes), proposed=candidates, report=typer.echo)
    typer.echo(report)


@app.command()
def labels(
    output: Annotated[Path, typer.Option(help="File for the labels.")] = LABELS / "toybox.jsonl",
    language: Annotated[LabelLanguage, typer.Option(help="Language of their names.")] = "both",
) -> None:
    """Write the labels of the drawn world."""
    from reranker.toybox.labels import write_labels  # noqa: PLC0415

    write_labels(output, language)


@app.command()
def gallery(output: Annotated[Path, typer.Option(help="Folder for the pictures.")] = ASSETS / "gallery") -> None:
    """Draw the sample gallery."""
    from reranker.toybox.gallery import write_gallery  # noqa: PLC0415

    write_gallery(output)


if __name__ == "__main__":
    app()
