"""The one thread that torch works in."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from reranker.engine.torch_thread import TorchThread
from tests.support.scripted_scorer import until


class _Large:
    """Stands for the tensors of a batch."""


def test_all_work_is_done_in_one_thread_in_turn() -> None:
    torch_thread = TorchThread()
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(lambda _: torch_thread.run(threading.get_ident), range(20)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


def test_what_is_raised_there_is_raised_here() -> None:
    with pytest.raises(ZeroDivisionError):
        TorchThread().run(lambda: 1 / 0)


def test_it_keeps_nothing_of_what_it_did() -> None:
    torch_thread, made = TorchThread(), list[weakref.ref[_Large]]()

    def work() -> None:
        large = _Large()
        made.append(weakref.ref(large))

    torch_thread.run(work)
    gc.collect()
    until(lambda: made[0]() is None)


def test_it_ends_when_nobody_has_it_any_longer() -> None:
    torch_thread = TorchThread()
    thread = torch_thread.run(threading.current_thread)
    del torch_thread
    gc.collect()
    thread.join(20)
    assert not thread.is_alive()
