"""The blocks of a GIF before its first frame."""

from collections.abc import Iterator
from typing import Final

from reranker.images.metadata import Metadata

_EXTENSION: Final = b"!"
_ENDS: Final = (b"", b",", b";")  # the file, an image, a trailer
_CONTROL: Final = b"\xf9\x04"  # of an extension that says what is transparent: its label, and the size of its part


def gif_blocks(data: bytes) -> Iterator[int]:
    """Yield where each block, and each part of one, begins, about as Pillow finds them."""
    at = _first_block(data)
    while data[at : at + 1] not in _ENDS:
        yield at
        if data[at : at + 1] != _EXTENSION:
            at += 1
            continue
        at += 2
        while any(data[at : at + 1]):
            yield at
            at += 1 + data[at]
        at += 1


def separate_gif(data: bytes) -> tuple[bytes, Metadata]:
    """Return a GIF with only those blocks before its first frame that its pixels need; the others say nothing."""
    first = at = _first_block(data)
    kept: list[bytes] = []
    while data[at : at + 1] not in _ENDS:
        end = _block_end(data, at)
        if data[at + 1 : at + 3] == _CONTROL:
            kept.append(data[at:end])
        at = end
    view = memoryview(data)
    return b"".join([view[:first], *kept, view[at:]]), Metadata()


def _first_block(data: bytes) -> int:
    """Return where the blocks begin: behind the table of colours, if there is one."""
    return 13 + (6 << (data[10] & 7) if data[10:11] > b"\x7f" else 0)


def _block_end(data: bytes, at: int) -> int:
    """Return where an extension ends; anything else is one byte."""
    if data[at : at + 1] != _EXTENSION:
        return at + 1
    at += 2
    while any(data[at : at + 1]):
        at += 1 + data[at]
    return at + 1
