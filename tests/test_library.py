"""A library is searched in two stages: recalled by the dual encoder, ranked by the cross-encoder."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from filelock import FileLock
from PIL import Image

from reranker import Reranker, Settings
from reranker.core.errors import (
    ExampleUnreadable,
    LibraryBusy,
    LibraryEncoderDiffers,
    LibraryMissing,
    LibraryUnwritable,
    QueryEmpty,
)
from reranker.core.types import Failed, Scored
from reranker.library import Library, all_libraries
from reranker.pipelines.library_search import Recall, SearchResult
from reranker.storage.picture_filter import PictureFilter
from tests.support.dual_encoders import siglip_folder
from tests.support.numbered_pictures import nearness, number_in, numbered_gallery, numbered_picture
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer
from tests.support.small_disk import full_beyond


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(siglip_folder(tmp_path_factory.mktemp("siglip"), 1))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of the user that belong to the test."""
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


def scripted(judge) -> Reranker:
    return Reranker(scorer=ScriptedScorer(judge=judge), settings=Settings.of(model="toybox", score_store_mb=0))


@pytest.fixture
def library(tmp_path: Path, encoder: str) -> Iterator[Library]:
    numbered_gallery(tmp_path / "pictures", *range(12))
    with closing(Library(tmp_path / "library", encoder=encoder, reranker=scripted(number_in))) as made:
        yield made


@pytest.fixture
def indexed(library: Library, tmp_path: Path) -> Library:
    list(library.index([tmp_path / "pictures"]))
    return library


def test_recall_is_by_cosine_and_the_ranking_by_the_cross_encoder(library: Library, tmp_path: Path) -> None:
    with pytest.raises(LibraryMissing):
        library.search("a cat")
    assert not library.folder.exists(), "a search makes none"
    *_, last = library.index([tmp_path / "pictures"])
    assert (last.encoded, last.failed) == (12, 0)
    recalled = library.recall("a cat", 5)
    assert [each.cosine for each in recalled] == sorted((each.cosine for each in recalled), reverse=True)
    result = library.search("a cat", recall=5, top_k=3)
    best = sorted((int(each.path.stem) for each in recalled), reverse=True)[:3]
    assert [int(each.path.stem) for each, _ in result.ordered] == best
    assert [float(best) for best in best] == [scored.score.log_odds for _, scored in result.ordered]
    assert len(library.search("a cat").ordered) == 12


def test_the_recalled_come_first_then_each_score_then_the_result(indexed: Library) -> None:
    first, *events, last = indexed.search_stream("a cat", recall=4)
    assert isinstance(first, Recall)
    assert len(first.recalled) == 4
    assert all(isinstance(event, Scored | Failed) for event in events)
    assert sorted(event.position for event in events) == [0, 1, 2, 3]
    assert isinstance(last, SearchResult)
    assert last.recall is first
    only_recalled = indexed.search("a cat", recall=4, reranked=False)
    assert only_recalled.ordered == tuple((each, None) for each in first.recalled)


def test_several_queries_get_what_each_alone_does(indexed: Library) -> None:
    queries = ["a cat", "a red dog", indexed.query("a cat", "a dog")]
    for query, result in zip(queries, indexed.search_each(queries, recall=5), strict=True):
        alone = indexed.search(query, recall=5)
        assert [each.path for each, _ in result.ordered] == [each.path for each, _ in alone.ordered]


def test_an_example_recalls_itself_first_and_is_judged_if_the_model_can(tmp_path: Path, encoder: str) -> None:
    folder = numbered_gallery(tmp_path / "pictures", *range(8))
    with closing(Library(tmp_path / "library", encoder=encoder, reranker=scripted(nearness))) as library:
        list(library.index([folder]))
        query = library.query("", like=[folder / "5.png"])
        assert library.recall(query, 3)[0].path == folder / "5.png"
        assert library.search(query).ordered[0][0].path == folder / "5.png"
        beside = library.query("a cat", like=[folder / "5.png"], example_weight=1.0)
        assert library.recall(beside, 2)[0].path == folder / "5.png"
        orders = [
            [each.path for each in library.recall(library.query("a cat", like=[folder / name for name in names]))]
            for names in (["5.png", "2.png"], ["2.png", "5.png"])
        ]
        assert orders[0] == orders[1], "examples count alike"
        text_alone = library.query("a cat", like=[folder / "5.png"], example_weight=0.0)
        assert library.recall(text_alone, 8)[0].path == library.recall("a cat", 8)[0].path
        with pytest.raises(ExampleUnreadable):
            library.query("", like=[tmp_path / "none.png"])


def test_without_a_sentence_a_model_that_knows_no_examples_does_not_rank(indexed: Library, tmp_path: Path) -> None:
    indexed.reranker.load().info = indexed.reranker.info.__class__(
        **{**vars(indexed.reranker.info), "takes_example": False}
    )
    result = indexed.search(indexed.query("", like=[tmp_path / "pictures" / "5.png"]))
    assert result.ranking is None
    assert result.ordered[0][0].path.stem == "5"
    beside = indexed.search(indexed.query("a cat", like=[tmp_path / "pictures" / "5.png"]))
    assert beside.ranking.query.example is None


def test_filters_hold_for_recall_and_for_the_files_of_a_picture(indexed: Library, tmp_path: Path) -> None:
    numbered_gallery(tmp_path / "more", 3, 100)
    list(indexed.index([tmp_path / "more"]))
    assert indexed.folders() == sorted([tmp_path / "more", tmp_path / "pictures"])
    everything = {each.path.stem: each for each in indexed.recall("a cat")}
    assert [file.path.parent.name for file in everything["3"].files] == ["more", "pictures"], "equal files come once"
    where = PictureFilter(folders=(tmp_path / "more",))
    assert {each.path for each in indexed.recall("a cat", where=where)} == {
        tmp_path / "more" / f"{number}.png" for number in (3, 100)
    }
    assert indexed.search("a cat", where=PictureFilter(formats=("JPEG",))).ordered == ()


def test_near_duplicates_share_a_group(indexed: Library, tmp_path: Path) -> None:
    Image.open(tmp_path / "pictures" / "7.png").save(tmp_path / "pictures" / "copy.bmp")
    list(indexed.index())
    groups = {each.path.name: each.alike for each in indexed.recall("a cat")}
    assert groups["copy.bmp"] is not None
    assert groups["copy.bmp"] == groups["7.png"]


def test_a_saved_index_finds_the_same_and_what_came_later(indexed: Library, tmp_path: Path) -> None:
    before = [(each.id, round(each.cosine, 4)) for each in indexed.recall("a cat")]
    assert indexed.build_index() is None, "few vectors need none"
    assert indexed.build_index(always=True).rows == 12
    assert [(each.id, round(each.cosine, 4)) for each in indexed.recall("a cat")] == before
    (tmp_path / "pictures" / "50.png").write_bytes(numbered_picture(50))
    list(indexed.index())
    (tmp_path / "pictures" / "3.png").unlink()
    list(indexed.index())
    assert {each.path.stem for each in indexed.recall("a cat")} == {*map(str, range(12)), "50"} - {"3"}


def test_mistakes_are_errors_of_the_program(indexed: Library, tmp_path: Path) -> None:
    with pytest.raises(QueryEmpty):
        indexed.recall(" ")
    other = Library(tmp_path / "library", encoder=str(siglip_folder(tmp_path / "other", 2)))
    with pytest.raises(LibraryEncoderDiffers):
        other.recall("a cat")
    other.start_again()
    *_, last = other.index()
    assert last.encoded == 12
    assert len(other.recall("a cat")) == 12
    other.close()
    with pytest.raises(LibraryEncoderDiffers):
        indexed.recall("a cat")


def test_a_library_that_is_deleted_while_it_is_open_is_missing(indexed: Library, tmp_path: Path) -> None:
    indexed.recall("a cat")
    shutil.rmtree(tmp_path / "library")
    with pytest.raises(LibraryMissing):
        indexed.recall("a cat")
    list(indexed.index([tmp_path / "pictures"]))
    assert len(indexed.recall("a cat")) == 12, "made again, it is opened again"


def test_one_program_changes_a_library_at_a_time(indexed: Library) -> None:
    with FileLock(indexed.folder / "index.lock"):
        for change in (lambda: list(indexed.index()), indexed.build_index, indexed.start_again, indexed.delete):
            with pytest.raises(LibraryBusy):
                change()
        assert len(indexed.recall("a cat")) == 12


@pytest.mark.parametrize("room", [0, 40_000, 60_000])
def test_a_full_disk_is_said_and_what_was_indexed_is_kept(library: Library, tmp_path: Path, room: int) -> None:
    """Files cannot grow beyond so many bytes: neither the vectors nor the catalogue and its log."""
    pictures = tmp_path / "many"
    numbered_gallery(pictures, *range(300))
    list(library.index([tmp_path / "pictures"]))
    with full_beyond(room), pytest.raises(LibraryUnwritable) as error:
        list(library.index([pictures]))
    assert error.value.name == "library"
    assert len(library.recall("a cat", 1000)) >= 12
    *_, last = library.index([pictures])
    assert last.failed == 0
    assert len(library.recall("a cat", 1000)) == 300
    assert library.problems() == []


def test_a_watched_folder_is_followed(library: Library, tmp_path: Path) -> None:
    stop, arrived, left = Event(), Event(), Event()
    names: set[str] = set()

    def follow() -> None:
        with closing(library.watch(stop, [tmp_path / "pictures"])) as progresses:
            for _ in progresses:
                names.clear()
                names.update(each.path.stem for each in library.recall("a cat"))
                if "50" in names:
                    arrived.set()
                if arrived.is_set() and "50" not in names:
                    left.set()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        nested = tmp_path / "pictures" / "new"
        nested.mkdir()
        (nested / "50.png").write_bytes(numbered_picture(50))
        assert arrived.wait(PATIENCE_S)
        shutil.rmtree(nested)
        assert left.wait(PATIENCE_S)
    finally:
        stop.set()
        thread.join()


def test_named_libraries_are_listed_checked_and_deleted(tmp_path: Path, encoder: str) -> None:
    assert Library("./holidays").folder == Path("holidays")
    library = Library("holidays", encoder=encoder, reranker=scripted(number_in))
    assert library.folder == tmp_path / "XDG_DATA_HOME" / "reranker" / "libraries" / "holidays"
    assert all_libraries() == []
    folder = numbered_gallery(tmp_path / "pictures", *range(3))
    list(library.index([folder]))
    assert all_libraries() == ["holidays"]
    facts = library.facts()
    assert (facts.counts.pictures, facts.folders, facts.encoder.dimensions) == (3, (str(folder),), 16)
    assert facts.size_bytes > 0
    assert library.problems() == []
    (folder / "9.png").write_bytes(numbered_picture(9))
    (folder / "0.png").unlink()
    assert [problem.split()[0] for problem in library.problems()] == ["1", "1"]
    (vectors,) = library.folder.glob("*.f16")
    vectors.write_bytes(vectors.read_bytes()[:10])
    assert "incomplete" in library.problems()[-1]
    library.delete()
    assert (all_libraries(), len(list(folder.iterdir()))) == ([], 3)
    for act in (library.delete, library.facts):
        with pytest.raises(LibraryMissing):
            act()
