"""Which files the page opens, and the guard in front of Gradio."""

import json

import pytest

from reranker.core.errors import PictureForbidden, PictureMissing
from reranker.ui.uploads import MAX_BODY_BYTES, UploadGuard, Uploads
from tests.support.event_loop import run_async
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
    (uploads.folder / "thumbnails").mkdir()
    ways = ("link.png", "linked/outside.png", "../outside.png", "f00d/../../outside.png", "loop", "loop/a.png")
    dead_ends = ("", ".", "f00d", "thumbnails", "thumbnails/f00d", "a" * 5000, "a\0.png", "\ud800.png")
    for path in (*ways, *dead_ends):
        with pytest.raises(PictureForbidden):
            uploads.resolve(f"{uploads.folder}/{path}")
    with pytest.raises(PictureForbidden):
        uploads.resolve(str(uploads.thumbnails / ".." / ".." / "outside.png.jpg"))
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


def passed(uploads: Uploads, body: bytes, path: str = "/gradio_api/queue/join", parts: int = 1) -> bytes | int:
    """What of a request reaches Gradio, or the status that it is refused with."""
    size = len(body) // parts + 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    incoming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    incoming[-1]["more_body"] = False
    arrived, statuses = [], []

    async def receive():
        return incoming.pop(0)

    async def send(message):
        statuses.append(message.get("status"))

    async def gradio(_scope, receive, _send):
        arrived.append((await receive())["body"])

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    run_async(UploadGuard(gradio, uploads), scope, receive, send)
    return arrived[0] if arrived else statuses[0]


def marked(path: object) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_the_gate_lets_uploaded_files_pass(uploads):
    content = {"data": ["红裙子", [{"image": marked(str(uploads.folder / "f00d" / "a.png")), "caption": None}], None]}
    assert json.loads(passed(uploads, json.dumps(content).encode(), parts=5)) == content


@pytest.mark.parametrize("text", ELSEWHERE, ids=lambda text: text[:30] or "empty")
def test_the_gate_takes_the_mark_off_files_from_elsewhere(uploads, text):
    body = json.dumps({"data": [marked(text), [{"image": marked(text)}]]}).encode()
    assert b"meta" not in passed(uploads, body)


def test_the_gate_is_not_deceived_by_a_key_that_is_there_twice(uploads):
    good = json.dumps(str(uploads.folder / "f00d" / "a.png"))
    body = f'{{"path": "/etc/passwd", "path": {good}, "meta": {{"_type": "gradio.FileData"}}}}'
    assert b"passwd" not in passed(uploads, body.encode())


@pytest.mark.parametrize("body", [b"", b"not json", b"[" * 100_000])
def test_the_gate_leaves_alone_what_is_not_json(uploads, body):
    assert passed(uploads, body) == body


def test_the_gate_does_not_read_without_end(uploads):
    assert passed(uploads, b" " * (MAX_BODY_BYTES + 1), parts=4) == 413


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.png",
        "/gradio_api/file= https://example.org/a.png",
        "/gradio_api/file=data:,a",
        "/gradio_api/file/http://example.org/a.png",
        "/rank/gradio_api/proxy=https://example.org/a.png",
    ],
)
def test_the_gate_fetches_nothing_for_anybody(uploads, path):
    assert passed(uploads, b"{}", path=path) == 403


@pytest.mark.parametrize("path", ["/gradio_api/file=/tmp/file/a.png", "/gradio_api/file=C:/a.png", "/assets/file/a.js"])
def test_the_gate_is_open_for_what_is_here(uploads, path):
    assert passed(uploads, b"{}", path=path) == b"{}"
