"""`label`: serve a page on which people mark the pictures of a folder that match a sentence."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reranker.api import Reranker
from reranker.cli.console import DONE, FAILED, CommandError, printable, reranker_of, say
from reranker.cli.inputs import candidates_at, is_folder
from reranker.cli.options import ModelOption, settings_of
from reranker.cli.outputs import check_output
from reranker.core.errors import DatasetInvalid
from reranker.i18n.error_messages import fault_sentence
from reranker.storage.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from starlette.applications import Starlette

FILE_NAME: Final = "labels.jsonl"
PORT: Final = 7861

FolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER", help="Folder with the pictures; nothing in it is changed but the file of labels and its lock."
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE.jsonl",
        help="File for the labels, one labelled query a line; an existing file is continued. Default: "
        f"`{FILE_NAME}` in the folder.",
    ),
]
RecursiveOption = Annotated[bool, typer.Option("--recursive", help="Also label the pictures in subfolders.")]
HostOption = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Address to serve the page on; the default is for this machine alone.")
]
PortOption = Annotated[int, typer.Option(min=1, max=65_535, metavar="N", help="Port of the page.")]


def label(
    context: typer.Context,
    folder: FolderArgument,
    *,
    output: FileOption = None,
    recursive: RecursiveOption = False,
    model: ModelOption = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = PORT,
) -> int:
    """Label your own pictures for `evaluate`: serve a page to write sentences and mark the pictures that match them.

    The model is only loaded for “Most relevant first”. Ctrl-C ends the program; what was saved is in the file.

    ```sh
    python -m reranker label assets/gallery --output labels.jsonl
    python -m reranker evaluate labels.jsonl
    ```
    """
    reranker = reranker_of(context, settings_of(model=model))
    pictures = _pictures(folder, recursive)
    file = output or folder / FILE_NAME
    check_output(file)
    with temporary_folder() as thumbnails:
        app = _application(folder, pictures, file, reranker, host, thumbnails)
        return _serve(app, host, port, f"{len(pictures):,} pictures of “{printable(folder.absolute().name)}”")


def _pictures(folder: Path, recursive: bool) -> list[Path]:
    """Return the pictures in natural order, without links to other folders. Raises `CommandError`."""
    if not is_folder(str(folder)):
        raise CommandError(f"“{printable(str(folder))}” is not a folder; name one with pictures.")
    paths = [Path(str(candidate.source)) for candidate in candidates_at([str(folder)], recursive)]
    pictures = [path for path in paths if path.resolve().is_relative_to(folder.resolve())]
    if len(pictures) < 2:
        raise CommandError(f"The folder “{printable(str(folder))}” has fewer than 2 pictures; add some.")
    return pictures


def _application(
    folder: Path, pictures: list[Path], file: Path, reranker: Reranker, host: str, thumbnails: Path
) -> "Starlette":
    """Return the web application. Raises `CommandError` if the file of labels has faults."""
    from reranker.labelling.handlers import Labelling  # noqa: PLC0415
    from reranker.labelling.label_file import LabelFile  # noqa: PLC0415
    from reranker.labelling.server import application  # noqa: PLC0415
    from reranker.server.security import is_loopback, same_origin_only  # noqa: PLC0415 - `--help` need not wait
    from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore  # noqa: PLC0415

    labels = LabelFile(file)
    try:
        labels.read()
    except DatasetInvalid as error:
        raise CommandError("\n".join(fault_sentence(fault, "en") for fault in error.faults)) from error
    shown = ThumbnailStore(HashedThumbnailPaths(thumbnails), reranker.limits)
    labelling = Labelling(folder=folder, pictures=pictures, file=labels, reranker=reranker, thumbnails=shown)
    return application(labelling, same_origin_only(host if is_loopback(host) else None))


def _serve(app: "Starlette", host: str, port: int, what: str) -> int:
    """Serve until Ctrl-C, and return the exit code. Raises `CommandError` if the address cannot be used."""
    from reranker.server.serving import serve_application  # noqa: PLC0415 - `--help` need not wait

    try:
        serve_application(app, host, port, lambda url: say(f"Label {what} at {url}; Ctrl-C ends it."))
    except OSError as error:
        shown = f"{printable(host)}, port {port}"
        raise CommandError(
            f"The page could not be opened at {shown}; choose another --host or --port.", FAILED
        ) from error
    return DONE
