"""The bytes of a picture are read within the limits, or the picture fails with its own error."""

import os
from pathlib import Path

import pytest

from reranker.core.errors import PictureFileTooLarge, PictureMissing, PictureUnreadable
from reranker.core.types import Candidate
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes


def read(source, **limits) -> bytes:
    return read_bytes(Candidate(name="a.png", source=source), Limits(**limits))


def test_bytes_and_a_file_with_the_same_bytes_read_equal(tmp_path):
    path = tmp_path / "图 1.png"
    path.write_bytes(b"abc")
    link = tmp_path / "link.png"
    link.symlink_to(path)
    assert read(path) == read(link) == read(b"abc") == b"abc"


def test_a_source_that_is_not_a_file_is_missing(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "gone")
    (tmp_path / "file").write_bytes(b"x")
    sources = [tmp_path / "gone", tmp_path, fifo, Path(os.devnull), dangling, tmp_path / "file" / "a", Path("a\0b")]
    for source in sources:
        with pytest.raises(PictureMissing) as caught:
            read(source)
        assert caught.value.name == "a.png"


def test_a_file_that_the_system_refuses_to_open_is_unreadable(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(PictureUnreadable) as caught:
        read(loop)
    assert (caught.value.name, caught.value.reason) == ("a.png", "no access")


def test_the_size_is_checked_before_the_file_is_read(tmp_path):
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.truncate(200 * 10**9)  # uses no disk space, and would not fit into memory
    with pytest.raises(PictureFileTooLarge) as caught:
        read(path)
    assert (caught.value.name, caught.value.size_bytes, caught.value.max_bytes) == ("a.png", 200 * 10**9, 50_000_000)


@pytest.mark.parametrize("source_type", [bytes, Path])
def test_a_size_at_the_limit_is_accepted_and_one_byte_more_is_not(source_type, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"12345")
    source = path if source_type is Path else b"12345"
    assert read(source, max_bytes=5) == b"12345"
    with pytest.raises(PictureFileTooLarge):
        read(source, max_bytes=4)
