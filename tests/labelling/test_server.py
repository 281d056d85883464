"""The label page over HTTP: what is served, and what is refused."""

import json
import os
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from reranker import Reranker
from reranker.images.limits import Limits
from reranker.labelling.handlers import Labelling
from reranker.labelling.label_file import LabelFile
from reranker.labelling.server import application
from reranker.server.security import same_origin_only
from reranker.storage.thumbnail_store import HashedThumbnailPaths, ThumbnailStore
from tests.support.label_page import NAMES, labelling
from tests.support.scripted_scorer import ScriptedScorer


def test_a_name_that_is_no_text_is_shown_saved_and_read_again(folder):
    name = os.fsdecode(b"\xff.png")
    (folder / name).write_text("0")
    file = LabelFile(folder / "labels.jsonl")
    pictures = [folder / name, folder / "a.png"]
    page = Labelling(
        folder=folder,
        pictures=pictures,
        file=file,
        reranker=Reranker(scorer=ScriptedScorer()),
        thumbnails=ThumbnailStore(HashedThumbnailPaths(folder.parent / "t"), Limits()),
    )
    with TestClient(application(page)) as client:
        shown = client.get("/state").json()["pictures"]
        assert client.get("/thumbnails/0").status_code == 200
        headers = {"content-type": "application/json"}
        client.post("/save", content=json.dumps({"query": "a", "relevant": shown[:1]}), headers=headers)
    assert [line.labelled.relevant for line in file.read()] == [(folder / name,)]


@pytest.fixture
def client(folder) -> Iterator[TestClient]:
    app = application(labelling(folder), same_origin_only("127.0.0.1"))
    with TestClient(app, base_url="http://127.0.0.1:7861") as client:
        yield client


def test_the_page_is_all_that_is_served(client, folder):
    assert client.get("/").headers["content-security-policy"].startswith("default-src 'self'")
    for path in ("/script.js", "/style.css", "/state", "/thumbnails/3"):
        assert client.get(path).status_code == 200
    for path in ("/thumbnails/4", "/thumbnails/-1", "/thumbnails/a.png", "/a.png", "/labels.jsonl", "/../a.png"):
        assert client.get(path).status_code == 404


def test_foreign_names_and_foreign_forms_are_refused(client, folder):
    assert client.get("/state", headers={"host": "evil.example"}).status_code == 400
    asked = {"query": "a cat", "relevant": ["a.png"]}
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        for path in ("/save", "/remove", "/order"):
            answer = client.post(path, content=json.dumps(asked), headers={"content-type": kind})
            assert answer.status_code == 400
    for text in ("", "[]", "{", "[" * 100_000):
        answer = client.post("/save", content=text, headers={"content-type": "application/json"})
        assert answer.status_code == 400
    assert not (folder / "labels.jsonl").exists()
    assert client.post("/save", json=asked).json()["is_done"]


def test_the_language_is_the_browsers_unless_it_is_said(client):
    titles = [
        client.get(path, headers={"accept-language": language}).json()["labels"]["title"]
        for path, language in (("/state", "zh-CN"), ("/state?lang=en", "zh-CN"), ("/state?lang=zh", "en"))
    ]
    assert titles == ["标注图片", "Label pictures", "标注图片"]


def test_the_likely_ones_come_first_when_asked(client):
    answer = client.post("/order", json={"query": "a cat"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["done"] for line in lines[:-1]] == [1, 2, 3, 4]
    assert [NAMES[place] for place in lines[-1]["order"]] == ["sub/c.png", "d.png", "b.png", "a.png"]
    (refused,) = client.post("/order?lang=zh", json={"query": " "}).text.splitlines()
    assert json.loads(refused)["status"]["text"].startswith("句子为空")
