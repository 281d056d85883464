"""The pictures of a library get labels, which stay with their bytes, are searched, and follow the pictures."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from filelock import FileLock

from reranker import Reranker, Settings
from reranker.core.cancellation import Cancellation
from reranker.core.errors import FilterInvalid, LibraryBusy, LibraryMissing
from reranker.library import Library
from reranker.storage.picture_filter import PictureFilter
from tests.support.dual_encoders import siglip_folder
from tests.support.libraries import AT_LEAST, at_least
from tests.support.numbered_pictures import numbered_gallery, numbered_picture
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(siglip_folder(tmp_path_factory.mktemp("siglip"), 1))


@pytest.fixture
def scorer() -> ScriptedScorer:
    return ScriptedScorer(judge=at_least, batch_tokens=1000)


@pytest.fixture
def library(tmp_path: Path, encoder: str, scorer: ScriptedScorer) -> Iterator[Library]:
    numbered_gallery(tmp_path / "pictures", *range(12))
    reranker = Reranker(scorer=scorer, settings=Settings.of(model="toybox", score_store_mb=0))
    with closing(Library(tmp_path / "library", encoder=encoder, reranker=reranker)) as made:
        list(made.index([tmp_path / "pictures"]))
        yield made


def tagged(library: Library, *arguments: object, **options: object) -> tuple[int, int]:
    *_, last = library.tag(*arguments, **options)
    return last.done, last.failed


def numbers(library: Library, *labels: str, **where: object) -> list[int]:
    wanted = PictureFilter(labels=library.label_keys(labels), **where)
    return [int(picture.path.stem) for picture, _ in library.labelled(wanted)]


def test_labels_are_stored_searched_and_counted(library: Library) -> None:
    assert library.vocabulary is None
    assert tagged(library, AT_LEAST) == (12, 0)
    assert library.vocabulary == AT_LEAST
    assert library.label_counts() == {"3": 9, "6": 6, "9": 3}
    assert numbers(library, "NINE") == [11, 10, 9]
    assert numbers(library, "三", "六") == [11, 10, 9, 8, 7, 6]
    recalled = library.recall("a cat", where=PictureFilter(labels=("9",)))
    assert {int(each.path.stem) for each in recalled} == {9, 10, 11}
    names = {int(each.candidate.source.stem): [label.label.key for label in each.labels] for each in library.tagged()}
    assert names == {n: [key for key in ("3", "6", "9") if n >= int(key)] for n in range(12)}


def test_only_new_pictures_are_judged_again(library: Library, scorer: ScriptedScorer, tmp_path: Path) -> None:
    tagged(library, AT_LEAST)
    count = len(scorer.batches)
    (tmp_path / "pictures" / "copy.png").write_bytes(numbered_picture(11))
    (tmp_path / "pictures" / "10.png").rename(tmp_path / "pictures" / "moved.png")
    (tmp_path / "pictures" / "20.png").write_bytes(numbered_picture(20))
    list(library.index())
    assert tagged(library) == (1, 0)
    assert len(scorer.batches) == count + 1
    files = {path.name for path in (each.candidate.source for each in library.tagged())}
    assert {"copy.png", "11.png", "moved.png", "20.png"} <= files
    assert library.label_counts()["9"] == 4  # equal files count once


def test_deleted_pictures_leave_the_counts_and_the_results(library: Library, tmp_path: Path) -> None:
    tagged(library, AT_LEAST)
    (tmp_path / "pictures" / "11.png").unlink()
    list(library.index())
    assert library.label_counts()["9"] == 2
    assert numbers(library, "9") == [10, 9]


def test_other_options_label_all_pictures_again(library: Library) -> None:
    tagged(library, AT_LEAST)
    assert tagged(library) == (0, 0)
    assert tagged(library, AT_LEAST, threshold=0.9) == (12, 0)
    assert library.label_counts()["9"] == 1
    assert tagged(library) == (0, 0)  # the options of the last time


def test_what_was_labelled_is_kept_when_it_is_cut_off(library: Library) -> None:
    stop = Cancellation()
    progresses = library.tag(AT_LEAST, cancellation=stop)
    next(progresses)
    stop.cancel()
    *_, last = progresses
    assert last.failed == 0
    done = sum(1 for _ in library.tagged())
    assert tagged(library) == (12 - done, 0)
    assert sum(1 for _ in library.tagged()) == 12


def test_a_picture_that_is_gone_is_left_for_the_next_time(library: Library, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "11.png").unlink()
    *_, last = library.tag(AT_LEAST)
    assert (last.failed, [error.name for error in last.errors]) == (1, ["11.png"])
    assert numbers(library, "9") == [10, 9]


def test_a_picture_that_has_changed_does_not_get_the_labels_of_another(library: Library, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "0.png").write_bytes(numbered_picture(99))
    tagged(library, AT_LEAST)
    assert numbers(library, "9") == [11, 10, 9]
    list(library.index())
    tagged(library)
    assert {path.name for path in (picture.path for picture, _ in library.labelled(PictureFilter(labels=("9",))))} == {
        "0.png", "9.png", "10.png", "11.png"
    }  # fmt: skip


def test_labels_and_other_filters_hold_together(library: Library, tmp_path: Path) -> None:
    tagged(library, AT_LEAST)
    assert numbers(library, "9", folders=(tmp_path / "elsewhere",)) == []
    assert numbers(library, "9", folders=(tmp_path / "pictures",)) == [11, 10, 9]


def test_unknown_labels_are_refused(library: Library) -> None:
    with pytest.raises(FilterInvalid) as raised:
        library.label_keys(["9"])
    assert "no labels yet" in raised.value.expected
    tagged(library, AT_LEAST)
    with pytest.raises(FilterInvalid):
        library.label_keys(["cat"])


def test_one_program_labels_at_a_time(library: Library, tmp_path: Path, encoder: str) -> None:
    with FileLock(library.folder / "index.lock"), pytest.raises(LibraryBusy):
        list(library.tag(AT_LEAST))
    with pytest.raises(LibraryMissing):
        list(Library(tmp_path / "none", encoder=encoder, reranker=library.reranker).tag(AT_LEAST))


def test_a_watched_library_keeps_its_labels_current(library: Library, tmp_path: Path) -> None:
    tagged(library, AT_LEAST)
    stop = Event()

    def follow() -> None:
        with closing(library.watch(stop)) as progresses:
            for _ in progresses:
                watching.set()

    watching = Event()
    thread = threading.Thread(target=follow)
    thread.start()
    try:
        assert watching.wait(PATIENCE_S)
        (tmp_path / "pictures" / "30.png").write_bytes(numbered_picture(30))
        until(lambda: library.label_counts()["9"] == 4)
    finally:
        stop.set()
        thread.join()


def test_labels_survive_the_restart_of_the_program(library: Library, encoder: str) -> None:
    words = replace(AT_LEAST, domain="aerial")
    tagged(library, words)
    library.close()
    with closing(Library(library.folder, encoder=encoder, reranker=library.reranker)) as again:
        assert again.vocabulary == words
        assert numbers(again, "nine") == [11, 10, 9]
