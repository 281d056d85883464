"""One decoding process, as the program sees it."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, get_args

from reranker.core.errors import (
    PictureError,
    PictureSkipped,
    PictureTooLarge,
    PictureTooNarrow,
    PictureUnreadable,
    UnreadableReason,
)
from reranker.images.messages import read_message, write_message

if sys.platform == "linux":
    import fcntl

PIPE_BYTES: Final = 1_000_000

# Starts as fast as it can: without the packages of the site, and without what `import reranker` loads for programs.
_PROGRAM: Final = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the program decides
import json, sys, types
sys.path[:], folder, seconds = json.loads(sys.argv[1])
package = sys.modules["reranker"] = types.ModuleType("reranker")
package.__path__ = [folder]
from reranker.images.decoding_worker import main
main(*seconds)
"""
_ERRORS: Final = {each.__name__: each for each in (PictureUnreadable, PictureTooLarge, PictureTooNarrow)}
_TIMERS: Final = {-getattr(signal, name) for name in ("SIGPROF", "SIGALRM") if hasattr(signal, name)}


def worker_command(compute_s: float, clock_s: float) -> list[str]:
    """Return the command that starts a decoding process. Arguments as in `decoding_worker.main`."""
    arguments = sys.path, str(Path(__file__).parents[1]), (compute_s, clock_s)
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, json.dumps(arguments)]


def _enlarge(pipe: IO[bytes] | None) -> None:
    """Enlarge a pipe where the system can, so that a picture passes in fewer turns. A user may only have a few such."""
    if sys.platform == "linux" and pipe is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


class DecodingProcess:
    """A process that has a conversation about one picture after another, in one thread at a time.

    clock_s: seconds for each answer, where the process cannot watch the clock itself.
    """

    def __init__(self, command: Sequence[str], clock_s: float) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for pipe in (self._process.stdin, self._process.stdout):
            _enlarge(pipe)
        self._clock_s = clock_s
        self._is_ready = self._is_late = self._was_stopped = False
        self._is_asked = False  # and has not answered
        self._is_talking = False  # about a picture

    @property
    def id(self) -> int:
        """The number that the system has given it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def ask(
        self, name: str, request: dict[str, Any], data: bytes = b"", max_bytes: int = 0
    ) -> tuple[dict[str, Any], bytes]:
        """Send a message about the picture `name` and return the answer, with at most `max_bytes` behind it.

        Raises the `PictureError` that is the answer, or that says how the process has ended.
        """
        error: Exception | None
        try:
            self._is_asked = True
            with self._watched():
                self._wait_until_ready()
                write_message(self._stdin, request, data)
                answer, answered_data = read_message(self._stdout, max_bytes)
            error = _error(answer, name)
        except (OSError, EOFError, ValueError, TypeError, KeyError):
            error = self._ended(name)
        else:
            self._is_asked, self._is_talking = False, "size" in answer
        if error is not None:
            raise error
        return answer, answered_data

    def end_conversation(self) -> None:
        """Make it ready for the next picture; it ends if it still works on this one."""
        with suppress(OSError):
            if self._is_asked:
                self.stop()
            elif self._is_talking:
                write_message(self._stdin, {})
        self._is_talking = False

    def stop(self) -> None:
        """End it at once, in any thread."""
        self._was_stopped = True
        self._process.kill()

    def close(self) -> None:
        """End it, and free what it held."""
        self.stop()
        self._process.wait()
        for stream in (self._stdin, self._stdout):
            with suppress(OSError):  # what was not sent
                stream.close()

    @property
    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None, "it is a pipe"
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None, "it is a pipe"
        return self._process.stdout

    def _wait_until_ready(self) -> None:
        if not self._is_ready:
            read_message(self._stdout)
            self._is_ready = True

    def _ended(self, name: str) -> Exception:
        """End it, and return why it did not answer."""
        was_stopped = self._was_stopped
        self._process.kill()
        code = self._process.wait()
        if self._is_late or code in _TIMERS:
            return PictureUnreadable(name=name, reason="too slow")
        if was_stopped:
            return PictureSkipped(name=name)
        if not self._is_ready:
            return RuntimeError(f"The decoding process did not start: {code}")
        return PictureUnreadable(name=name, reason="damaged")

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """End the process when its time is up, on systems without timers that do so."""
        timer = threading.Timer(self._clock_s, self._end_late)
        timer.daemon = True
        if not _TIMERS:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end_late(self) -> None:
        self._is_late = True
        self.stop()


def _error(answer: dict[str, Any], name: str) -> PictureError | None:
    """Return the error that an answer is, if it is one. Raises `KeyError`, `TypeError` or `ValueError` if it is odd."""
    if "error" not in answer:
        return None
    fields = {key: value for key, value in answer.items() if key != "error"}
    if fields.get("reason", "damaged") not in get_args(UnreadableReason):
        raise ValueError(fields)
    return _ERRORS[answer["error"]](**fields | {"name": name})
