"""Files that are written whole or not at all."""

import secrets
import shutil
from pathlib import Path


def write_whole(data: bytes, path: Path) -> None:
    """Beside its place first, then moved there, so that nobody ever reads half a file. Raises `OSError`.

    A link to a file elsewhere stays one; a pipe or a device is written to, never replaced.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = path.resolve()
    beside = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        beside.write_bytes(data)
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
