"""A catalogue and its vectors stay consistent, whenever the program is killed and whoever reads."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import LibraryBusy, LibraryEncoderDiffers, LibraryMissing, LibraryUnreadable
from reranker.storage.catalogue import (
    Catalogue,
    CatalogueCounts,
    CataloguedPicture,
    Content,
    EncoderRecord,
    FileStamp,
)
from reranker.storage.picture_filter import PictureFilter
from reranker.storage.vectors import VectorFile

ENCODER = EncoderRecord(fingerprint="f", model="m", backend="torch", dimensions=4)


def digest(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()


def vector(number: int) -> np.ndarray:
    return np.array([number, 1, 0, 0], np.float32)


def picture(path: str, number: int, time: int = 0) -> CataloguedPicture:
    return CataloguedPicture(path=path, stamp=FileStamp(size=1, mtime_ns=time, inode=2), content_hash=digest(number))


def content(number: int, **facts: object) -> Content:
    return Content(**{"vector": vector(number), "format": "PNG", "size_px": (8, 6), "taken": None, **facts})


def contents_of(*numbers: int) -> dict[str, Content]:
    return {digest(number): content(number) for number in numbers}


def contents(catalogue: Catalogue) -> dict[str, float]:
    """The number of the vector of each path."""
    vectors, is_searched = catalogue.searchable()
    rows = np.arange(len(vectors)) if is_searched is None else np.flatnonzero(is_searched)
    files = catalogue.files(rows.tolist())
    assert set(files) == set(rows.tolist())
    return {str(file.path): float(vectors[row, 0]) for row, each in files.items() for file in each}


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "library", ENCODER)
    yield made
    made.close()


def test_a_file_has_the_vector_of_its_content(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.put([picture("/a", 1), picture("/b", 2), picture("/copy of a", 1)], contents_of(1, 2))
    assert contents(catalogue) == {"/a": 1, "/b": 2, "/copy of a": 1}
    catalogue.put([picture("/a", 3, time=9)], contents_of(3))
    catalogue.remove(["/b", "/unknown"])
    assert contents(catalogue) == {"/a": 3, "/copy of a": 1}
    assert [catalogue.has_vector(digest(number)) for number in range(5)] == [False, True, True, True, False]
    assert catalogue.vector(digest(4)) is None
    np.testing.assert_array_equal(catalogue.vector(digest(2)), vector(2))
    catalogue.put([picture("/moved b", 2)], {})
    again = Catalogue(tmp_path / "library", ENCODER)
    assert contents(again) == {"/a": 3, "/copy of a": 1, "/moved b": 2}
    assert again.stamps()["/a"] == FileStamp(size=1, mtime_ns=9, inode=2)
    again.close()


def test_failures_have_no_vector(catalogue: Catalogue) -> None:
    stamp = FileStamp(size=1, mtime_ns=0, inode=2)
    catalogue.put([CataloguedPicture(path="/a", stamp=stamp, error="PictureUnreadable")], {})
    assert (contents(catalogue), catalogue.failures()) == ({}, {"/a": "PictureUnreadable"})
    assert list(catalogue.stamps()) == ["/a"], "it is not read again until it changes"


def test_another_encoder_is_refused_and_changes_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.put([picture("/a", 1)], contents_of(1))
    with pytest.raises(LibraryEncoderDiffers) as error:
        Catalogue(tmp_path / "library", EncoderRecord(fingerprint="g", model="other", backend="torch", dimensions=8))
    assert (error.value.name, error.value.made_by, error.value.given) == ("library", "m", "other")
    assert contents(catalogue) == {"/a": 1}


@pytest.mark.parametrize("content", [b"", b"no database " * 100])
def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path, content: bytes) -> None:
    if content:
        (tmp_path / "library").mkdir()
        (tmp_path / "library" / "catalogue.sqlite").write_bytes(content)
    else:
        (tmp_path / "library").write_bytes(b"a file")
    with pytest.raises(LibraryUnreadable) as error:
        Catalogue(tmp_path / "library", ENCODER)
    assert error.value.name == "library"


class Killed(BaseException):
    """What ends a program at any place."""


NUMBERS = st.lists(st.integers(0, 9), min_size=1, max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove"]), NUMBERS, st.none() | st.integers(0, 60)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whenever_it_is_killed_each_path_has_its_own_vector(tmp_path_factory: pytest.TempPathFactory, steps) -> None:
    """A step may be killed after it has written so many bytes of vectors, or before it is entered."""
    folder = tmp_path_factory.mktemp("library")
    expected: dict[str, float] = {}
    for action, numbers, killed_after in steps:
        catalogue = Catalogue(folder, ENCODER)
        assert contents(catalogue) == expected
        paths = [f"/{number % 4}" for number in numbers]
        if action == "remove":
            catalogue.remove(paths)
            expected = {path: number for path, number in expected.items() if path not in paths}
        else:
            if killed_after is not None:
                catalogue.vectors = KilledWriting(folder / catalogue.vectors.name, 4, killed_after)
            with suppress(Killed):
                catalogue.put(list(map(picture, paths, numbers)), contents_of(*numbers))
                expected |= dict(zip(paths, map(float, numbers), strict=True))
        catalogue.close()
    catalogue = Catalogue(folder, ENCODER)
    assert contents(catalogue) == expected
    catalogue.close()


class KilledWriting(VectorFile):
    """Is killed in the middle of a write."""

    def __init__(self, path: Path, dimensions: int, after_bytes: int) -> None:
        super().__init__(path, dimensions)
        self._after_bytes = after_bytes

    def append(self, vectors: np.ndarray, first_row: int) -> None:
        super().append(vectors, first_row)
        with self._path.open("r+b") as file:
            file.truncate(min(self._path.stat().st_size, first_row * self.row_bytes + self._after_bytes))
        raise Killed


def test_others_read_while_one_writes(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.put([picture("/a", 1)], contents_of(1))
    reader = Catalogue(tmp_path / "library", ENCODER)
    vectors, is_searched = reader.searchable()
    catalogue.remove(["/a"])
    catalogue.put([picture("/b", 2)], contents_of(2))
    assert (vectors[:, 0].tolist(), is_searched) == ([1], None), "what was opened stays as it was"
    assert contents(reader) == {"/b": 2}
    reader.close()


def test_pictures_are_filtered_by_folder_date_format_and_size(catalogue: Catalogue) -> None:
    day_ns = 24 * 3600 * 10**9
    catalogue.put(
        [
            picture("/photos/2023/a.jpg", 1),
            picture("/photos/2024/b.png", 2),
            picture("/photos 2/c.png", 3, time=20_000 * day_ns + day_ns // 2),
        ],
        {
            digest(1): content(1, format="JPEG", size_px=(4000, 3000), taken="2023-05-01T10:22:33"),
            digest(2): content(2, size_px=(640, 480), taken="2024-01-01T00:00:00"),
            digest(3): content(3),
        },
    )

    def found(**wanted: object) -> list[float]:
        vectors, is_searched = catalogue.searchable(PictureFilter(**wanted))
        return vectors[:, 0].tolist() if is_searched is None else vectors[is_searched, 0].tolist()

    assert found() == [1, 2, 3]
    assert found(folders=(Path("/photos"),)) == [1, 2]
    assert found(folders=(Path("/photos/2024"), Path("/photos 2"))) == [2, 3]
    assert found(since="2024") == [2, 3]
    assert found(since="2023-05-01", until="2023-05-01") == [1]
    assert found(until="2024") == [1, 2, 3]
    assert found(until="2024-09") == [1, 2], "the third is of 2024-10-04"
    assert found(formats=("JPEG", "HEIF")) == [1]
    assert found(least_px=480) == [1, 2]
    assert found(least_px=481, formats=("PNG",)) == []
    ((file,),) = catalogue.files([0], PictureFilter(since="2023")).values()
    assert (file.path, file.format, file.size_px, file.date) == (
        Path("/photos/2023/a.jpg"),
        "JPEG",
        (4000, 3000),
        "2023-05-01T10:22:33",
    )
    assert catalogue.files([0], PictureFilter(since="2024")) == {}


def test_folders_and_pictures_are_counted(catalogue: Catalogue) -> None:
    catalogue.add_folders(["/b", "/a", "/b"])
    assert catalogue.folders() == ["/a", "/b"]
    assert catalogue.counts() == CatalogueCounts(pictures=0, distinct=0, failed=0)
    catalogue.put([picture("/a/1", 1), picture("/a/2", 1)], contents_of(1))
    stamp = FileStamp(size=1, mtime_ns=0, inode=2)
    catalogue.put([CataloguedPicture(path="/a/3", stamp=stamp, error="PictureUnreadable")], {})
    assert catalogue.counts() == CatalogueCounts(pictures=2, distinct=1, failed=1)


def test_a_library_that_starts_again_is_seen_by_those_who_have_it_open(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.put([picture("/a", 1)], contents_of(1))
    catalogue.add_folders(["/"])
    reader = Catalogue(tmp_path / "library")
    assert reader.encoder == ENCODER
    other = EncoderRecord(fingerprint="g", model="other", backend="torch", dimensions=8)
    writer = Catalogue(tmp_path / "library")
    writer.start_again(other)
    assert (writer.is_current, reader.is_current) == (True, False)
    with pytest.raises(LibraryBusy):
        reader.searchable()
    assert (contents(writer), writer.folders()) == ({}, ["/"])
    for each in (reader, writer):
        each.close()
    Catalogue(tmp_path / "library", other).close()
    assert len(list((tmp_path / "library").glob("*.f16"))) == 0, "the old vectors are gone"


def test_without_an_encoder_no_library_is_made(tmp_path: Path, catalogue: Catalogue) -> None:
    for options in ({}, {"encoder": ENCODER, "must_exist": True}):
        with pytest.raises(LibraryMissing):
            Catalogue(tmp_path / "none", **options)
    assert not (tmp_path / "none").exists()
    shutil.rmtree(tmp_path / "library")
    assert not catalogue.is_current
