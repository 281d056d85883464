"""Requests that pages of other sites send, to every interface."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio.utils import get_upload_folder
from starlette.testclient import TestClient

from reranker import Reranker
from reranker.labelling.server import application
from reranker.server.security import same_origin_only
from tests.support.http_server import serving_page
from tests.support.label_page import labelling, numbered_folder
from tests.support.scripted_scorer import ScriptedScorer

FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving_page(Reranker(scorer=ScriptedScorer())) as url:
        yield url


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nothing_is_changed_and_nothing_is_readable(url: str, headers: dict[str, str]) -> None:
    folder = Path(get_upload_folder())
    before = set(folder.glob("*/foreign.png"))
    with httpx.Client(base_url=url, headers=headers) as client:
        answers = [
            client.post("gradio_api/upload", files={"files": ("foreign.png", b"1")}),
            client.post("gradio_api/queue/join", json={"fn_index": 1, "data": [], "session_hash": "a"}),
            client.post("gradio_api/run/predict", json={"fn_index": 1, "data": [], "session_hash": "a"}),
            client.post("v1/rerank", json={"query": "a", "documents": ["data:image/png;base64,AAAA"]}),
            client.post("sessions"),
            client.post(f"sessions/{'x' * 32}/pictures?name=foreign.png", content=b"1"),
            client.post(f"sessions/{'x' * 32}/rank", json={"queries": ["a"]}),
            client.delete(f"sessions/{'x' * 32}"),
            client.get(f"sessions/{'x' * 32}/events"),
            client.get("page/texts.json"),
            client.get("config"),
            client.get("gradio_api/heartbeat/abc"),
            client.get("v1/models"),
        ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert all("another site" in answer.json()["detail"] for answer in answers)
    assert set(folder.glob("*/foreign.png")) == before


def test_a_link_and_a_frame_of_another_site_open_the_page_and_nothing_else(url: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert httpx.get(url, headers=headers).status_code == 200
    assert httpx.get(f"{url}config", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_labels_are_not_changed(tmp_path, headers: dict[str, str]) -> None:
    folder = numbered_folder(tmp_path / "photos")
    app = application(labelling(folder), same_origin_only("127.0.0.1"))
    asked = {"query": "a cat", "relevant": ["a.png"]}
    with TestClient(app, base_url="http://127.0.0.1:7861") as client:
        for path in ("/save", "/remove", "/order"):
            assert client.post(path, json=asked, headers=headers).status_code == 403
        assert client.get("/state", headers=headers).status_code == 403
        assert not (folder / "labels.jsonl").exists()
        assert client.post("/save", json=asked).json()["is_done"]
        assert json.loads((folder / "labels.jsonl").read_text())["query"] == "a cat"
