"""A library follows its folders: what is new is encoded, what has not changed is not opened, what is gone goes."""

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureUnreadable
from reranker.images.limits import Limits
from reranker.models.dual_encoders.encoder import Encoder, load_encoder
from reranker.pipelines import indexing
from reranker.pipelines.batch_size import LEAST
from reranker.pipelines.indexing import (
    EncodingHere,
    Indexer,
    IndexProgress,
    PictureEncoding,
    find_changes,
)
from reranker.storage.catalogue import Catalogue, EncoderRecord, FoundPicture
from tests.support.decoding_pools import decoding_pool
from tests.support.dual_encoders import IMAGE_PX, siglip_folder
from tests.support.numbered_pictures import numbered_picture


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return load_encoder(str(siglip_folder(tmp_path_factory.mktemp("siglip"), 1)), "cpu", "fp32")


class Indexed:
    """A folder of pictures and its catalogue."""

    def __init__(self, folder: Path, encoder: Encoder, pool) -> None:
        self.folder, self._encoder, self._pool = folder / "pictures", encoder, pool
        self.folder.mkdir()
        info = encoder.info
        record = EncoderRecord(
            fingerprint=info.fingerprint, model=info.model, backend=info.backend, dimensions=info.dimensions
        )
        self.catalogue = Catalogue(folder / "library", record)

    def write(self, name: str, number: object) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(numbered_picture(number))
        return path

    def run(
        self, cancellation: Cancellation | None = None, encoder: object = None, encoding: PictureEncoding | None = None
    ) -> IndexProgress:
        changes = find_changes([self.folder], self.catalogue.stamps())
        encoding = encoding or EncodingHere(encoder or self._encoder)
        indexer = Indexer(self.catalogue, self._encoder.info.image_px, encoding, Limits(), self._pool)
        *_, last = indexer.run(changes, cancellation)
        return last

    @property
    def names(self) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.files)

    @property
    def files(self) -> dict[Path, FoundPicture]:
        vectors, _ = self.catalogue.searchable()
        return {file.path: file for each in self.catalogue.files(range(len(vectors))).values() for file in each}

    def vector(self, path: Path) -> np.ndarray:
        return self.catalogue.vector(self.files[path].content_hash)


@pytest.fixture
def indexed(tmp_path: Path, encoder: Encoder) -> Iterator[Indexed]:
    with decoding_pool() as pool:
        made = Indexed(tmp_path, encoder, pool)
        yield made
        made.catalogue.close()


def test_a_folder_is_encoded_with_its_subfolders_and_failures_are_known(indexed: Indexed, encoder) -> None:
    first = indexed.write("a.png", 1)
    for name in ("b/c.PNG", "b/d/e.png", ".hidden.png", ".git/f.png"):
        indexed.write(name, name)
    (indexed.folder / "broken.jpg").write_bytes(b"no picture")
    (indexed.folder / "text.txt").write_bytes(b"text")
    last = indexed.run()
    assert (last.done, last.total, last.encoded, last.failed) == (4, 4, 3, 1)
    assert [type(error) for error in last.errors] == [PictureUnreadable]
    assert indexed.names == ["a.png", "b/c.PNG", "b/d/e.png"]
    assert indexed.catalogue.failures() == {str(indexed.folder / "broken.jpg"): "PictureUnreadable"}
    (expected,) = encoder.encode_images([_pixels(first)])
    np.testing.assert_allclose(indexed.vector(first), expected, atol=1e-3)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BICUBIC))


def test_only_what_has_changed_is_read(indexed: Indexed, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [indexed.write(f"{number}.png", number) for number in range(4)]
    indexed.run()
    read: list[str] = []
    original = indexing.read_bytes
    monkeypatch.setattr(
        indexing, "read_bytes", lambda candidate, limits: read.append(candidate.name) or original(candidate, limits)
    )
    assert indexed.run() == IndexProgress(done=0, total=0)
    before = indexed.vector(paths[1])
    paths[0].rename(indexed.folder / "moved.png")
    paths[1].write_bytes(numbered_picture("another"))
    paths[2].unlink()
    (indexed.folder / "copy.png").write_bytes(numbered_picture(3))
    assert indexed.run() == IndexProgress(done=3, total=3, encoded=1, known=2)
    assert sorted(Path(name).name for name in read) == ["1.png", "copy.png", "moved.png"]
    assert indexed.names == ["1.png", "3.png", "copy.png", "moved.png"]
    assert not np.array_equal(indexed.vector(paths[1]), before)


def test_a_folder_that_cannot_be_listed_keeps_its_pictures(indexed: Indexed, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed.write("a/1.png", 1)
    indexed.write("b/2.png", 2)
    indexed.run()
    original = os.scandir

    def scandir(path: str):
        if Path(path).name == "a":
            raise PermissionError
        return original(path)

    (indexed.folder / "b" / "2.png").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        changes = find_changes([indexed.folder], indexed.catalogue.stamps())
    assert changes.unreadable == [str(indexed.folder / "a")]
    assert [Path(path).name for path in changes.removed] == ["2.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_no_text_is_indexed_as_any_other(indexed: Indexed) -> None:
    path = indexed.write(os.fsdecode(b"caf\xe9 \xe7.png"), 1)
    assert indexed.run().encoded == 1
    assert list(indexed.catalogue.stamps()) == [str(path)]
    assert indexed.run().total == 0
    path.unlink()
    indexed.run()
    assert indexed.names == []


def test_other_folders_are_left_alone(indexed: Indexed) -> None:
    indexed.write("a/1.png", 1)
    indexed.write("ab/2.png", 2)
    indexed.run()
    (indexed.folder / "ab" / "2.png").unlink()
    assert find_changes([indexed.folder / "a"], indexed.catalogue.stamps()).removed == []


def test_a_run_that_is_cut_off_goes_on(indexed: Indexed) -> None:
    for number in range(LEAST + 5):
        indexed.write(f"{number}.png", number)
    stop = Cancellation()
    stop.cancel()
    assert indexed.run(stop) == IndexProgress(done=LEAST, total=LEAST + 5, encoded=LEAST)
    assert indexed.run() == IndexProgress(done=5, total=5, encoded=5)
    assert len(indexed.names) == LEAST + 5


class NarrowEncoder:
    """Has memory for so many pictures at once."""

    def __init__(self, encoder: Encoder, most: int) -> None:
        self.info, self._encoder, self._most = encoder.info, encoder, most
        self.sizes: list[int] = []

    def encode_images(self, batch: list[np.ndarray]) -> np.ndarray:
        if len(batch) > self._most:
            raise torch.OutOfMemoryError
        self.sizes.append(len(batch))
        return self._encoder.encode_images(batch)


@pytest.mark.parametrize("most", [1, 3])
def test_batches_that_need_too_much_memory_are_halved(indexed: Indexed, encoder: Encoder, most: int) -> None:
    for number in range(20):
        indexed.write(f"{number}.png", number)
    narrow = NarrowEncoder(encoder, most)
    assert indexed.run(encoder=narrow) == IndexProgress(done=20, total=20, encoded=20)
    assert (sum(narrow.sizes), max(narrow.sizes)) == (20, most if most == 1 else 2)
    (vector,) = encoder.encode_images([_pixels(indexed.folder / "7.png")])
    np.testing.assert_allclose(indexed.vector(indexed.folder / "7.png"), vector, atol=1e-3)


class LastFirst:
    """Encodes on three devices: whenever all work, the batch that was started last is finished first."""

    in_flight = 3

    def __init__(self, encoder: Encoder, most: int = 1000) -> None:
        self._encoder, self._most = encoder, most
        self._started: list[tuple[Future, list[np.ndarray]]] = []

    def submit(self, pixels: list[np.ndarray]) -> Future:
        future = Future()
        self._started.append((future, pixels))
        threading.Timer(0, self._finish).start()
        return future

    def _finish(self) -> None:
        future, pixels = self._started.pop()
        if len(pixels) > self._most:
            future.set_exception(torch.OutOfMemoryError())
        else:
            future.set_result(self._encoder.encode_images(pixels))


@pytest.mark.parametrize("most", [1000, 3])
def test_batches_on_several_devices_are_entered_as_they_come(indexed: Indexed, encoder: Encoder, most: int) -> None:
    for number in range(6 * LEAST):
        indexed.write(f"{number}.png", number % (5 * LEAST))
    last = indexed.run(encoding=LastFirst(encoder, most))
    assert (last.done, last.failed, last.encoded + last.known) == (6 * LEAST, 0, 6 * LEAST)
    assert len(indexed.names) == 6 * LEAST
    for number in (0, 3 * LEAST, 5 * LEAST + 1):
        (vector,) = encoder.encode_images([_pixels(indexed.folder / f"{number}.png")])
        np.testing.assert_allclose(indexed.vector(indexed.folder / f"{number}.png"), vector, atol=1e-3)


def test_what_devices_work_on_is_kept_when_a_run_is_stopped(indexed: Indexed, encoder: Encoder) -> None:
    for number in range(5 * LEAST):
        indexed.write(f"{number}.png", number)
    stop = Cancellation()
    stop.cancel()
    last = indexed.run(stop, encoding=LastFirst(encoder))
    assert 0 < last.encoded == last.done < 5 * LEAST
    assert len(indexed.names) == last.done
    assert indexed.run().encoded == 5 * LEAST - last.done


def test_an_error_that_is_not_of_memory_is_raised(indexed: Indexed, encoder: Encoder) -> None:
    indexed.write("1.png", 1)
    with pytest.raises(torch.OutOfMemoryError):
        indexed.run(encoder=NarrowEncoder(encoder, 0))
    assert indexed.run().encoded == 1


def test_facts_of_pictures_are_entered(indexed: Indexed) -> None:
    path = indexed.write("a.jpg", 1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # turned by a quarter
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2023:05:01 10:22:33"
    Image.new("RGB", (600, 400), "red").save(path, exif=exif)
    other = indexed.write("b.png", 2)
    os.utime(other, (1e9, 1e9))
    indexed.run()
    found = indexed.files[path]
    assert (found.format, found.size_px, found.date) == ("JPEG", (400, 600), "2023-05-01T10:22:33")
    assert found.byte_count == path.stat().st_size
    assert indexed.files[other].date == datetime.fromtimestamp(1e9).isoformat()


def test_what_could_not_be_read_for_a_passing_reason_is_tried_again(indexed: Indexed, monkeypatch) -> None:
    indexed.write("a.png", 1)

    def refuse(candidate, limits):
        raise PictureUnreadable(name=candidate.name, reason="no access")

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "read_bytes", refuse)
        assert indexed.run().failed == 1
    assert indexed.catalogue.counts().failed == 1
    assert indexed.run() == IndexProgress(done=1, total=1, encoded=1)
    assert indexed.run().total == 0
