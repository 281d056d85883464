"""What of a request reaches Gradio."""

import json
from types import SimpleNamespace

import pytest

from reranker import Settings
from reranker.ui.gradio_gate import MAX_BODY_MB, GradioGate
from reranker.ui.uploads import Uploads
from tests.support.event_loop import run_async
from tests.support.visitor import ELSEWHERE


@pytest.fixture
def uploads(upload_folder) -> Uploads:
    (upload_folder / "f00d").mkdir()
    (upload_folder / "f00d" / "a.png").write_bytes(b"1")
    return Uploads(upload_folder)


def passed(
    uploads: Uploads, body: bytes, path: str = "/gradio_api/queue/join", *, method: str = "POST", parts: int = 1
) -> bytes | int:
    """The body that reaches Gradio, or the status of the refusal."""
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

    app = SimpleNamespace(auth=None, cookie_id="c", tokens={}, get_blocks=lambda: SimpleNamespace(fns={3: None}))
    scope = {"type": "http", "method": method, "path": path, "headers": [], "app": app}
    gate = GradioGate(gradio, settings=Settings(), uploads=uploads, own_routes=[])
    run_async(gate, scope, receive, send)
    return arrived[0] if arrived else statuses[0]


def marked(path: object) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def test_uploaded_files_pass(uploads):
    content = {
        "fn_index": 3,
        "data": ["红裙子", [{"image": marked(str(uploads.folder / "f00d" / "a.png")), "caption": None}], None],
    }
    assert json.loads(passed(uploads, json.dumps(content).encode(), parts=5)) == content


@pytest.mark.parametrize("text", ELSEWHERE, ids=lambda text: text[:30] or "empty")
def test_files_from_elsewhere_lose_the_field_that_makes_gradio_open_them(uploads, text):
    body = json.dumps({"fn_index": 3, "data": [marked(text), [{"image": marked(text)}]]}).encode()
    assert b"meta" not in passed(uploads, body)


def test_of_a_repeated_key_gradio_reads_the_value_that_was_checked(uploads):
    good = json.dumps(str(uploads.folder / "f00d" / "a.png"))
    body = f'{{"fn_index": 3, "path": "/etc/passwd", "path": {good}, "meta": {{"_type": "gradio.FileData"}}}}'
    assert b"passwd" not in passed(uploads, body.encode())


@pytest.mark.parametrize("index", [4, -1, 3.0, True, "3", None, [3], 10**400])
def test_a_function_that_does_not_exist_is_a_bad_request(uploads, index):
    body = json.dumps({"fn_index": index, "data": []}).encode()
    assert passed(uploads, body) == 400
    assert passed(uploads, body, "/gradio_api/run/predict") == 400
    assert passed(uploads, body, "/gradio_api/call/rank") == body


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[" * 100_000, b"\xff", b'{"fn_index": 3, "data": "\\ud800"}', b"[]"]
)
def test_invalid_json_is_a_bad_request(uploads, body):
    assert passed(uploads, body) == 400


def test_large_and_long_requests_are_refused(uploads):
    assert passed(uploads, b" " * (MAX_BODY_MB * 1_000_000 + 1), parts=4) == 413
    assert passed(uploads, b"[" + b"1," * 100_000 + b"1]") == 413
    assert passed(uploads, json.dumps(["a" * 500] * 10_000).encode()) == 413
    pictures = json.dumps({"fn_index": 3, "data": ["a", ["data:image/png;base64," + "A" * 5_000_000] * 3]}).encode()
    assert passed(uploads, pictures) == pictures


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.png",
        "/gradio_api/file= https://example.org/a.png",
        "/gradio_api/file=data:,a",
        "/gradio_api/file=app.py",
        "/gradio_api/file/http://example.org/a.png",
        "/gradio_api/proxy=https://example.org/a.png",
        "/gradio_api//upload",
        "/gradio_api/run/predict/",
        "/GRADIO_API/queue/join",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_that_the_page_does_not_use_are_unknown(uploads, path, method):
    assert passed(uploads, b"{}", path, method=method) == 404


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_uploaded_files_are_served_and_no_other_ones(uploads, method):
    for text in (*ELSEWHERE, str(uploads.folder), f"{uploads.folder}/../a.png", f"{uploads.folder}x/a.png", "//host/a"):
        assert passed(uploads, b"", f"/gradio_api/file={text}", method=method) == 404
    assert passed(uploads, b"", f"/gradio_api/file={uploads.folder}/f00d/a.png", method=method) == b""


def test_scripts_pass(uploads):
    assert passed(uploads, b"", "/assets/file/a.js", method="GET") == b""
