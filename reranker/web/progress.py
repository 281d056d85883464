"""Work that tells how far it is, as something to iterate over."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

Report = Callable[[int, int], None]


def reports_of(work: Callable[[Report], None]) -> Iterator[tuple[int, int]]:
    """What the work says of itself, (done, total); at its end it raises what the work raised.

    The work has a thread of its own and goes on to its end when nobody listens any more.
    """
    told: SimpleQueue[tuple[int, int] | None] = SimpleQueue()  # None: no more will come
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work(lambda done, total: told.put((done, total)))
        except BaseException as error:
            raised.append(error)
        told.put(None)

    threading.Thread(target=run, name="reranker-work", daemon=True).start()
    yield from iter(told.get, None)
    if raised:
        raise raised[0]
