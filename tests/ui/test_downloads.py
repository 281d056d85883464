"""Files for download are deleted when they are old."""

import os
from pathlib import Path

from reranker.images.limits import Limits
from reranker.ui.downloads import Downloads
from tests.support.rankings import ranking


def test_old_downloads_are_deleted(tmp_path: Path) -> None:
    downloads = Downloads(folder=tmp_path, limits=Limits())
    first, second = (downloads.write(ranking(), "csv", {}, 1, "en") for _ in range(2))
    assert first.exists()
    os.utime(first.parent, (0, 0))
    downloads.write(ranking(), "csv", {}, 1, "en")
    assert (first.exists(), second.exists()) == (False, True)
