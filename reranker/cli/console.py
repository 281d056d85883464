"""What all commands share: how they speak, what they write and how they end."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reranker.api import Reranker
from reranker.config.settings import Settings
from reranker.storage.atomic_write import write_atomically

_log = logging.getLogger(__name__)

DONE, FAILED, MISTAKE, INTERRUPTED = 0, 1, 2, 130  # exit codes
BAR_REDRAWN_EVERY_S, LOG_LINE_EVERY_S = 0.1, 10.0
Output = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the result into this file, whole or not at all, instead of to stdout."),
]


OpenReranker = Callable[[Settings], Reranker]


def opened(context: typer.Context, settings: Settings) -> Reranker:
    """As `main` was told to open one, for tests; else the real one."""
    open_reranker: OpenReranker | None = context.obj
    return open_reranker(settings) if open_reranker else Reranker(settings=settings)


class Refused(Exception):
    """What only the command line knows of: a call that cannot be carried out, and why, in one sentence."""

    def __init__(self, text: str, code: int = MISTAKE) -> None:
        super().__init__(text)
        self.code = code


def stopped(text: str, code: int) -> int:
    say(text)
    return code


def say(text: str) -> None:
    typer.echo(text, err=True)


def printable(name: str) -> str:
    """On one line, and nothing that a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def silence_transformers() -> None:
    """No bar while weights are loaded, no advice: the progress here is of pictures."""
    from transformers.utils import logging as noise  # noqa: PLC0415 - takes a second

    if not _log.isEnabledFor(logging.INFO):
        noise.set_verbosity_error()
    noise.disable_progress_bar()


def redrawn_every_s() -> float:
    """Seconds between two lines of progress: on a terminal they are redrawn, in a log they stay."""
    return BAR_REDRAWN_EVERY_S if sys.stderr.isatty() else LOG_LINE_EVERY_S


def as_bytes(text: str) -> bytes:
    """In UTF-8. A name may hold bytes that are no text: they show escaped, which is also how JSON writes them."""
    return text.encode(errors="backslashreplace")


def deliver(data: bytes, output: Path | None) -> None:
    """Into the file, or to stdout where there is none."""
    if output is None:
        print_bytes(data)
        return
    try:
        write_atomically(data, output)
    except OSError as error:
        reason = f"The result could not be written to “{printable(str(output))}”: {error.strerror}."
        raise Refused(reason, FAILED) from error


def print_bytes(data: bytes) -> None:
    """To stdout, in UTF-8 whatever the terminal's own encoding; who closed the pipe has read enough."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        _log.debug("Nobody read the whole result")
    except OSError as error:
        raise Refused(f"The result could not be written: {error.strerror}.", FAILED) from error


def check_target(output: Path | None) -> None:
    """Raises `Refused` where the result could not be written into this file; there may be none."""
    if output is None:
        return
    if output.is_dir():
        raise Refused(f"The result cannot be written to “{printable(str(output))}”, which is a folder; name a file.")
    if not output.parent.is_dir():
        raise Refused(f"There is no folder “{printable(str(output.parent))}” to write the result into; make it first.")
