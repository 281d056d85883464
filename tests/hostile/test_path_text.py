"""Where a path leads is decided by its text; a path that leads elsewhere is never looked up."""

import ntpath
import os
import posixpath

import pytest

from reranker.ui.path_text import parts_inside
from reranker.ui.uploads import Uploads
from tests.support.visitor import ELSEWHERE

UPLOADS = r"C:\Users\Me\AppData\Local\Temp\reranker-x\files"
ELSEWHERE_ON_WINDOWS = [
    r"\\host\share\a.png",
    "//host/share/a.png",
    r"\/host/share/a.png",
    r"\\?\UNC\host\share\a.png",
    "//?/UNC/host/share/a.png",
    r"\\.\UNC\host\share\a.png",
    r"\\?\C:\Users\Me\AppData\Local\Temp\reranker-x\files\a.png",
    r"\\.\C:\Users\Me\AppData\Local\Temp\reranker-x\files\a.png",
    r"\\.\PhysicalDrive0",
    r"\\.\pipe\x",
    r"\??\C:\a.png",
    r"\\localhost\C$\Users\Me\AppData\Local\Temp\reranker-x\files\a.png",
    "C:a.png",
    "C:",
    "D:a.png",
    r"\Users\Me\AppData\Local\Temp\reranker-x\files\a.png",
    r"Users\Me\AppData\Local\Temp\reranker-x\files\a.png",
    r"D:\Users\Me\AppData\Local\Temp\reranker-x\files\a.png",
    UPLOADS,
    UPLOADS + "\\",
    UPLOADS + r"\.",
    UPLOADS + r"\..\a.png",
    UPLOADS + r"\a\..\..\a.png",
    UPLOADS + "/../../../a.png",
    UPLOADS + r"2\a.png",
    UPLOADS + r" \a.png",
    UPLOADS + r"\..\..\\host\share\a.png",
    UPLOADS + r"\.. \a.png",
    UPLOADS + r"\... \a.png",
    UPLOADS + r"\a.png ",
    UPLOADS + r"\a.png.",
    UPLOADS + r"\a.png:stream",
    UPLOADS + r"\C:\a.png",
    UPLOADS + r"\NUL",
    UPLOADS + r"\con.png",
    UPLOADS + r"\aux .png",
    UPLOADS + r"\COM1\a.png",
    UPLOADS + r"\lpt¹.png",
    UPLOADS + r"\CONOUT$",
    "http://host/a.png",
    "file://host/share/a.png",
    "data:image/png;base64,AAAA",
    "",
    "\0",
]


@pytest.mark.parametrize("text", ELSEWHERE_ON_WINDOWS, ids=repr)
def test_nothing_leads_elsewhere_on_windows(text):
    assert parts_inside(text, UPLOADS, ntpath) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (UPLOADS + r"\f00d\a.png", ("f00d", "a.png")),
        (UPLOADS + r"\f00d\..\f00d\.\a.png", ("f00d", "a.png")),
        (UPLOADS.replace("\\", "/") + "/f00d/a.png", ("f00d", "a.png")),
        (UPLOADS.upper() + r"\F00D\红.png", ("F00D", "红.png")),
        (UPLOADS + r"\console.png", ("console.png",)),
        (UPLOADS + r"\com10.png", ("com10.png",)),
    ],
)
def test_what_lies_inside_is_found_on_windows(text, parts):
    assert parts_inside(text, UPLOADS, ntpath) == parts


def test_a_share_may_be_the_folder_itself():
    assert parts_inside(r"\\host\share\files\a.png", r"\\host\share\files", ntpath) == ("a.png",)
    assert parts_inside(r"\\other\share\files\a.png", r"\\host\share\files", ntpath) is None


@pytest.mark.parametrize(
    "text", ["/tmp/x", "/tmp/x/", "/tmp/x/..", "/tmp/xy/a", "//tmp/x/a", "tmp/x/a", "/tmp/x/../a", "/TMP/x/a", ""]
)
def test_nothing_leads_elsewhere_on_posix(text):
    assert parts_inside(text, "/tmp/x", posixpath) is None


def test_names_of_windows_are_names_on_posix():
    assert parts_inside("/tmp/x/./b/../nul/a:b.", "/tmp/x", posixpath) == ("nul", "a:b.")


@pytest.fixture
def looked_up(monkeypatch) -> list[str]:
    """The paths that the file system is asked about."""
    paths: list[str] = []

    def recorded(call):
        def record(path, *args, **options):
            paths.append(str(path))
            return call(path, *args, **options)

        return record

    for name in ("stat", "lstat", "readlink", "open", "scandir"):
        monkeypatch.setattr(os, name, recorded(getattr(os, name)))
    return paths


def test_the_file_system_is_asked_about_allowed_paths_alone(upload_folder, looked_up):
    (upload_folder / "a.png").write_bytes(b"1")
    uploads = Uploads(upload_folder)
    looked_up.clear()
    outside = ["/net/host/a.png", f"{upload_folder}/../a.png", f"{upload_folder}2/a.png", f"/{upload_folder}/a.png"]
    for text in [*ELSEWHERE, *ELSEWHERE_ON_WINDOWS, *outside]:
        assert not uploads.is_allowed(text)
    assert looked_up == []
    assert uploads.is_allowed(str(upload_folder / "a.png"))
    assert looked_up != []


def test_a_folder_under_a_link_is_known_by_both_names(tmp_path):
    folder, link = tmp_path / "uploads", tmp_path / "link"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    link.symlink_to(folder, target_is_directory=True)
    uploads = Uploads(link)
    for path in (folder, link):
        assert uploads.resolve(str(path / "a.png")) == folder / "a.png"
