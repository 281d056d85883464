"""Remove what nobody needs any more from the upload folder of Gradio: aborted and old uploads, old downloads."""

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from reranker.ui.upload_quota import list_entries
from reranker.ui.uploads import Uploads

SWEEP_INTERVAL_S: Final = 600.0
_HOUR_S: Final = 3_600.0
# What Gradio and this program write into the folder, and how old it gets. Everything else is not ours: people can name
# a folder of their own for uploads. Gradio writes an upload into a file `tmp…` and moves it into a folder that is named
# by its hash once it is complete.
_MAX_AGES_S: Final[dict[re.Pattern[str], float]] = {
    re.compile(r"tmp[a-z0-9_]{8}"): _HOUR_S,
    re.compile(r"deep_links"): _HOUR_S,
    re.compile(r"downloads"): 600.0,  # browsers fetch a file at once
    re.compile(r"thumbnails|[0-9a-f]{64}"): 24 * _HOUR_S,
}


class UploadSweeper:
    """Removes old files and empty folders. Thread-safe; links are not followed."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._lock, self._due_at = Lock(), 0.0

    def sweep_if_due(self) -> None:
        """Sweep unless that was done a short time ago."""
        with self._lock:
            is_due = time.monotonic() >= self._due_at
            if is_due:
                self._due_at = time.monotonic() + SWEEP_INTERVAL_S
        if is_due:
            self.sweep(time.time())

    def sweep(self, now_s: float) -> None:
        """Remove what is old at this time, in seconds since 1970. What cannot be removed stays."""
        for entry in list_entries(self._uploads.folder):
            for name, max_age_s in _MAX_AGES_S.items():
                if name.fullmatch(entry.name):
                    _remove_older(entry, now_s - max_age_s)


def _remove_older(entry: "os.DirEntry[str]", oldest_s: float) -> None:
    """Remove an old file or link, or what is old in a folder, and the folder itself if it is old and empty."""
    with suppress(OSError):  # it is used, or another thread has removed it
        status = entry.stat(follow_symlinks=False)
        is_old = max(status.st_mtime, status.st_ctime) < oldest_s  # copies have the time of their original
        if entry.is_dir(follow_symlinks=False):
            for inner in list_entries(Path(entry.path)):
                _remove_older(inner, oldest_s)
            if is_old:
                Path(entry.path).rmdir()
        elif is_old:
            Path(entry.path).unlink()
