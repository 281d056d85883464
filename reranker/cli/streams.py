"""Prepare stdout and stderr for callers who have closed one, or whose disk or pipe takes no more.

The result goes to stdout: if that is closed, a command that needs it says so and ends, and if it cannot be written, the
command fails. A reader who closes the pipe early has what it wanted. Messages on stderr never stop a command.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final, TextIO

from reranker.cli.console import CommandError

DESCRIPTORS: Final = (0, 1, 2)  # of stdin, stdout and stderr


class OutputLost(OSError):
    """Stdout takes no more, because the disk is full for example."""


@contextmanager
def prepared() -> Iterator[None]:
    """Replace stdout and stderr, so that libraries can write to them even if they are closed."""
    _occupy_closed_descriptors()
    given = sys.stdout, sys.stderr
    replaced = _replacement(sys.stdout, is_needed=True), _replacement(sys.stderr, is_needed=False)
    sys.stdout, sys.stderr = replaced
    try:
        yield
    finally:
        for stream in replaced:
            with suppress(OutputLost):  # of what a library has left; a command writes all of its result
                stream.flush()
        sys.stdout, sys.stderr = given


def check_stdout() -> None:
    """Raise `CommandError` if stdout was closed when the program started."""
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if sys.stdout is None or (isinstance(output, _Output) and output.is_closed_by_caller):
        raise CommandError("stdout is closed, so the result cannot be written; leave it open, or send it to a file.")


def _occupy_closed_descriptors() -> None:
    """Open the null device where a stream is closed: the next file that is opened would get its number.

    What a library or a child process writes to the stream would then be written into that file.
    """
    for descriptor in DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free


def _replacement(stream: TextIO | None, *, is_needed: bool) -> TextIO:
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(_Output(None, is_needed=is_needed)), encoding="utf-8")
    binary: Any = stream.buffer
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(getattr(binary, "raw", binary), is_needed=is_needed)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=bool(stream.line_buffering),
    )


class _Output(io.RawIOBase):
    """Writes to another stream until that fails, and takes and drops everything after that.

    stream: None if the caller has closed it. is_needed: whether the first failure is raised, as `OutputLost`; a pipe
    that its reader has closed is none.
    """

    def __init__(self, stream: IO[bytes] | None, *, is_needed: bool) -> None:
        self._stream, self._is_needed = stream, is_needed
        self.is_closed_by_caller = stream is None

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the other stream. Raises `OSError` if there is none."""
        return super().fileno() if self._stream is None else self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether the other stream is a terminal."""
        return self._stream is not None and self._stream.isatty()

    def write(self, data: Any) -> int | None:
        """Write bytes, and return how many. Raises `OutputLost`."""
        if self._stream is None:
            return len(data)
        try:
            return self._stream.write(data)
        except OSError as error:
            self._stream = None
            if self._is_needed and not isinstance(error, BrokenPipeError):
                raise OutputLost(error.errno, error.strerror) from error
            return len(data)
