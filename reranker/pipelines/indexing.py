"""Bring a library up to date with folders: read what is new or changed, encode it, and forget what is gone.

Files that have not changed are not opened. Work that was done is kept whenever it is cut off.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from reranker.core.cancellation import Cancellation
from reranker.core.errors import PictureError, can_retry
from reranker.core.types import Candidate
from reranker.images.capture_data import capture_data
from reranker.images.decoding_pool import DecodingPool
from reranker.images.formats import ImageFormat, detect_format, is_picture
from reranker.images.hashing import content_hash
from reranker.images.limits import Limits
from reranker.images.reading import read_bytes
from reranker.pipelines.batch_size import BatchSize
from reranker.pipelines.read_ahead import read_ahead
from reranker.storage.catalogue import NEVER_READ, Catalogue, CataloguedPicture, Content, FileStamp

if TYPE_CHECKING:
    from reranker.models.dual_encoders.encoder import Encoder

READ_AHEAD: Final = 128  # pictures that are read and decoded ahead of the encoder
THREADS: Final = 4


@dataclass(frozen=True, kw_only=True)
class FolderChanges:
    """How folders differ from a catalogue. changed: stamps of new and changed files by path. removed: paths.

    unreadable: folders that could not be listed.
    """

    changed: Mapping[str, FileStamp]
    removed: Sequence[str]
    unchanged_count: int
    unreadable: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class IndexProgress:
    """How far a run is. encoded: pictures with a new vector; known: with a vector that was there; failed: with none.

    errors: of the pictures that have failed since the last progress.
    """

    done: int
    total: int
    encoded: int = 0
    known: int = 0
    failed: int = 0
    errors: tuple[PictureError, ...] = ()


def find_changes(folders: Iterable[Path], known: Mapping[str, FileStamp]) -> FolderChanges:
    """Compare folders, with their subfolders but without hidden ones, with what is known of files.

    Files outside the folders are left alone. A folder that cannot be listed keeps what is known of it.
    """
    roots = [folder.resolve() for folder in folders]
    unreadable: list[str] = []
    found = {path: stamp for root in roots for path, stamp in _pictures_in(root, unreadable)}
    changed = {path: stamp for path, stamp in found.items() if known.get(path) != stamp}
    prefixes = tuple(f"{root}{os.sep}" for root in roots)
    kept = tuple(f"{folder}{os.sep}" for folder in unreadable)
    removed = [path for path in known if path not in found and path.startswith(prefixes) and not path.startswith(kept)]
    return FolderChanges(
        changed=changed, removed=removed, unchanged_count=len(found) - len(changed), unreadable=unreadable
    )


def _pictures_in(folder: Path, unreadable: list[str]) -> Iterator[tuple[str, FileStamp]]:
    waiting = [os.fspath(folder)]
    while waiting:
        current = waiting.pop()
        try:
            entries = list(os.scandir(current))
        except OSError:
            unreadable.append(current)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif is_picture(entry.name) and entry.is_file():
                    status = entry.stat()
                    yield (
                        entry.path,
                        FileStamp(size=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino),
                    )
            except OSError:  # it was deleted meanwhile
                continue


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A file that was read. pixels: None if its content is known, or it failed. taken: as in `CaptureData`."""

    path: str
    content_hash: str | None = None
    pixels: NDArray[np.uint8] | None = None
    format: ImageFormat | None = None
    size_px: tuple[int, int] = (0, 0)
    taken: str | None = None
    error: PictureError | None = None

    def entry(self, stamp: FileStamp) -> CataloguedPicture:
        """Return what is entered for the file. One that could not be read for a passing reason is read again."""
        error = self.error
        return CataloguedPicture(
            path=self.path,
            stamp=stamp if error is None or not can_retry(error) else NEVER_READ,
            content_hash=self.content_hash,
            error=None if error is None else type(error).__name__,
        )

    def content(self, vector: NDArray[np.float32]) -> Content:
        """Return what is entered for the bytes of the file."""
        return Content(vector=vector, format=self.format, size_px=self.size_px, taken=self.taken)


class PictureEncoding(Protocol):
    """Encodes batches of pictures, here or on workers."""

    @property
    def in_flight(self) -> int:
        """The number of batches that may be started before the first of them is finished, at least 1."""

    def submit(self, pixels: Sequence[NDArray[np.uint8]]) -> "Future[NDArray[np.float32]]":
        """Start `Encoder.encode_images`."""


class EncodingHere:
    """A `PictureEncoding` that encodes each batch at once, in the thread that submits it."""

    in_flight: Final = 1

    def __init__(self, encoder: "Encoder") -> None:
        self._encoder = encoder

    def submit(self, pixels: Sequence[NDArray[np.uint8]]) -> "Future[NDArray[np.float32]]":
        """Encode pictures."""
        done: Future[NDArray[np.float32]] = Future()
        try:
            done.set_result(self._encoder.encode_images(pixels))
        except Exception as error:
            done.set_exception(error)
        return done


@dataclass(frozen=True, kw_only=True)
class _Started:
    """A batch of files. new: those with new contents, by their hashes. started_s: when the encoder was given them."""

    files: Sequence[_Read]
    new: Mapping[str, _Read]
    started_s: float


class Indexer:
    """Encodes the files of folders into a catalogue.

    image_px: of the encoder. encoding: does the work of the encoder. pool: decodes pictures.
    """

    def __init__(
        self, catalogue: Catalogue, image_px: int, encoding: PictureEncoding, limits: Limits, pool: DecodingPool
    ) -> None:
        self._catalogue, self._image_px, self._encoding = catalogue, image_px, encoding
        self._limits, self._pool = limits, pool
        self._batch_size = BatchSize()
        self._in_flight: dict[Future[NDArray[np.float32]], _Started] = {}

    def run(self, changes: FolderChanges, cancellation: Cancellation | None = None) -> Iterator[IndexProgress]:
        """Carry out changes. Yields after each batch, which is on the disk by then.

        Raises `OSError` and `sqlite3.Error`, such as on a full disk; what was yielded is kept.
        """
        self._catalogue.remove(changes.removed)
        progress = IndexProgress(done=0, total=len(changes.changed))
        yield progress
        with ThreadPoolExecutor(THREADS) as threads:
            for batch in self._in_batches(read_ahead(threads, self._read, changes.changed, READ_AHEAD)):
                self._start(batch)
                for done in self._finished(self._encoding.in_flight - 1):
                    progress = self._enter(done, changes.changed, progress)
                    yield progress
                if cancellation is not None and cancellation.cancelled:
                    break
            for done in self._finished(0):
                progress = self._enter(done, changes.changed, progress)
                yield progress

    def _start(self, files: Sequence[_Read]) -> None:
        new = {each.content_hash: each for each in files if each.content_hash and each.pixels is not None}
        started = _Started(files=files, new=new, started_s=perf_counter())
        self._in_flight[self._submitted(_pixels_of(new))] = started

    def _submitted(self, pixels: Sequence[NDArray[np.uint8]]) -> "Future[NDArray[np.float32]]":
        if pixels:
            return self._encoding.submit(pixels)
        nothing: Future[NDArray[np.float32]] = Future()
        nothing.set_result(np.empty((0, 0), np.float32))
        return nothing

    def _finished(self, left: int) -> "Iterator[Future[NDArray[np.float32]]]":
        """Yield batches that are done, as they come: those that are, and more until `left` are in flight."""
        while len(self._in_flight) > left:
            yield from wait(self._in_flight, return_when=FIRST_COMPLETED).done
        yield from [each for each in self._in_flight if each.done()]

    def _read(self, path: str) -> _Read:
        try:
            data = read_bytes(Candidate.of(path), self._limits)
            digest = content_hash(data)
            if self._catalogue.has_vector(digest):
                return _Read(path=path, content_hash=digest)
            pixels, size_px = self._pool.square(data, path, self._limits, self._image_px)
            return _Read(
                path=path,
                content_hash=digest,
                pixels=pixels,
                format=detect_format(data),
                size_px=size_px,
                taken=capture_data(data, path).taken,
            )
        except PictureError as error:
            return _Read(path=path, error=error)

    def _enter(
        self, done: "Future[NDArray[np.float32]]", stamps: Mapping[str, FileStamp], progress: IndexProgress
    ) -> IndexProgress:
        """Put the files of a batch into the catalogue. Raises what the encoder did."""
        started = self._in_flight.pop(done)
        batch, new = started.files, started.new
        vectors = self._vectors(done, started)
        contents = {digest: each.content(vector) for (digest, each), vector in zip(new.items(), vectors, strict=True)}
        self._catalogue.put([each.entry(stamps[each.path]) for each in batch], contents)
        errors = tuple(each.error for each in batch if each.error is not None)
        failed = len(errors)
        return IndexProgress(
            done=progress.done + len(batch),
            total=progress.total,
            encoded=progress.encoded + len(new),
            known=progress.known + len(batch) - failed - len(new),
            failed=progress.failed + failed,
            errors=errors,
        )

    def _vectors(self, done: "Future[NDArray[np.float32]]", started: _Started) -> Sequence[NDArray[np.float32]]:
        """Return the vectors of a batch; encoded again in two halves if it needs too much memory."""
        pixels = _pixels_of(started.new)
        try:
            vectors = list(done.result())
        except Exception as error:
            if not self._can_halve(pixels, error):
                raise
        else:
            self._batch_size.measured(len(pixels), perf_counter() - started.started_s)
            return vectors
        return self._in_halves(pixels)  # outside the handler, so that what it held is free

    def _in_halves(self, pixels: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
        self._batch_size.exceeded(len(pixels))
        half = len(pixels) // 2
        return [vector for part in (pixels[:half], pixels[half:]) for vector in self._encoded(part)]

    def _encoded(self, pixels: Sequence[NDArray[np.uint8]]) -> Sequence[NDArray[np.float32]]:
        try:
            return list(self._encoding.submit(pixels).result())
        except Exception as error:
            if not self._can_halve(pixels, error):
                raise
        return self._in_halves(pixels)

    @staticmethod
    def _can_halve(pixels: Sequence[NDArray[np.uint8]], error: Exception) -> bool:
        from reranker.models.memory_plan import is_out_of_memory  # noqa: PLC0415 - torch is slow to import

        return len(pixels) > 1 and is_out_of_memory(error)

    def _in_batches(self, files: Iterable[_Read]) -> Iterator[list[_Read]]:
        batch: list[_Read] = []
        for file in files:
            batch.append(file)
            if len(batch) >= self._batch_size.size:
                yield batch
                batch = []
        if batch:
            yield batch


def _pixels_of(files: Mapping[str, _Read]) -> list[NDArray[np.uint8]]:
    return [each.pixels for each in files.values() if each.pixels is not None]
