"""Pools whose processes have pretended decoders."""

from collections.abc import Iterator
from contextlib import contextmanager

from reranker.images.decoding_pool import DecodingPool
from reranker.images.decoding_process import worker_command


def pretending(before: str, compute_s: float = 9.0, clock_s: float = 30.0) -> list[str]:
    """The command of a decoding process that runs `before`, which may use `data`, before it opens a picture."""
    *command, program, arguments = worker_command(compute_s, clock_s)
    head, last_line = program.rstrip().rsplit("\n", 1)
    pretended = f"""{head}
import os, time
from reranker.images import decoding_worker
really_open = decoding_worker.open_picture
def open_picture(data, *rest, **options):
    exec({before!r})
    return really_open(data, *rest, **options)
decoding_worker.open_picture = open_picture
{last_line}
"""
    return [*command, pretended, arguments]


@contextmanager
def decoding_pool(before: str = "", compute_s: float = 9.0, clock_s: float = 30.0) -> Iterator[DecodingPool]:
    """A pool that is closed in the end."""
    pool = DecodingPool(compute_s, clock_s, pretending(before, compute_s, clock_s))
    try:
        yield pool
    finally:
        pool.close()
