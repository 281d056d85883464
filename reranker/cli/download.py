"""`download`: download the files of a model from the hub and check them."""

from contextlib import closing
from typing import Annotated

import typer
from tqdm import tqdm

from reranker.cli.console import DONE, printable, say
from reranker.cli.options import settings_of
from reranker.cli.progress import interval_s

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="`lychee` (16.6 GB), `lychee-3b` (7.5 GB), `qwen2.5-vl-7b`, `qwen2.5-vl-3b`; for libraries `siglip2`, "
        "`siglip2-so400m`, `chinese-clip`, `git-rsclip`; or an id of the Hugging Face hub such as "
        "`vec-ai/lychee-rerank-mm`.",
    ),
]
RevisionOption = Annotated[str, typer.Option(metavar="NAME", help="Branch, tag or commit; if empty the main branch.")]


class Progress:
    """A progress bar in bytes; it appears with the first report."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def report(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are on this machine."""
        if self._bar is None:
            self._bar = tqdm(total=total, unit="B", unit_scale=True, mininterval=interval_s(), dynamic_ncols=True)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def download(model: ModelArgument = "lychee", *, revision: RevisionOption = "") -> int:
    """Download the files of a model into the Hugging Face cache of this machine (HF_HOME), and check them.

    A download that stopped is resumed. Only safetensors and their settings are downloaded, never code.

    ```sh
    python -m reranker download lychee
    python -m reranker download vec-ai/lychee-rerank-mm --revision main
    ```
    """
    from reranker.models.download import download as download_model  # noqa: PLC0415 - takes a second

    settings = settings_of(revision=revision or None)
    with closing(Progress()) as progress:
        download_model(model, settings.model.revision, progress.report)
    say(f"The model “{printable(model)}” is on this machine, and its files have the checksums of the hub.")
    return DONE
