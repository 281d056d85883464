"""Parts that all commands share: exit codes, messages on stderr, the result on stdout, and the `Reranker` of a call."""

import logging
import os
import sys
from collections.abc import Callable

import typer

from reranker.api import Reranker
from reranker.config.settings import Settings
from reranker.core.text import well_formed

_log = logging.getLogger(__name__)

DONE, FAILED, USAGE_ERROR, INTERRUPTED = 0, 1, 2, 130  # exit codes

RerankerFactory = Callable[[Settings], Reranker]


class CommandError(Exception):
    """A call that cannot be carried out. The message is one sentence for people; `exit_code` ends the program."""

    def __init__(self, message: str, exit_code: int = USAGE_ERROR) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def reranker_of(context: typer.Context, settings: Settings) -> Reranker:
    """Return the `Reranker` of a call; tests give `main` another factory."""
    factory: RerankerFactory | None = context.obj
    return factory(settings) if factory else Reranker(settings=settings)


def say(message: str) -> None:
    """Write a line to stderr."""
    typer.echo(message, err=True)


def printable(name: str) -> str:
    """Return the name on one line, without control characters that a terminal would execute."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def argument_text(argument: str) -> str:
    """Return the text of an argument; in a locale without UTF-8, Python keeps its bytes as surrogates.

    What is not UTF-8 stays as it is, and is refused as a query.
    """
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument


def silence_transformers() -> None:
    """Turn off the progress bar and the advice that transformers prints while it loads weights."""
    from transformers.utils import logging as transformers_logging  # noqa: PLC0415 - takes a second

    if not _log.isEnabledFor(logging.INFO):
        transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def as_bytes(text: str) -> bytes:
    """Encode a text in UTF-8. What is not text in a name becomes U+FFFD."""
    return well_formed(text).encode()


def print_bytes(data: bytes) -> None:
    """Write to stdout whatever the encoding of the terminal. A reader that closed the pipe is no error."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        _log.debug("The reader of stdout closed it before the end of the result")
    except OSError as error:
        raise CommandError(f"The result could not be written: {error.strerror}.", FAILED) from error
