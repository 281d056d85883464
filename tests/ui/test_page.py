"""The page as an application: what it serves, what its events refuse, and its password."""

import httpx
import pytest

from reranker import Reranker, Settings
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer


def marked(path: object) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "http://127.0.0.1:1/a.png", "file:///etc/passwd", "../app.py", "app.py"]
)
def test_the_server_hands_out_no_files_from_elsewhere(toybox_url, path):
    assert httpx.get(f"{toybox_url}gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.extended
def test_the_doors_of_the_page_open_no_session_that_is_not_known(toybox_url):
    """What the browser sends when a button of the tab “Evaluate” is pressed, sent by somebody else."""
    config = httpx.get(f"{toybox_url}config").json()
    ids = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    doors = [one for one in config["dependencies"] if ids["label-grid"] in one["outputs"] and one["inputs"]]
    assert len(doors) >= 3
    for door in doors:
        text = ""
        for session in ("/etc/passwd", {"path": "/etc/passwd"}, marked("http://127.0.0.1:1/a.png"), "../..", None):
            body = {
                "data": [session, *(None for _ in door["inputs"][1:])],
                "fn_index": door["id"],
                "event_data": {"relevant": ["/etc/passwd"]},
                "session_hash": "mallory",
            }
            assert httpx.post(f"{toybox_url}gradio_api/queue/join", json=body).status_code == 200
            text += httpx.get(f"{toybox_url}gradio_api/queue/data?session_hash=mallory", timeout=PATIENCE_S).text
        assert text.count('"msg":"process_completed"') == 5
        assert "/etc" not in text
        assert "file=http" not in text
        assert "/pictures/" not in text
        assert '"pictures":[[' not in text.replace(" ", "")


def test_a_page_with_a_name_and_a_password_lets_nobody_else_in(serve):
    url = serve(Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret")))
    closed = ("sessions/x", "sessions/x/events", "config", "gradio_api/info", "gradio_api/file=/etc", "v1/models")
    assert {httpx.get(f"{url}{path}").status_code for path in closed} == {401}
    assert httpx.post(f"{url}gradio_api/queue/join", json={"data": [], "fn_index": 0}).status_code == 401
    with httpx.Client() as visitor:
        assert visitor.post(f"{url}login", data={"username": "me", "password": "wrong"}).status_code == 400
        assert visitor.post(f"{url}login", data={"username": "me", "password": "secret"}).status_code == 200
        assert visitor.get(f"{url}config").status_code == 200
        assert visitor.post(f"{url}sessions").status_code == 201


def test_the_files_of_the_page_are_open_and_always_fresh(toybox_url):
    for name in ("store.js", "texts.json"):
        answer = httpx.get(f"{toybox_url}page/{name}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    for name in ("", "none.js", "../evaluation.css", "..%2f..%2fpage.py", "%2e%2e/evaluation.css", "."):
        assert httpx.get(f"{toybox_url}page/{name}").status_code == 404, name


def test_every_text_of_the_scripts_is_in_both_languages(toybox_url):
    texts = httpx.get(f"{toybox_url}page/texts.json").json()
    assert {tuple(sorted(text)) for text in texts.values()} <= {("en", "zh")}
