"""`index`: bring a library of pictures up to date with folders, once or whenever they change."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from reranker.cli.console import DONE, FAILED, CommandError, printable, reranker_of, say, silence_transformers
from reranker.cli.extras import require_extra
from reranker.cli.options import BackendOption, EncoderOption, LibraryOption
from reranker.cli.progress import progress_bar
from reranker.config.settings import Settings
from reranker.core.errors import PictureError
from reranker.core.types import BackendChoice
from reranker.i18n.error_messages import sentence
from reranker.library import DEFAULT_NAME, Library
from reranker.pipelines.indexing import FolderChanges, IndexProgress

INDEXING_BAR = "{bar:20} {n_fmt}/{total_fmt} · {rate_noinv_fmt} · {remaining} left"
FoldersArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DIR...",
        help="Folders of pictures, which are indexed with their subfolders. Default: all that the library knows.",
    ),
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Go on, and index what changes, until Ctrl-C.")]
AgainOption = Annotated[
    bool,
    typer.Option("--again", help="Forget the vectors, and encode all pictures again: for another encoder."),
]


def index(
    context: typer.Context,
    folders: FoldersArgument = None,
    *,
    library: LibraryOption = DEFAULT_NAME,
    encoder: EncoderOption = None,
    backend: BackendOption = None,
    again: AgainOption = False,
    watch: WatchOption = False,
) -> int:
    """Index folders of pictures, so that `search` finds them; a later call reads only what has changed.

    The pictures stay where they are. What was indexed is kept if the call is stopped, and the next one goes on. Exit
    code: 0 if all pictures are indexed, 1 if some could not be read, 2 for a mistake in the call.

    ```sh
    python -m reranker index assets/gallery
    python -m reranker index --watch
    ```
    """
    require_extra("library", "`index`")
    for folder in folders or ():
        if not folder.is_dir():
            raise CommandError(f"“{printable(str(folder))}” is not a folder.")
    silence_transformers()
    reranker = reranker_of(context, Settings.from_environment())
    opened = Library(library, encoder=encoder, backend=backend, reranker=reranker)
    if not folders and not (opened.exists and opened.facts().folders):
        raise CommandError(
            f"The library “{printable(library)}” knows no folder; name one: python -m reranker index DIR"
        )
    if again and opened.exists:
        opened.start_again()
    if (choice := opened.backend_choice) is not None:
        say(_choice_text(choice))
    code = _index_once(opened, folders or ())
    if watch:
        _watch(opened, folders or ())
    return code


def _choice_text(choice: BackendChoice) -> str:
    if choice.refusal is not None:
        return f"Backend: torch. {sentence(choice.refusal, 'en')}"
    rates = ", ".join(f"{backend} {rate:.0f}" for backend, rate in choice.pictures_per_s.items())
    return f"Backend: {choice.backend}; pictures a second as measured on this machine: {rates}."


def _index_once(library: Library, folders: Iterable[Path]) -> int:
    changes = library.changes(folders)
    for unreadable in changes.unreadable:
        say(f"The folder “{printable(unreadable)}” cannot be read; what is known of it is kept.")
    errors: list[PictureError] = []
    with progress_bar(len(changes.changed), INDEXING_BAR, unit=" pictures") as bar:
        for progress in library.carry_out(changes, folders):
            bar.update(progress.done - bar.n)
            errors += progress.errors
    _report_errors(errors)
    say(_counts(changes, progress))
    if report := library.build_index():
        say(
            f"Index: {report.kind} over {report.rows:,} pictures, {report.search_ms:.0f} ms a search, "
            f"recall {report.recall:.3f}."
        )
    return FAILED if errors else DONE


def _counts(changes: FolderChanges, progress: IndexProgress) -> str:
    counts = {
        "encoded": progress.encoded,
        "known by content": progress.known,
        "unchanged": changes.unchanged_count,
        "removed": len(changes.removed),
        "failed": progress.failed,
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "There are no pictures."


def _report_errors(errors: Iterable[PictureError]) -> None:
    for error in errors:
        say(sentence(error, "en"))


def _watch(library: Library, folders: Iterable[Path]) -> None:
    """Index what changes; Ctrl-C ends it."""
    say("Watching for changes; Ctrl-C ends it.")
    stop = Event()
    with closing(library.watch(stop, folders)) as progresses:
        try:
            for progress in progresses:
                _report_errors(progress.errors)
                if progress.done == progress.total and progress.total:
                    say(f"{progress.encoded + progress.known} indexed, {progress.failed} failed")
        except KeyboardInterrupt:
            stop.set()
