"""`download`: the files of a model from the hub, gone on with where an earlier try ended, and checked."""

from contextlib import closing
from typing import Annotated

import typer
from tqdm import tqdm

from reranker.cli.console import DONE, printable, redrawn_every_s, say
from reranker.config.settings import Settings

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="`lychee` (16.6 GB), `lychee-3b` (7.5 GB), `qwen2.5-vl-7b`, `qwen2.5-vl-3b`, or an id of the hub such as "
        "`vec-ai/lychee-rerank-mm`.",
    ),
]
Revision = Annotated[str, typer.Option(metavar="NAME", help="A branch, tag or commit; the main branch where empty.")]


class Progress:
    """A bar of bytes, from the first word of them on."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def report(self, done: int, total: int) -> None:
        """So many bytes are here, of so many in all."""
        if self._bar is None:
            how = {"unit": "B", "unit_scale": True, "mininterval": redrawn_every_s(), "dynamic_ncols": True}
            self._bar = tqdm(total=total, **how)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def download(model: ModelName = "lychee", *, revision: Revision = "") -> int:
    """Fetch a model's files into the Hugging Face cache of this machine (HF_HOME), and check them.

    Goes on where an earlier try ended. Only safetensors and their settings are fetched; no code is.

    ```sh
    python -m reranker download lychee
    python -m reranker download vec-ai/lychee-rerank-mm --revision main
    ```
    """
    from reranker.models.download import download as fetched  # noqa: PLC0415 - takes a second

    revision = revision or Settings.from_environment().model.revision
    with closing(Progress()) as progress:
        fetched(model, revision, progress.report)
    say(f"The model “{printable(model)}” is on this machine, and its files are what the hub has.")
    return DONE
