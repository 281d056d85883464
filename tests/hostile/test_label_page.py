"""Whatever is sent to the label page, it answers, changes nothing that was not meant, and never fails."""

import json
from collections.abc import Iterator
from string import printable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from reranker.labelling.server import application
from tests.support.label_page import NAMES, labelling
from tests.support.small_disk import full_beyond

NUMBERS = st.sampled_from([True, False, -1, 0, 1, 2, 10**30, -(10**4000), 1.0, 0.5, float("nan"), float("inf"), 1e308])
TEXTS = st.sampled_from(["", " ", "a cat", "\ud800", "\0", "\x1b[31m", "é" * 2000, "../a.png", *NAMES]) | st.text()
VALUES = st.recursive(
    st.none() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
REQUESTS = st.dictionaries(st.sampled_from(["query", "relevant", "line", "saved_query", "other"]), VALUES)
BODIES = st.one_of(
    REQUESTS.map(json.dumps).map(str.encode),
    VALUES.map(json.dumps).map(str.encode),
    st.binary(max_size=50),
    st.sampled_from(
        [b"[" * 100_000, b'{"a":' * 100_000, b'{"line": ' + b"9" * 5000 + b"}", b'{"query": "\xff"}', b"\xff\xfe{\0}\0"]
    ),
)
JSON_TYPES = ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
QUICKLY = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def client(folder) -> Iterator[TestClient]:
    with TestClient(application(labelling(folder))) as client:
        yield client


@pytest.mark.parametrize("path", ["/save", "/remove", "/order"])
def test_every_body_gets_an_answer(client, path):
    @QUICKLY
    @given(body=BODIES, content_type=st.sampled_from(JSON_TYPES))
    def send(body: bytes, content_type: str) -> None:
        answer = client.post(path, content=body, headers={"content-type": content_type})
        assert answer.status_code in {200, 400}
        assert all(json.loads(line) for line in answer.text.splitlines())

    send()
    assert client.get("/state").json()["is_done"] is False


@pytest.mark.parametrize("header", ["content-type", "accept-language"])
def test_every_header_gets_an_answer(client, header):
    @QUICKLY
    @given(value=st.text(alphabet=printable.strip() + " ;=/*é", max_size=40))
    def send(value: str) -> None:
        headers = {"content-type": "application/json", header: value.strip().encode("latin-1")}
        assert client.post("/save", content=b"{}", headers=headers).status_code in {200, 400}
        assert client.get("/state", params={"lang": value}, headers=headers).status_code == 200

    send()


@pytest.mark.parametrize(
    "index",
    ["9" * 5000, "9" * 30, "-1", "+1", "1_0", "1.0", "1e0", "0x1", "4", "١", "²", "nan", "%00", "%ff", " 1"],
)
def test_a_thumbnail_that_does_not_exist_is_not_found(client, index):
    assert client.get(f"/thumbnails/{index}").status_code == 404


def test_leading_zeros_are_a_number(client):
    assert client.get("/thumbnails/003").status_code == 200


def test_a_full_disk_has_no_thumbnails(client):
    with full_beyond(10):
        assert client.get("/thumbnails/0").status_code == 507
    assert client.get("/thumbnails/0").status_code == 200


@pytest.mark.parametrize("content_type", JSON_TYPES)
def test_json_is_json_with_a_charset_too(client, content_type):
    body = json.dumps({"query": "a cat", "relevant": ["a.png"]})
    assert client.post("/save", content=body, headers={"content-type": content_type}).json()["is_done"]


@pytest.mark.parametrize(
    "content_type", ["text/plain; application/json", "application/jsonx", "application/x;json", ";"]
)
def test_another_type_is_not_json(client, content_type):
    assert client.post("/save", content=b"{}", headers={"content-type": content_type}).status_code == 400


@pytest.mark.parametrize("line", [True, 1.0, "1", -1, 10**30, [1], {}, float("nan")], ids=repr)
def test_what_is_no_number_of_a_line_is_no_line(client, folder, line):
    client.post("/save", json={"query": "a cat", "relevant": ["a.png"]})
    before = (folder / "labels.jsonl").read_bytes()
    request = {"query": "a dog", "relevant": ["b.png"], "line": line, "saved_query": "a cat"}
    for path in ("/save", "/remove"):
        answer = client.post(path, content=json.dumps(request), headers={"content-type": "application/json"}).json()
        assert (answer["is_done"], answer["status"]["tone"]) == (False, "trouble")
    assert (folder / "labels.jsonl").read_bytes() == before


def test_a_sentence_that_is_no_text_orders_nothing(client):
    body = json.dumps({"query": "\ud800"})
    (line,) = client.post("/order", content=body, headers={"content-type": "application/json"}).text.splitlines()
    assert json.loads(line)["status"]["text"].startswith("The text of “query” is not valid Unicode")
