"""Requests that are large, half sent or wrong in every item: what they cost, and whom they hold up."""

import base64
import json
import tracemalloc
from contextlib import ExitStack

import httpx
import pytest
from starlette.testclient import TestClient

from reranker import Reranker, Settings
from reranker.server.http_api import RERANK_PATHS, SCORE_PATHS, api_application
from tests.support.half_open import half_open
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, until

PICTURE = f"data:image/png;base64,{base64.b64encode(b'1').decode()}"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("item", ["1", "null", '"a"', "{}", '{"image": 1}', "[]"])
def test_many_wrong_documents_cost_little_memory(item: str) -> None:
    """The first wrong one is enough to refuse them; a list of all errors took 4.6 GB."""
    body = f'{{"query": "a", "documents": [{",".join([item] * 900)}]}}'.encode()
    with TestClient(api_application(Reranker(scorer=ScriptedScorer())), base_url="http://127.0.0.1") as client:
        client.post("/v1/rerank", content=body, headers=JSON)
        tracemalloc.start()
        answer = client.post("/v1/rerank", content=body, headers=JSON)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.status_code == 400
    assert "documents[0]" in answer.json()["detail"]
    assert peak_bytes < 2_000_000


def test_a_million_documents_are_refused_before_any_is_parsed(serve_api) -> None:
    body = b'{"query":"a","documents":[' + b",".join([b"1"] * 1_000_000) + b"]}"
    url = serve_api(Reranker(scorer=ScriptedScorer()))
    assert httpx.post(f"{url}v1/rerank", content=body, headers=JSON, timeout=PATIENCE_S).status_code == 413


def test_an_announced_body_that_is_too_large_is_refused_before_it_is_sent(serve_both) -> None:
    url = serve_both(Reranker(scorer=ScriptedScorer()))
    with half_open(url, "/v1/rerank", 10**10, b"{") as connection:
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413")
        connection.recv(1_000)
        assert connection.recv(1_000) == b""  # closed: the rest is not received


def test_half_sent_requests_shut_nobody_out(serve_both) -> None:
    """A request counts as one of those at the same time once it is complete."""
    url = serve_both(Reranker(scorer=ScriptedScorer(), settings=Settings.of(max_waiting=2)))
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(half_open(url, "/v1/rerank", 1_000, b'{"query"'))
        answer = httpx.post(f"{url}v1/rerank", json={"query": "a", "documents": [PICTURE]}, timeout=PATIENCE_S)
        assert answer.status_code == 200


def test_half_sent_requests_hold_a_limited_number_of_bytes(serve_api) -> None:
    url = serve_api(Reranker(scorer=ScriptedScorer(), settings=Settings.of(max_request_mb=1)))
    with ExitStack() as stack:
        connections = [stack.enter_context(half_open(url, "/v1/rerank", 1_000_000, b" " * 900_000)) for _ in range(3)]
        connections[-1].sendall(b" ")
        answers = []
        for connection in connections:
            connection.settimeout(0.5)
            try:
                answers.append(connection.recv(12))
            except TimeoutError:
                answers.append(None)
    assert sorted(answers, key=str) == [None, None, b"HTTP/1.1 429"] or answers.count(b"HTTP/1.1 429") == 1


def test_a_request_that_breaks_off_is_not_taken_for_a_whole_one(serve_both) -> None:
    """What has arrived is a whole request, but less than was announced."""
    scorer = ScriptedScorer()
    reranker = Reranker(scorer=scorer)
    url = serve_both(reranker)
    body = json.dumps({"query": "a", "documents": [PICTURE]}).encode()
    with half_open(url, "/v1/rerank", len(body) + 1, body):
        pass
    with half_open(url, "/gradio_api/queue/join", len(body) + 1, body):
        pass
    until(lambda: httpx.get(f"{url}health").is_success)
    assert scorer.batches == []


def test_pictures_are_repeated_as_they_were_sent(serve_api) -> None:
    """Also those that stay in the body, with white space or escapes."""
    url = serve_api(Reranker(scorer=ScriptedScorer()))
    encoded = base64.b64encode(b"1.5" + b" " * 5_000).decode()
    wrapped = "\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    documents = [encoded, wrapped, encoded + "\t"]
    sent = json.dumps({"query": "a", "documents": [{"image": each} for each in documents], "return_documents": True})
    answer = httpx.post(f"{url}v1/rerank", content=sent.replace("/", "\\/"), headers=JSON, timeout=PATIENCE_S)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert {each["index"]: each["document"]["image"] for each in results} == dict(enumerate(documents))


def test_long_texts_that_are_no_base64_are_refused(serve_api) -> None:
    url = serve_api(Reranker(scorer=ScriptedScorer()))
    for image in ("A" * 3_000 + "*", "A" * 3_001, "=" * 3_000, "A" * 2_000 + "==" + "A" * 2_000, "红" * 2_000):
        for document in ({"image": image}, f"data:image/png;base64,{image}"):
            answer = httpx.post(f"{url}v1/rerank", json={"query": "a", "documents": [document]}, timeout=PATIENCE_S)
            assert answer.status_code == 400
            assert "not valid base64" in answer.json()["detail"]


@pytest.mark.parametrize("prefix", ["", "/rank"])
def test_the_api_is_there_behind_a_proxy_that_removes_the_prefix_and_one_that_does_not(prefix: str) -> None:
    app = api_application(Reranker(scorer=ScriptedScorer(), settings=Settings.of(root_path="/rank")))
    with TestClient(app, base_url="http://studio.example", root_path="/rank") as client:
        asked = {"query": "a", "documents": [PICTURE]}
        assert client.get(f"{prefix}/v1/models").json()["data"]
        for path in RERANK_PATHS:
            assert client.post(f"{prefix}{path}", json=asked).status_code == 200
        for path in SCORE_PATHS:
            assert client.post(f"{prefix}{path}", json={"queries": "a", "documents": PICTURE}).status_code == 200
        assert client.get(f"{prefix}/v1/openapi.json").json()["servers"] == [{"url": "/rank"}]


def test_half_sent_logins_hold_up_nobody(serve) -> None:
    url = serve(
        Reranker(scorer=ScriptedScorer(), settings=Settings.of(auth="me:secret", api_key="k", max_request_mb=1))
    )
    with ExitStack() as stack:
        for _ in range(20):
            connection = stack.enter_context(half_open(url, "/login", 1_000_000, b" " * 900_000))
            assert connection.recv(12) == b"HTTP/1.1 400"  # too long for a login
        asked = {"query": "a", "documents": [PICTURE]}
        answer = httpx.post(f"{url}v1/rerank", json=asked, headers={"authorization": "Bearer k"}, timeout=PATIENCE_S)
        assert answer.status_code == 200


@pytest.mark.parametrize("field", ["query", "text"])
def test_a_text_of_megabytes_is_not_decoded(serve_api, field: str) -> None:
    text = "\\n" * 1_000_000
    document = f'{{"image": "MS41", "text": "{text if field == "text" else ""}"}}'
    body = f'{{"query": "{text if field == "query" else "a"}", "documents": [{document}]}}'
    url = serve_api(Reranker(scorer=ScriptedScorer()))
    answer = httpx.post(f"{url}v1/rerank", content=body.encode(), headers=JSON, timeout=PATIENCE_S)
    assert answer.status_code == 400
    assert ("query" if field == "query" else "documents[0]") in answer.json()["detail"]


@pytest.mark.parametrize("escape", ["\\/", "\\u002F", "\\u002f"])
def test_base64_with_the_escapes_of_other_languages_is_read(serve_api, escape: str) -> None:
    """PHP, .NET and Gson escape characters that need no escape; some are where two parts meet."""
    content = bytes(range(256)) * 5_000
    encoded = base64.b64encode(content).decode()
    read = []

    def remember(candidate):
        read.append(candidate.source)
        return b"1.5"

    url = serve_api(Reranker(scorer=ScriptedScorer(read=remember)))
    for shift in range(8):
        escaped = (encoded if not shift else f"{'A' * 4 * shift}{encoded}").replace("/", escape)
        body = f'{{"query": "a", "documents": [{{"image": "{escaped}"}}]}}'
        answer = httpx.post(f"{url}v1/rerank", content=body.encode(), headers=JSON, timeout=PATIENCE_S)
        assert answer.status_code == 200
    assert [source[-len(content) :] for source in read] == [content] * 8


def test_a_client_that_does_not_read_keeps_its_bytes_counted(serve_api) -> None:
    """The response waits in the server; meanwhile no other large request is accepted."""
    url = serve_api(Reranker(scorer=ScriptedScorer(), settings=Settings.of(max_request_mb=30)))
    picture = base64.b64encode(b"1.5" + b" " * 20_000_000).decode()
    body = json.dumps({"query": "a", "documents": [{"image": picture}], "return_documents": True}).encode()
    with half_open(url, "/v1/rerank", len(body), body), half_open(url, "/v1/rerank", len(body), body):

        def is_refused() -> bool:
            return httpx.post(f"{url}v1/rerank", content=body, headers=JSON, timeout=PATIENCE_S).status_code == 429

        until(is_refused)
    until(lambda: not is_refused())
