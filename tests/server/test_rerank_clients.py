"""Clients of other servers, which only get another address: Cohere's, and vLLM's, whose clients are plain requests."""

from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import pytest

from reranker import Reranker, Settings
from reranker.core.scores import sigmoid
from reranker.server.http_api import RERANK_PATHS, SCORE_PATHS, api_application
from tests.support.document_forms import data_uri
from tests.support.half_open import half_open
from tests.support.http_server import serving, serving_page
from tests.support.paths import GALLERY
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, number


def post(url: str, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{url.rstrip('/')}{path}", json=body, timeout=PATIENCE_S)


def numbered(*values: float) -> list[str]:
    """Pictures that hold their own log-odds."""
    return [data_uri(str(value).encode()) for value in values]


@pytest.fixture(scope="module", params=["alone", "with the page"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The API over a scorer that reads the log-odds from the picture."""
    reranker = Reranker(scorer=ScriptedScorer(judge=number))
    with serving(api_application(reranker)) if request.param == "alone" else serving_page(reranker) as url:
        yield url


# Cohere


@pytest.mark.parametrize("client_class", [cohere.Client, cohere.ClientV2])
def test_the_clients_of_cohere_get_their_ranking(toybox_url: str, pictures: list[str], client_class: type) -> None:
    client = client_class("any key", base_url=toybox_url.rstrip("/"))
    answer = client.rerank(query="一个黄色的球", documents=pictures, model="rerank-v3.5", top_n=2)
    assert answer.results[0].index == 3
    assert len(answer.results) == 2
    assert answer.results[0].relevance_score > answer.results[1].relevance_score
    assert answer.id.startswith("rerank-")


def test_the_client_of_cohere_raises_the_error(url: str) -> None:
    client = cohere.ClientV2("any key", base_url=url.rstrip("/"))
    with pytest.raises(cohere.BadRequestError) as refused:
        client.rerank(query="a", documents=["shoe"], model="rerank-v3.5")
    assert refused.value.body["detail"].startswith("documents[0] is text")


# vLLM, as in its documentation: requests.post(..., json={...}), then response.json()


@pytest.mark.parametrize("path", RERANK_PATHS)
def test_every_path_gives_the_ranking_in_the_form_of_vllm(url: str, path: str) -> None:
    answer = post(url, path, model="any", query="a red boat", documents=numbered(-1, 2.5, 0.5), top_n=2).json()
    assert [(result["index"], result["relevance_score"]) for result in answer["results"]] == [
        (1, sigmoid(2.5)),
        (2, sigmoid(0.5)),
    ]
    assert [result["document"] for result in answer["results"]] == [{"text": ""}] * 2
    assert answer["id"].startswith("rerank-")
    assert answer["model"]
    assert answer["usage"] == {"images": 3, "prompt_tokens": 3, "total_tokens": 3}
    assert answer["failures"] == []


@pytest.mark.parametrize("path", SCORE_PATHS)
@pytest.mark.parametrize(
    ("queries", "documents"),
    [("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2")],
)
def test_every_path_gives_the_scores_in_the_form_of_vllm(url: str, path: str, queries: str, documents: str) -> None:
    sent = {queries: "a red boat", documents: numbered(-1, 2.5), "model": "any", "encoding_format": "float"}
    answer = post(url, path, **sent).json()
    assert answer["data"] == [
        {"index": 0, "object": "score", "score": sigmoid(-1)},
        {"index": 1, "object": "score", "score": sigmoid(2.5)},
    ]
    assert (answer["object"], type(answer["created"])) == ("list", int)
    assert answer["id"].startswith("score-")
    assert answer["model"]
    assert answer["usage"] == {"images": 2, "prompt_tokens": 2, "total_tokens": 2}
    assert answer["failures"] == []


def test_the_picture_of_vllms_example_is_scored(toybox_url: str) -> None:
    names = ["house_by_the_sea.png", "house_in_the_desert.png"]
    documents = [
        {"content": [{"type": "image_url", "image_url": {"url": data_uri((GALLERY / name).read_bytes())}}]}
        for name in names
    ]
    ranked = post(toybox_url, "/rerank", query="沙漠里的房子", documents=documents).json()
    scored = post(toybox_url, "/v1/score", queries="沙漠里的房子", documents=documents).json()
    alone = post(toybox_url, "/score", queries="沙漠里的房子", documents=documents[1]).json()
    assert [result["index"] for result in ranked["results"]] == [1, 0]
    by_index = {result["index"]: result["relevance_score"] for result in ranked["results"]}
    assert {each["index"]: each["score"] for each in scored["data"]} == pytest.approx(by_index, abs=1e-5)
    assert [each["score"] for each in alone["data"]] == pytest.approx([by_index[1]], abs=1e-5)


def test_each_document_can_have_its_own_query(toybox_url: str, pictures: list[str]) -> None:
    queries = ["a red house", "a blue car", "a red house", "a yellow ball"]
    answer = post(toybox_url, "/score", queries=queries, documents=pictures).json()
    alone = [
        post(toybox_url, "/score", queries=query, documents=picture).json()["data"][0]["score"]
        for query, picture in zip(queries, pictures, strict=True)
    ]
    assert [each["index"] for each in answer["data"]] == [0, 1, 2, 3]
    assert [each["score"] for each in answer["data"]] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("queries", [[], ["a", "b"], ["a", "b", "c", "d"]])
def test_queries_that_match_no_documents_are_refused(url: str, queries: list[str]) -> None:
    answer = post(url, "/score", queries=queries, documents=numbered(1, 2, 3))
    assert answer.status_code == 400
    assert f"{len(queries)} queries for 3 documents" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"queries": "a"}, "documents"),
        ({"queries": None, "documents": numbered(1)}, "queries"),
        ({"queries": "a", "text_1": "b", "documents": numbered(1)}, "text_1"),
        ({"queries": "a", "documents": numbered(1), "data_2": numbered(2)}, "data_2"),
        ({"queries": "a", "documents": []}, "documents"),
        ({"queries": ["a", 3], "documents": numbered(1, 2)}, "queries"),
        ({"queries": "a", "documents": numbered(1), "model": 3}, "model"),
    ],
)
def test_a_request_for_scores_is_checked(url: str, sent: dict[str, Any], field: str) -> None:
    answer = post(url, "/score", **sent)
    assert answer.status_code == 400
    assert f"at “{field}”" in answer.json()["detail"]


def test_a_document_that_fails_has_no_score_but_a_reason(api_url: str, pictures: list[str]) -> None:
    broken = data_uri(b"no picture")
    answer = post(api_url, "/score", queries=["a", "b", "a"], documents=[pictures[0], broken, pictures[1]])
    assert answer.status_code == 200
    assert [each["index"] for each in answer.json()["data"]] == [0, 2]
    assert [failure["index"] for failure in answer.json()["failures"]] == [1]
    assert answer.json()["usage"]["images"] == 2
    none = post(api_url, "/score", queries="a", documents=broken)
    assert (none.status_code, "documents[0]" in none.json()["detail"]) == (422, True)


def test_a_key_and_the_limits_hold_on_every_path(serve_both) -> None:
    settings = Settings.of(api_key="k", max_request_mb=1, max_pictures=2)
    url = serve_both(Reranker(settings=settings, scorer=ScriptedScorer(judge=number)))
    body = {"query": "a", "queries": "a", "documents": numbered(1, 2)}
    key = {"authorization": "Bearer k"}
    with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
        for path in (*RERANK_PATHS, *SCORE_PATHS):
            assert client.post(path).status_code == 401
            assert client.post(path, json=body, headers=key).status_code == 200
            assert client.post(path, json=body | {"documents": numbered(1, 2, 3)}, headers=key).status_code == 413
            assert client.post(path, headers=key | {"origin": "https://evil.example"}).status_code == 403
            assert client.post(path, content=b"{}", headers=key | {"content-type": "text/plain"}).status_code == 400
            assert client.get(path, headers=key).status_code == 405


def test_a_body_beyond_the_limit_is_not_received_on_any_path(url: str) -> None:
    for path in (*RERANK_PATHS, *SCORE_PATHS):
        with half_open(url, path, 10**10, b"{") as connection:
            assert connection.recv(1_000).startswith(b"HTTP/1.1 413")
