"""The page as an application: what it serves, what its events refuse, and its password."""

import httpx
import pytest

from reranker import Reranker, Settings
from reranker.ui.page import FILE_TYPES
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer


def marked(path: object) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "../app.py", "app.py"]
)
def test_the_server_hands_out_no_files_from_elsewhere(toybox_url, path):
    assert httpx.get(f"{toybox_url}gradio_api/file={path}").status_code in (403, 404)


def test_the_doors_of_the_page_are_as_closed_as_those_for_programs(toybox_url):
    """What the browser sends when a button is pressed, sent by somebody else."""
    config = httpx.get(f"{toybox_url}config").json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    gallery, files = ids["pictures"], {ids["folder"], ids["open-saved"]}
    doors = [one for one in config["dependencies"] if {gallery, *files} & set(one["inputs"])]
    assert doors
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
