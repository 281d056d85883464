"""Folders of the server that are offered by name."""

import os
from pathlib import Path

import pytest

from reranker.core.errors import PictureForbidden
from reranker.ui.galleries import Galleries
from reranker.ui.uploads import Uploads


def test_a_gallery_of_the_server_is_read_and_never_left(upload_folder, tmp_path):
    gallery, outside = tmp_path / "名画", tmp_path / "secret"
    for folder in (gallery / "more", outside):
        folder.mkdir(parents=True)
    for path in (gallery / "2.png", gallery / "10.png", gallery / "more" / "1.png", outside / "s.png"):
        path.write_text("1")
    (gallery / "notes.txt").write_text("no picture")
    (gallery / ".hidden.png").write_text("1")
    (gallery / f"{'x' * 250}.png").write_text("1")
    Path(os.fsdecode(bytes(gallery) + b"/\xff.png")).write_text("1")
    (gallery / "link.png").symlink_to(outside / "s.png")
    (gallery / "1.png").symlink_to(gallery / "2.png")
    uploads, galleries = Uploads(upload_folder), Galleries([gallery])
    assert galleries.names == ["名画"]
    found = galleries.pictures("名画", 10)
    assert [path.relative_to(gallery).as_posix() for path in found] == ["2.png", "10.png", "more/1.png"]
    assert galleries.pictures("名画", 2) == found[:2]
    assert galleries.pictures("secret", 10) == []
    for path in (*found, gallery / "link.png", outside / "s.png"):
        with pytest.raises(PictureForbidden):  # programs rank uploads alone
            uploads.resolve(str(path))
