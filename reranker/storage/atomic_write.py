"""Write a file, or a line at the end of one, completely or not at all."""

import os
import secrets
import shutil
from io import FileIO
from pathlib import Path


def write_atomically(data: bytes, path: Path, *, durable: bool = False) -> None:
    """Write a temporary file in the same folder, then move it to `path`, so that nobody reads half a file.

    A symbolic link is kept; the file that it points to is replaced. An existing file keeps its permissions. A pipe or
    a device is written to directly. Raises `OSError`.

    durable: also survive a power cut, which takes as long as the disk needs.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = path.resolve()
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        temporary.write_bytes(data)
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def append_line(line: bytes, path: Path) -> None:
    """Append a line, and wait until it is on the disk. Raises `OSError`, and the file is then as it was.

    line: with its line break. A last line without a line break gets one first.
    """
    with path.open("ab+", buffering=0) as file:
        former_bytes = file.seek(0, os.SEEK_END)
        try:
            _write_all(line if _ends_a_line(file, former_bytes) else b"\n" + line, file)
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(former_bytes)
            raise


def _ends_a_line(file: FileIO, size_bytes: int) -> bool:
    """Return whether the next line can follow at once."""
    if size_bytes == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _write_all(data: bytes, file: FileIO) -> None:
    """Write without a buffer, which would write again what is truncated. A nearly full disk takes a part."""
    while data:
        data = data[file.write(data) :]
