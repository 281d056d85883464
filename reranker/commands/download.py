"""`download`: the files of a model from the hub, gone on with where an earlier try ended, and checked."""

from typing import Annotated

import typer
from tqdm import tqdm

from reranker.commands.console import DONE, printable, redrawn_every_s, say
from reranker.settings import Settings

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="`lychee` (16.6 GB), `lychee-3b` (7.5 GB), `qwen2.5-vl-7b`, `qwen2.5-vl-3b`, or an id of the hub such as "
        "`vec-ai/lychee-rerank-mm`.",
    ),
]
Revision = Annotated[str, typer.Option(metavar="NAME", help="A branch, tag or commit; the main branch where empty.")]


def download(model: ModelName = "lychee", *, revision: Revision = "") -> int:
    """Fetch a model's files into the Hugging Face cache of this machine (HF_HOME), and check them.

    Goes on where an earlier try ended. Only safetensors and their settings are fetched; no code is.

    `python -m reranker download lychee`
    """
    from reranker.model.download import download as fetched  # noqa: PLC0415 - takes a second

    revision = revision or Settings.from_environment().revision
    with tqdm(unit="B", unit_scale=True, mininterval=redrawn_every_s(), dynamic_ncols=True) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        fetched(model, revision, report)
    say(f"The model “{printable(model)}” is on this machine, and its files are what the hub has.")
    return DONE
