"""An update in the background: one at a time, told to all, and stopped."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Queue
from threading import Semaphore

import pytest

from reranker.core.cancellation import Cancellation
from reranker.core.errors import LibraryMissing
from reranker.library import Library
from reranker.pipelines.indexing import FolderChanges, IndexProgress
from reranker.storage.catalogue import NEVER_READ
from reranker.ui.library_tab.updates import LibraryUpdates
from tests.support.scripted_scorer import PATIENCE_S

TOTAL = 3


class PacedLibrary(Library):
    """Reads one file whenever the test allows it."""

    exists, vocabulary = True, None

    def __init__(self) -> None:
        super().__init__("paced")
        self.allowed, self.is_built = Semaphore(0), False

    def changes(self, folders: Iterable[str | Path] = ()) -> FolderChanges:
        changed = {str(number): NEVER_READ for number in range(TOTAL)}
        return FolderChanges(changed=changed, removed=["gone"], unchanged_count=0, unreadable=["closed"])

    def carry_out(
        self, changes: FolderChanges, folders: Iterable[str | Path] = (), cancellation: Cancellation | None = None
    ) -> Iterator[IndexProgress]:
        for done in range(TOTAL + 1):
            yield IndexProgress(done=done, total=TOTAL)
            if done < TOTAL and cancellation is not None:
                assert self.allowed.acquire(timeout=PATIENCE_S)
                if cancellation.cancelled:
                    return

    def build_index(self, *, always: bool = False) -> None:
        self.is_built = True


class Told:
    """What an update tells browsers."""

    def __init__(self) -> None:
        self.changes: Queue = Queue()

    def until(self, state: str, done: int) -> dict:
        """Return the first change with this state and count."""
        while True:
            view = self.changes.get(timeout=PATIENCE_S)["library"]
            if (view["state"], view["done"]) == (state, done):
                return view


def test_an_update_tells_how_far_it_is_and_builds_the_index_at_the_end() -> None:
    told, library = Told(), PacedLibrary()
    updates = LibraryUpdates(told.changes.put)
    updates.start("a", library)
    told.until("comparing", 0)
    library.allowed.release(2)
    view = told.until("running", 2)
    assert updates.views() == [view]
    assert (view["total"], view["removed"], view["unreadable"]) == (TOTAL, 1, 1)
    updates.start("a", library)
    assert updates.views() == [view], "one at a time"
    library.allowed.release(1)
    assert told.until("done", TOTAL)["error"] is None
    assert library.is_built


def test_an_update_is_stopped_and_the_next_one_goes_on() -> None:
    told, library = Told(), PacedLibrary()
    updates = LibraryUpdates(told.changes.put)
    updates.start("a", library)
    library.allowed.release(1)
    told.until("running", 1)
    updates.stop("b")
    updates.stop("a")
    library.allowed.release(1)
    told.until("stopped", 1)
    assert not library.is_built
    updates.start("a", library)
    library.allowed.release(TOTAL)
    told.until("done", TOTAL)


def test_a_missing_library_is_not_updated(tmp_path: Path) -> None:
    told = Told()
    updates = LibraryUpdates(told.changes.put)
    with pytest.raises(LibraryMissing):
        updates.start("a", Library(tmp_path / "none"))
    assert updates.views() == []
    assert told.changes.empty()
