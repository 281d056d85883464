"""Prepare stdin, stdout and stderr for callers who have closed one, or whose disk or pipe takes no more.

The result goes to stdout: if that is closed, a command that needs it says so and ends, and if it cannot be written, the
command fails. A reader who closes the pipe early has what it wanted. Messages on stderr never stop a command.
"""

import io
import os
import sys
from pathlib import Path
from typing import IO, Any, Final, TextIO

from reranker.cli.console import OutputLost

DESCRIPTORS: Final = (0, 1, 2)  # of stdin, stdout and stderr


def prepare() -> None:
    """Replace stdout and stderr. A closed one becomes one that takes everything, so that libraries can write to it."""
    _occupy_closed_descriptors()
    sys.stdout = _replacement(sys.__stdout__, is_needed=True)
    sys.stderr = _replacement(sys.__stderr__, is_needed=False)


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
        return Path(os.devnull).open("w", encoding="utf-8")
    binary: Any = stream.buffer
    output = _Output(getattr(binary, "raw", binary), is_needed=is_needed)
    return io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=bool(stream.line_buffering),
    )


class _Output(io.RawIOBase):
    """Writes to another stream until that fails, and takes and drops everything after that.

    is_needed: whether the first failure is raised, as `OutputLost`; a pipe that its reader has closed is none.
    """

    def __init__(self, stream: IO[bytes], *, is_needed: bool) -> None:
        self._stream, self._is_needed, self._is_lost = stream, is_needed, False

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the other stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether the other stream is a terminal."""
        return self._stream.isatty()

    def write(self, data: Any) -> int | None:
        """Write bytes, and return how many. Raises `OutputLost`."""
        if self._is_lost:
            return len(data)
        try:
            return self._stream.write(data)
        except OSError as error:
            self._is_lost = True
            if self._is_needed and not isinstance(error, BrokenPipeError):
                raise OutputLost(error.errno, error.strerror) from error
            return len(data)
