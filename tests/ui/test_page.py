"""The page without a browser: its words, what it opens, what it shows of a run, and what programs are answered."""

import json
import runpy
import string
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from reranker import Query, Reranker, Settings
from reranker.core.errors import PictureForbidden, PictureMissing
from reranker.i18n import page_texts as wording
from reranker.i18n.error_messages import Language
from reranker.i18n.page_texts import language_of, phrase
from reranker.images.limits import Limits
from reranker.storage.thumbnail_store import MAX_THUMBNAIL_PX, ThumbnailStore
from reranker.ui.launch import launch_settings
from reranker.ui.model_status import is_local_request
from reranker.ui.page import FILE_TYPES
from reranker.ui.uploads import MAX_BODY_BYTES, UploadGuard, Uploads
from tests.support.event_loop import run_async
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until

LANGUAGES = get_args(Language)
ELSEWHERE = [
    "/etc/passwd",
    "../../etc/passwd",
    "http://127.0.0.1:1/picture.png",
    "https://example.org/picture.png",
    "file:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "picture.png",
    "",
    "\0",
    "x" * 5000,
]


@pytest.mark.parametrize(
    ("host", "client", "headers", "is_here"),
    [
        ("127.0.0.1:7860", "127.0.0.1", {}, True),
        ("localhost:7860", "::1", {}, True),
        ("[::1]:7860", "::1", {}, True),
        ("abc.gradio.live", "127.0.0.1", {}, False),
        ("127.0.0.1:7860", "192.168.1.7", {}, False),
        ("localhost", "127.0.0.1", {"x-forwarded-for": "192.168.1.7"}, False),
        ("localhost", "127.0.0.1", {"forwarded": "for=192.168.1.7"}, False),
        ("", "127.0.0.1", {}, False),
    ],
)
def test_guests_are_told_from_who_sits_at_the_machine(host, client, headers, is_here):
    request = SimpleNamespace(headers={"host": host, **headers}, client=SimpleNamespace(host=client))
    assert is_local_request(request) is is_here


# Words


@pytest.mark.parametrize("table", [wording.LABELS, wording.PHRASES], ids=["labels", "phrases"])
def test_every_word_is_there_in_both_languages(table):
    for texts in table.values():
        assert set(texts) == set(LANGUAGES)
        fields = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in texts.values()]
        assert fields[0] == fields[1]


def test_one_is_not_many():
    assert phrase("names", "en", count=1) == "1 picture"
    assert phrase("names", "en", count=2) == "2 pictures"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh-Hant-HK", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh"),
        ("de", "en"),
        ("en;q=0.1, zh", "zh"),
        ("zh;q=0, en;q=0.2", "en"),
        ("zh;q=much", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_asks_for(header, language):
    assert language_of(header) == language


# What is opened


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


# The gate before Gradio


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


# Thumbnails


@pytest.fixture
def thumbnails(uploads) -> ThumbnailStore:
    return ThumbnailStore(uploads, Limits(), threads=2)


@pytest.mark.parametrize(("size", "shown"), [((2000, 1000), (512, 256)), ((30, 40), (30, 40))])
def test_thumbnails_are_small_and_never_enlarged(uploads, thumbnails, size, shown):
    path = uploads.folder / "f00d" / "large.tiff"
    Image.new("RGBA", size, (0, 0, 0, 0)).save(path)
    thumbnail = thumbnails.get(path)
    with Image.open(thumbnail) as picture:
        assert (picture.size, picture.format, picture.getpixel((0, 0))) == (shown, "JPEG", (255, 255, 255))
    assert max(shown) <= MAX_THUMBNAIL_PX
    assert uploads.resolve(str(thumbnail)) == path


def test_a_thumbnail_is_made_once(uploads, thumbnails):
    path = uploads.folder / "f00d" / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    first, second = thumbnails.get_all([path, path])
    made = first.stat().st_mtime_ns
    assert first == second == thumbnails.get(path)
    assert first.stat().st_mtime_ns == made
    assert [file.name for file in first.parent.iterdir()] == ["a.png.jpg"]


def test_what_cannot_be_read_has_a_thumbnail_too(uploads, thumbnails):
    with Image.open(thumbnails.get(uploads.folder / "f00d" / "a.png")) as picture:
        assert picture.format == "JPEG"


# Starting


def test_launching_is_quiet_and_closed(upload_folder):
    settings = launch_settings(Reranker(settings=Settings.of(host="0.0.0.0", port=8000, root_path="/rank")))
    assert {key: settings[key] for key in ("server_name", "server_port", "root_path", "share")} == {
        "server_name": "0.0.0.0",
        "server_port": 8000,
        "root_path": "/rank",
        "share": False,
    }
    assert not any(settings[key] for key in ("show_error", "run_history", "enable_monitoring", "mcp_server", "pwa"))
    assert launch_settings(Reranker())["server_name"] == "127.0.0.1"


def test_the_program_is_what_spaces_expect(monkeypatch):
    monkeypatch.setenv("RERANKER_MAX_PICTURES", "7")
    app = runpy.run_path("app.py")
    assert app["reranker"].settings.limits.max_pictures == 7
    assert type(app["demo"]).__name__ == "Blocks"


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(monkeypatch, capsys):
    monkeypatch.setenv("RERANKER_PORT", "many")
    with pytest.raises(SystemExit) as ended:
        runpy.run_path("app.py")
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "The setting “port” is “many” but must be a whole number; correct it and start again.\n"
    )


# Programs


@pytest.fixture(scope="module")
def client(toybox_url) -> Iterator[Client]:
    with closing(Client(toybox_url, verbose=False)) as client:
        yield client


def test_a_program_is_answered_as_the_command_line_answers(client, toybox, drawings):
    asked = client.predict("a red house", [handle_file(path) for path in drawings], 3, api_name="/rank")
    ranking = toybox.rank("a red house", drawings)
    assert asked["query"] == "a red house"
    assert asked["model"] == "toybox"
    assert asked["results"][0]["name"] == "red_house.png"
    assert asked["fingerprint"] == ranking.fingerprint
    assert [row["name"] for row in asked["results"]] == [one.candidate.name for one in ranking.scored[:3]]
    for rank, (row, one) in enumerate(zip(asked["results"], ranking.scored, strict=False), 1):
        assert (row["rank"], row["status"], row["error"]) == (rank, "scored", None)
        assert row["log_odds"] == pytest.approx(one.score.log_odds, abs=1e-4)
        assert 0 <= row["score"] <= 10


def test_broken_and_forbidden_files_cost_only_themselves(client, drawings, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(drawings[0].read_bytes()[:200])
    given = [handle_file(drawings[0]), handle_file(broken), *ELSEWHERE, {"path": 5}, 7]
    results = client.predict("红色的房子", given, api_name="/rank")["results"]
    assert [row["status"] for row in results] == ["scored"] + ["failed"] * (len(given) - 1)
    assert results[1]["error"].startswith("“broken.png” is incomplete")
    for elsewhere, row in zip([*ELSEWHERE, "", ""], results[2:], strict=True):
        assert ("is damaged" if elsewhere.startswith("data:") else "is outside the folders") in row["error"]
    assert "/etc" not in json.dumps(results)


def answered(url: str, query: str, paths: list[Path]) -> list[dict]:
    """By a client of its own."""
    with closing(Client(url, verbose=False)) as client:
        return client.predict(query, [handle_file(path) for path in paths], api_name="/rank")["results"]


def test_two_at_once_both_get_all_of_their_pictures(toybox_url, drawings):
    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(partial(answered, toybox_url, paths=drawings), ["a red house", "一只黑猫"]):
            assert sorted(row["name"] for row in results) == sorted(path.name for path in drawings)
            assert [row["rank"] for row in results] == [1, 2, 3, 4]


def test_two_at_once_advance_batch_by_batch(serve, tmp_path):
    order: list[str] = []

    def judge(query: Query, _content: bytes) -> float:
        order.append(query.text)
        if order.count({"a": "b", "b": "a"}[query.text]) < 5:
            until(lambda: reranker.device_queue.waiting > 0)
        return 0.0

    reranker = Reranker(scorer=ScriptedScorer(judge=judge, batch_tokens=1))
    url = serve(reranker)

    def rank(query: str) -> int:
        paths = [tmp_path / f"{query}{index}.png" for index in range(5)]
        for path in paths:
            path.write_text(path.name)
        return len(answered(url, query, paths))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(rank, "ab")) == [5, 5]
    assert order in (["a", "b"] * 5, ["b", "a"] * 5)


@pytest.mark.parametrize(
    ("query", "pictures", "top_k", "text"),
    [
        ("", ["x"], None, "The sentence is empty; write what the pictures should show."),
        ("cat", [], None, "Too few pictures: 0 given, at least 1 needed; add more."),
        ("cat", ["x"] * 1001, None, "Too many pictures: 1,001 given, at most 1,000 allowed"),
        ("cat", ["x"], 0, "“query” must be text"),
        ("cat", ["x"], "3", "“query” must be text"),
        ("cat", ["x"], True, "“query” must be text"),
        ("cat", {"path": "x"}, None, "“query” must be text"),
        (None, ["x"], None, "“query” must be text"),
    ],
    ids=count(),
)
def test_a_mistake_of_a_program_is_one_sentence(client, query, pictures, top_k, text):
    with pytest.raises(AppError) as refused:
        client.predict(query, pictures, top_k, api_name="/rank")
    assert str(refused.value).startswith(text)


def test_only_the_ranking_is_open_to_programs(client):
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/rank", "/rank_stream"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "../app.py", "app.py"]
)
def test_the_server_hands_out_no_files_from_elsewhere(toybox_url, path):
    assert httpx.get(f"{toybox_url}gradio_api/file={path}").status_code == 403


def test_the_doors_of_the_page_are_as_closed_as_those_for_programs(toybox_url):
    """What the browser sends when a button is pressed, sent by somebody else."""
    config = httpx.get(f"{toybox_url}config").json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    gallery, files = ids["pictures"], {ids["folder"], ids["open-saved"]}
    doors = [one for one in config["dependencies"] if {gallery, *files} & set(one["inputs"])]
    assert len(doors) == 15
    for door in doors:
        text = ""
        for item in (marked("/etc/passwd"), {"path": "/etc/passwd"}, marked("http://127.0.0.1:1/a.png")):
            pictures = [{"image": item, "caption": None}] * 2
            body = {
                "data": [
                    pictures if each == gallery else [item] if each in files else "cat" for each in door["inputs"]
                ],
                "fn_index": door["id"],
                "event_data": {"index": 0},
                "session_hash": "mallory",
            }
            assert httpx.post(f"{toybox_url}gradio_api/queue/join", json=body).status_code == 200
            text += httpx.get(f"{toybox_url}gradio_api/queue/data?session_hash=mallory", timeout=PATIENCE_S).text
        assert text.count('"msg":"process_completed"') == 3
        refused_by_gradio = bool(files & set(door["inputs"]))
        assert refused_by_gradio or text.count('"success":true,"title":null') == 3
        assert "/etc" not in text
        assert "file=http" not in text


def test_a_page_with_a_name_and_a_password_lets_nobody_else_in(serve):
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret")))
    closed = ("config", "gradio_api/info", "gradio_api/file=/etc/passwd", "v1/models")
    assert {httpx.get(f"{url}{path}").status_code for path in closed} == {401}
    assert httpx.post(f"{url}gradio_api/queue/join", json={"data": [], "fn_index": 0}).status_code == 401
    with httpx.Client() as visitor:
        assert visitor.post(f"{url}login", data={"username": "me", "password": "wrong"}).status_code == 400
        assert visitor.post(f"{url}login", data={"username": "me", "password": "secret"}).status_code == 200
        assert visitor.get(f"{url}config").status_code == 200


def test_the_picker_offers_what_can_be_read():
    assert {".jpg", ".png", ".webp", ".heic", ".avif", ".tiff"} <= set(FILE_TYPES)
    assert ".svg" not in FILE_TYPES
