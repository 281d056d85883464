"""Write a file completely or not at all."""

import secrets
import shutil
from pathlib import Path


def write_atomically(data: bytes, path: Path) -> None:
    """Write a temporary file in the same folder, then move it to `path`, so that nobody reads half a file.

    A symbolic link is kept; the file that it points to is replaced. An existing file keeps its permissions. A pipe or
    a device is written to directly. Raises `OSError`.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = path.resolve()
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        temporary.write_bytes(data)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
