"""How much the files of all visitors may take: a limit on the upload folder, and space of the disk that stays free."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

from reranker.core.errors import UploadsFull

RESERVE_BYTES: Final = 1_000_000_000  # of the disk that stay free
RESERVE_SHARE: Final = 0.1  # instead, of a small disk
BLOCK_BYTES: Final = 4096
MEASURE_INTERVAL_S: Final = 30.0  # as what others write into the folder was not reserved
RETRY_INTERVAL_S: Final = 1.0  # while the folder is full, so that refused uploads cost little


@cache
def shared_quota(folder: Path, max_bytes: int) -> "UploadQuota":
    """Return the one quota of a folder, as those who write into it must know of each other."""
    return UploadQuota(folder, max_bytes)


class UploadQuota:
    """The bytes in an upload folder, and those that are about to arrive. Thread-safe.

    Everything in the folder counts, whoever has written it: uploads, thumbnails, downloads and copies. The folder is
    measured when the last measurement is old or leaves no room; in between, arriving bytes are added to it.

    clock: seconds that never run backwards. block_bytes: of the disk; no file and no folder takes less.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._folder, self._max_bytes, self._clock, self._block_bytes = folder, max_bytes, clock, block_bytes
        self._lock, self._measuring = Lock(), Lock()
        self._stored_bytes = self._awaited_bytes = self._arrived_bytes = 0
        self._measured_at = -float("inf")

    @contextmanager
    def reserve(self, byte_count: int = 0) -> Iterator["Reservation"]:
        """Reserve room for bytes that are about to be written. Raises `UploadsFull`.

        byte_count: as many as are announced; 0 if that is unknown.
        """
        reservation = Reservation(self, byte_count)
        try:
            yield reservation
        finally:
            reservation.close()

    def await_bytes(self, byte_count: int) -> None:
        """Count bytes as about to arrive. Raises `UploadsFull`."""
        self._measure_if_due(byte_count)
        with self._lock:
            if not self._has_room(byte_count):
                raise UploadsFull
            self._awaited_bytes += byte_count

    def arrive(self, byte_count: int) -> None:
        """Count awaited bytes as stored."""
        with self._lock:
            self._awaited_bytes -= byte_count
            self._stored_bytes += byte_count
            self._arrived_bytes += byte_count

    def release(self, byte_count: int) -> None:
        """Do not wait for awaited bytes any longer."""
        with self._lock:
            self._awaited_bytes -= byte_count

    def _measure_if_due(self, byte_count: int) -> None:
        """Measure the folder, without holding up those whose bytes arrive meanwhile."""
        with self._measuring:
            age_s = self._clock() - self._measured_at
            if age_s >= MEASURE_INTERVAL_S or (age_s >= RETRY_INTERVAL_S and not self._has_room(byte_count)):
                self._folder.mkdir(parents=True, exist_ok=True)
                arrived_before = self._arrived_bytes
                measured_bytes = used_bytes(self._folder, self._block_bytes)
                with self._lock:
                    self._stored_bytes = measured_bytes + self._arrived_bytes - arrived_before
                self._measured_at = self._clock()

    def _has_room(self, byte_count: int) -> bool:
        awaited_bytes = self._awaited_bytes + byte_count
        return self._stored_bytes + awaited_bytes <= self._max_bytes and awaited_bytes <= _spare_bytes(self._folder)


class Reservation:
    """Room for one upload, which is written while its bytes arrive. Not thread-safe."""

    def __init__(self, quota: UploadQuota, byte_count: int) -> None:
        self._quota, self._awaited_bytes = quota, byte_count
        quota.await_bytes(byte_count)

    def count(self, byte_count: int) -> None:
        """Count bytes that have arrived and are about to be written. Raises `UploadsFull` if there is no room.

        More than were announced are reserved first.
        """
        missing_bytes = byte_count - self._awaited_bytes
        if missing_bytes > 0:
            self._quota.await_bytes(missing_bytes)
            self._awaited_bytes += missing_bytes
        self._quota.arrive(byte_count)
        self._awaited_bytes -= byte_count

    def close(self) -> None:
        """Give back what has not arrived."""
        self._quota.release(self._awaited_bytes)
        self._awaited_bytes = 0


def used_bytes(folder: Path, block_bytes: int = BLOCK_BYTES) -> int:
    """Return the size of all files in a folder and its subfolders; links are not followed.

    A small file and a folder count as a block of the disk.
    """
    total = 0
    for entry in list_entries(folder):
        if entry.is_dir(follow_symlinks=False):
            total += block_bytes + used_bytes(Path(entry.path), block_bytes)
        elif entry.is_file(follow_symlinks=False):
            with suppress(OSError):  # deleted meanwhile
                total += max(block_bytes, entry.stat(follow_symlinks=False).st_size)
    return total


def list_entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return the entries of a folder; none if it was deleted or is none."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _spare_bytes(folder: Path) -> float:
    """Return the free space of the disk beyond the reserve. Raises `OSError`."""
    disk = shutil.disk_usage(folder)
    return disk.free - min(RESERVE_BYTES, RESERVE_SHARE * disk.total)
