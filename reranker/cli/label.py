"""`label`: a page on which the pictures of a folder are marked for one sentence after another."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reranker.api import Reranker
from reranker.cli.console import DONE, FAILED, Refused, check_target, opened, printable, say
from reranker.cli.options import Model, chosen_settings
from reranker.cli.picture_paths import candidates_of
from reranker.core.errors import DatasetInvalid
from reranker.i18n.error_messages import fault_sentence

if TYPE_CHECKING:
    from starlette.applications import Starlette

FILE_NAME: Final = "labels.jsonl"
PORT: Final = 7861

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Whose pictures are marked; nothing in it is changed but that file.")
]
File = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE.jsonl",
        help=f"Where the labelled sets go, a line each; `{FILE_NAME}` in the folder unless told otherwise. One that is "
        "there is continued.",
    ),
]
Recursive = Annotated[bool, typer.Option("--recursive", help="With the pictures of the folders in it.")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where the page is served; as it is, for this machine.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, metavar="N")]


def label(
    context: typer.Context,
    folder: Folder,
    *,
    output: File = None,
    recursive: Recursive = False,
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = PORT,
) -> int:
    """Label pictures of your own for `evaluate`: a page to write a sentence, mark the right pictures, and go on.

    The model is needed only by who presses “Likely ones first”. Ctrl-C ends it; every saved set is in the file by then.

    ```sh
    python -m reranker label assets/gallery --output labels.jsonl
    python -m reranker evaluate labels.jsonl
    ```
    """
    reranker = opened(context, chosen_settings(model=model))
    pictures = _pictures(folder, recursive)
    file = output or folder / FILE_NAME
    check_target(file)
    with tempfile.TemporaryDirectory(prefix="reranker-label-") as thumbnails:
        app = _application(folder, pictures, file, reranker, host, Path(thumbnails))
        return _served(app, host, port, f"{len(pictures):,} pictures of “{printable(folder.absolute().name)}”")


def _pictures(folder: Path, recursive: bool) -> list[Path]:
    """In natural order, without links to elsewhere. Raises `Refused`."""
    if not folder.is_dir():
        raise Refused(f"“{printable(str(folder))}” is no folder; name one with pictures.")
    found = [Path(str(one.source)) for one in candidates_of(str(folder), recursive)]
    pictures = [path for path in found if path.resolve().is_relative_to(folder.resolve())]
    if len(pictures) < 2:
        raise Refused(f"The folder “{printable(str(folder))}” has fewer than 2 pictures, and so nothing to rank.")
    return pictures


def _application(
    folder: Path, pictures: list[Path], file: Path, reranker: Reranker, host: str, thumbnails: Path
) -> "Starlette":
    """Raises `Refused` for a file that is no labelled set."""
    from reranker.labelling.handlers import Labelling  # noqa: PLC0415
    from reranker.labelling.label_file import LabelFile  # noqa: PLC0415
    from reranker.labelling.server import application  # noqa: PLC0415
    from reranker.server.security import LOOPBACK_HOSTS, loopback_names_only  # noqa: PLC0415 - `--help` need not wait
    from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore  # noqa: PLC0415

    labels = LabelFile(file)
    try:
        labels.read()
    except DatasetInvalid as error:
        raise Refused("\n".join(fault_sentence(fault, "en") for fault in error.faults)) from error
    shown = ThumbnailStore(HashedThumbnailPaths(thumbnails), reranker.limits, reranker.settings.engine.prefetch_threads)
    labelling = Labelling(folder=folder, pictures=pictures, file=labels, reranker=reranker, thumbnails=shown)
    return application(labelling, [loopback_names_only()] if host in LOOPBACK_HOSTS else [])


def _served(app: "Starlette", host: str, port: int, what: str) -> int:
    """Until somebody ends it. Raises `Refused`."""
    from reranker.server.serving import serve_application  # noqa: PLC0415 - `--help` need not wait

    try:
        serve_application(app, host, port, lambda url: say(f"Label {what} at {url}; Ctrl-C ends it."))
    except OSError as error:
        shown = f"{printable(host)}, port {port}"
        raise Refused(f"The page could not be opened at {shown}; choose others by --host or --port.", FAILED) from error
    return DONE
