"""Tell the errors of a device apart: out of memory, which a smaller batch avoids, and failures that end the run."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from reranker.core.errors import DeviceFailed
from reranker.models.memory_plan import is_device_failure, is_out_of_memory

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@contextmanager
def raise_device_failures() -> Iterator[None]:
    """Raise `DeviceFailed` for an error after which the device does not work any more; log what it was."""
    try:
        yield
    except Exception as error:
        if not is_device_failure(error):
            raise
        _log.error("The device failed", exc_info=error)
        raise DeviceFailed from error


@torch.inference_mode()
@raise_device_failures()
def unless_out_of_memory(work: Callable[[], _Result]) -> _Result | None:
    """Return the result of `work`; None if the device ran out of memory. Raises `DeviceFailed`.

    It is a value, because an exception would hold the tensors of the work, whose memory the next try needs.
    """
    try:
        return work()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None
