"""The main loop of a decoding process, which decodes the pictures of a `DecodingPool` one after another.

Whatever a picture makes a decoder do ends with this process at the latest: the kernel kills it when its time is up,
also inside of C code, and gives it no more memory than the picture was granted.

The conversation about a picture, with the messages of `reranker.images.messages`:

    program: limits, target_pixels, and the encoded bytes    process: size, upright_size, needed_bytes
    program: granted_bytes                                   process: size, upright
    program: size, or max_px and quality of a JPEG           process: the scaled image as RGB, or as JPEG

For a square, whose size is known from the start, it is shorter:

    program: limits, square_px, and the encoded bytes        process: size, upright_size, needed_bytes
    program: granted_bytes                                   process: the square as RGB

Or, without decoding:

    program: capture_data, and the encoded bytes             process: taken, details

An empty message of the program ends it early, and so does an error, which the process answers instead.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final, Literal

import pillow_heif

from reranker.core.errors import PictureError
from reranker.images.decoding import DecodedPicture, guarded, open_picture, picture_exif
from reranker.images.encoding import encode_jpeg
from reranker.images.exif import read_exif
from reranker.images.limits import Limits
from reranker.images.messages import read_message, write_message

# With equal priority on two busy cores, the first result of a run came after 370 ms, and after 40 ms so.
NICENESS: Final = 10
KEPT_BYTES: Final = 32_000_000  # of freed memory, for the next picture: memory from the system costs time
SPARE_BYTES: Final = 256_000_000  # of addresses, for libraries that are loaded late, stacks, and heaps of threads


def main(compute_s: float, clock_s: float) -> None:
    """Decode pictures until stdin ends.

    compute_s: processor time for a picture, in seconds. clock_s: time for each of its steps, however busy the machine.
    """
    requests, responses = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    most_bytes = _used_bytes("resident") + KEPT_BYTES
    os.dup2(2, 1)  # what a library prints is no response
    pillow_heif.options.DECODE_THREADS = 1  # there are as many processes as CPUs
    if sys.platform != "win32":
        os.nice(NICENESS)
    with suppress(EOFError, BrokenPipeError):
        write_message(responses, {})  # ready
        while True:
            _converse(requests, responses, compute_s, clock_s, most_bytes)
            _limit_memory(None)
            _kill_after("ITIMER_PROF", 0)


def _converse(requests: IO[bytes], responses: IO[bytes], compute_s: float, clock_s: float, most_bytes: int) -> None:
    """Have the conversation about one picture. Raises `EOFError` at the end of stdin.

    The picture is not held any more when its last message is sent: the program gives its memory to others then.
    most_bytes: what this process may keep.
    """
    try:
        last = _decode_one(requests, responses, compute_s, clock_s)
    except PictureError as error:
        last = {"error": type(error).__name__, **vars(error)}, b""
    if _used_bytes("resident") > most_bytes:
        _return_freed_memory()
    if last is not None:
        write_message(responses, *last)


def _decode_one(
    requests: IO[bytes], responses: IO[bytes], compute_s: float, clock_s: float
) -> tuple[dict[str, Any], bytes] | None:
    """Decode a picture, and return the last message; None if the program has ended the conversation.

    Raises the `PictureError` of the picture, and `EOFError` at the end of stdin.
    """
    request, data = _receive(requests, clock_s)
    _kill_after("ITIMER_PROF", compute_s)
    _limit_memory(2 * len(data))
    if "capture_data" in request:
        return asdict(read_exif(picture_exif(data))), b""
    square_px = request.get("square_px")
    limits, target_pixels = Limits(**request["limits"]), square_px**2 if square_px else request["target_pixels"]
    opened = open_picture(data, "", limits, target_pixels, for_square=bool(square_px))
    del data  # the decoder has a copy without metadata
    facts = {"size": opened.size, "upright_size": opened.upright_size, "needed_bytes": opened.needed_bytes}
    write_message(responses, facts)
    request, _ = _receive(requests, clock_s)
    if not request:
        return None
    _limit_memory(request["granted_bytes"])
    decoded = opened.decode()
    if square_px:
        return {}, guarded(lambda: _scaled(decoded, [square_px, square_px]), "")
    write_message(responses, {"size": decoded.size})
    request, _ = _receive(requests, clock_s)
    return ({}, guarded(lambda: _scaled(decoded, **request), "")) if request else None


def _receive(requests: IO[bytes], clock_s: float) -> tuple[dict[str, Any], bytes]:
    """Wait for a message, for any time, and let the clock run from then on."""
    _kill_after("ITIMER_REAL", 0)
    message = read_message(requests)
    _kill_after("ITIMER_REAL", clock_s)
    return message


def _scaled(
    decoded: DecodedPicture, size: list[int] | None = None, max_px: int | None = None, quality: int = 0
) -> bytes:
    """Return the pixels of the picture in a size, or a JPEG whose longer side is at most `max_px`, never enlarged."""
    if max_px is not None:
        return encode_jpeg(decoded.thumbnail(max_px), quality)
    assert size is not None, "either is given"
    width, height = size
    return decoded.resized((width, height)).tobytes()


def _kill_after(timer: str, seconds: float) -> None:
    """Let the kernel end this process after so many seconds, of the clock or of the processor; never if 0."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(getattr(signal, timer), seconds)


def _used_bytes(kind: Literal["addresses", "resident"]) -> int:
    """Return how much memory this process uses; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0
    pages = Path("/proc/self/statm").read_text().split()
    return int(pages[0 if kind == "addresses" else 1]) * os.sysconf("SC_PAGE_SIZE")


def _return_freed_memory() -> None:
    """Let the allocator of glibc give back what it keeps, which can be as much as the last picture took."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _limit_memory(more_bytes: int | None) -> None:
    """Allow so many more bytes than are in use now, or any number; only on Linux, where addresses can be limited."""
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - does not exist elsewhere

        most = resource.RLIM_INFINITY if more_bytes is None else _used_bytes("addresses") + more_bytes + SPARE_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
