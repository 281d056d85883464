"""`index`: bring a library of pictures up to date with folders."""

from pathlib import Path
from typing import Annotated

import typer

from reranker.cli.console import DONE, FAILED, CommandError, printable, reranker_of, say, silence_transformers
from reranker.cli.options import EncoderOption, LibraryOption
from reranker.cli.progress import progress_bar
from reranker.config.settings import Settings
from reranker.core.errors import PictureError
from reranker.i18n.error_messages import sentence
from reranker.library import DEFAULT_ENCODER, DEFAULT_NAME, Library

INDEXING_BAR = "{bar:20} {n_fmt}/{total_fmt} · {rate_noinv_fmt} · {remaining} left"
FoldersArgument = Annotated[
    list[Path],
    typer.Argument(metavar="DIR...", help="Folders of pictures, which are indexed with their subfolders."),
]


def index(
    context: typer.Context,
    folders: FoldersArgument,
    *,
    library: LibraryOption = DEFAULT_NAME,
    encoder: EncoderOption = DEFAULT_ENCODER,
) -> int:
    """Index folders of pictures, so that `search` finds them; a later call reads only what has changed.

    The pictures stay where they are. What was indexed is kept if the call is stopped, and the next one goes on. Exit
    code: 0 if all pictures are indexed, 1 if some could not be read, 2 for a mistake in the call.

    ```sh
    python -m reranker index assets/gallery
    python -m reranker search "a boat at sea"
    ```
    """
    for folder in folders:
        if not folder.is_dir():
            raise CommandError(f"“{printable(str(folder))}” is not a folder.")
    silence_transformers()
    opened = Library(library, encoder=encoder, reranker=reranker_of(context, Settings.from_environment()))
    changes = opened.changes(folders)
    for unreadable in changes.unreadable:
        say(f"The folder “{printable(unreadable)}” cannot be read; what is known of it is kept.")
    errors: list[PictureError] = []
    with progress_bar(len(changes.changed), INDEXING_BAR, unit=" pictures") as bar:
        for progress in opened.carry_out(changes):
            bar.update(progress.done - bar.n)
            errors += progress.errors
    for error in errors:
        say(sentence(error, "en"))
    counts = {
        "encoded": progress.encoded,
        "known by content": progress.known,
        "unchanged": changes.unchanged_count,
        "removed": len(changes.removed),
        "failed": progress.failed,
    }
    say(", ".join(f"{count} {name}" for name, count in counts.items() if count) or "There are no pictures.")
    return FAILED if errors else DONE
