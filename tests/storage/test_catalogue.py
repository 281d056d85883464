"""A catalogue and its vectors stay consistent, whenever the program is killed and whoever reads."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import LibraryEncoderDiffers, LibraryUnreadable
from reranker.storage.catalogue import Catalogue, CataloguedPicture, EncoderRecord, FileStamp
from reranker.storage.vectors import VectorFile

ENCODER = EncoderRecord(fingerprint="f", model="m", dimensions=4)


def digest(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()


def vector(number: int) -> np.ndarray:
    return np.array([number, 1, 0, 0], np.float32)


def picture(path: str, number: int, time: int = 0) -> CataloguedPicture:
    return CataloguedPicture(path=path, stamp=FileStamp(size=1, mtime_ns=time, inode=2), content_hash=digest(number))


def vectors_of(*numbers: int) -> dict[str, np.ndarray]:
    return {digest(number): vector(number) for number in numbers}


def contents(catalogue: Catalogue) -> dict[str, float]:
    """The number of the vector of each path."""
    vectors, paths = catalogue.searchable()
    return {path: float(vectors[row, 0]) for row, each in paths.items() for path in each}


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "library", ENCODER)
    yield made
    made.close()


def test_a_file_has_the_vector_of_its_content(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.put([picture("/a", 1), picture("/b", 2), picture("/copy of a", 1)], vectors_of(1, 2))
    assert contents(catalogue) == {"/a": 1, "/b": 2, "/copy of a": 1}
    catalogue.put([picture("/a", 3, time=9)], {digest(3): vector(3)})
    catalogue.remove(["/b", "/unknown"])
    assert contents(catalogue) == {"/a": 3, "/copy of a": 1}
    assert catalogue.known_contents([digest(n) for n in range(5)]) == {digest(n) for n in (1, 2, 3)}
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
    catalogue.put([picture("/a", 1)], {digest(1): vector(1)})
    with pytest.raises(LibraryEncoderDiffers) as error:
        Catalogue(tmp_path / "library", EncoderRecord(fingerprint="g", model="other", dimensions=8))
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
                catalogue.vectors = KilledWriting(folder / "vectors.f16", 4, killed_after)
            with suppress(Killed):
                catalogue.put(list(map(picture, paths, numbers)), vectors_of(*numbers))
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
    catalogue.put([picture("/a", 1)], {digest(1): vector(1)})
    reader = Catalogue(tmp_path / "library", ENCODER)
    vectors, paths = reader.searchable()
    catalogue.remove(["/a"])
    catalogue.put([picture("/b", 2)], {digest(2): vector(2)})
    assert [float(vectors[row, 0]) for row in paths] == [1], "what was opened stays as it was"
    assert contents(reader) == {"/b": 2}
    reader.close()
