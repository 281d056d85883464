"""Which files the page opens."""

import pytest

from reranker.core.errors import PictureForbidden, PictureMissing
from reranker.ui.uploads import Uploads
from tests.support.visitor import ELSEWHERE


@pytest.fixture
def uploads(upload_folder) -> Uploads:
    (upload_folder / "f00d").mkdir()
    (upload_folder / "f00d" / "a.png").write_bytes(b"1")
    return Uploads(upload_folder)


def test_an_uploaded_file_comes_in_however_it_is_sent(uploads):
    path = uploads.folder / "f00d" / "a.png"
    for item in (str(path), {"path": str(path)}, {"image": {"path": str(path)}}, {"video": {"path": str(path)}}):
        assert uploads.resolve(item) == path


@pytest.mark.parametrize("text", ELSEWHERE, ids=lambda text: text[:30] or "empty")
def test_nothing_from_elsewhere_comes_in(uploads, text):
    with pytest.raises(PictureForbidden):
        uploads.resolve(text)
    assert not uploads.is_allowed({"path": text})


@pytest.mark.parametrize("item", [None, 7, [], {}, {"image": None}, {"path": 3}, {"url": "http://127.0.0.1/"}], ids=str)
def test_what_is_no_file_does_not_come_in(uploads, item):
    assert not uploads.is_allowed(item)


def test_ways_out_of_the_folder_are_closed(uploads, tmp_path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"1")
    (uploads.folder / "link.png").symlink_to(outside)
    (uploads.folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    (uploads.folder / "loop").symlink_to(uploads.folder / "loop")
    ways = ("link.png", "linked/outside.png", "../outside.png", "f00d/../../outside.png", "loop", "loop/a.png")
    dead_ends = ("", ".", "f00d", "a" * 5000, "a\0.png", "\ud800.png")
    for path in (*ways, *dead_ends):
        with pytest.raises(PictureForbidden):
            uploads.resolve(f"{uploads.folder}/{path}")
    assert uploads.resolve(str(uploads.folder / "f00d" / ".." / "f00d" / "a.png")).name == "a.png"


def test_what_was_deleted_is_missing_and_not_forbidden(uploads):
    with pytest.raises(PictureMissing):
        uploads.resolve(str(uploads.folder / "f00d" / "b.png"))


def test_a_long_address_is_not_repeated_whole(uploads):
    (refused,) = uploads.check([f"data:image/png;base64,{'A' * 10_000}"]).refused
    assert len(refused.candidate.name) < 100


def test_who_may_not_come_in_costs_only_itself(uploads):
    good = str(uploads.folder / "f00d" / "a.png")
    admission = uploads.check(["/etc/passwd", good, {"path": "http://127.0.0.1/"}, good])
    assert admission.positions == (1, 3)
    assert [candidate.name for candidate in admission.candidates] == ["a.png", "a.png"]
    assert [refusal.position for refusal in admission.refused] == [0, 2]
    assert admission.total == 4
