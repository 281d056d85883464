"""The HTTP API over a real server on loopback: responses, errors, limits, keys, and load."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from reranker import Reranker, Settings
from reranker.core.errors import DeviceFailed, PrecisionUnsuitable
from reranker.core.scores import sigmoid
from reranker.i18n.error_messages import sentence
from reranker.server.http_api import RERANK_PATHS, SCORE_PATHS
from tests.support.document_forms import data_uri
from tests.support.recorded_stops import RecordedStops
from tests.support.scripted_scorer import PATIENCE_S, ScriptedScorer, content_of, until


def ask(url: str, **body) -> httpx.Response:
    return httpx.post(f"{url}v1/rerank", json=body, timeout=PATIENCE_S)


def indices(response: httpx.Response) -> list[int]:
    return order(response.json())


def order(body: dict) -> list[int]:
    """The indices of the documents, the most relevant first."""
    return [result["index"] for result in body["results"]]


# Documents and responses


def test_relevance_scores_are_the_probabilities_of_the_reranker(
    toybox: Reranker, api_url: str, pictures, drawings
) -> None:
    answer = ask(api_url, query="黑猫", documents=pictures, top_n=2).json()
    ranking = toybox.rank("黑猫", drawings)
    assert [result["index"] for result in answer["results"]] == [scored.position for scored in ranking.scored[:2]]
    best = answer["results"][0]["relevance_score"]
    assert best == pytest.approx(1 / (1 + 2.718281828459045 ** -ranking.scored[0].score.log_odds), abs=1e-4)
    tokens = sum(scored.score.visual_tokens for scored in ranking.scored)
    assert answer["usage"] == {"images": 4, "prompt_tokens": tokens, "total_tokens": tokens}
    assert answer["model"] == "toybox"


@pytest.mark.parametrize("path", RERANK_PATHS)
@pytest.mark.parametrize("exclude", ["a cat", {"text": "a cat"}, [{"type": "text", "text": "a cat"}]], ids=str)
def test_what_must_not_be_there_is_another_query(serve_api, path: str, exclude: object) -> None:
    reranker = Reranker(scorer=ScriptedScorer())
    contents = [b"\x89PNG\r\n\x1a\n%d" % index for index in range(5)]
    body = {"query": "a dog", "documents": list(map(data_uri, contents)), "exclude": exclude}
    answer = httpx.post(f"{serve_api(reranker)}{path.lstrip('/')}", json=body).json()
    ranking = reranker.rank("a dog", contents, exclude="a cat")
    assert order(answer) == [scored.position for scored in ranking.scored]
    assert [result["relevance_score"] for result in answer["results"]] == [
        sigmoid(scored.score.log_odds) for scored in ranking.scored
    ]


@pytest.mark.parametrize("exclude", [None, "", "  "])
def test_nothing_is_excluded_where_nothing_is_named(api_url: str, pictures: list[str], exclude: str | None) -> None:
    plain, same = (
        ask(api_url, query="a red house", documents=pictures, **options) for options in ({}, {"exclude": exclude})
    )
    assert plain.json()["results"] == same.json()["results"]


@pytest.mark.parametrize("exclude", [5, ["a", 5], {"image": data_uri(b"1")}, "x" * 1001], ids=str)
def test_what_is_no_sentence_cannot_be_excluded(api_url: str, pictures: list[str], exclude: object) -> None:
    assert ask(api_url, query="a red house", documents=pictures, exclude=exclude).status_code == 400


def test_a_precision_without_any_finite_score_is_one_error(serve_api) -> None:
    url = serve_api(Reranker(scorer=ScriptedScorer(judge=lambda *_: float("nan"))))
    for path, query in (("v1/rerank", "query"), ("score", "queries")):
        answer = httpx.post(f"{url}{path}", json={query: "a", "documents": [data_uri(b"1"), data_uri(b"2")]})
        assert answer.status_code == 422
        assert answer.json() == {"detail": sentence(PrecisionUnsuitable(precision="fp32"), "en")}


def test_a_gpu_that_failed_is_one_error_and_no_failure_of_a_document(serve_api) -> None:
    def judge(*_: object) -> float:
        raise DeviceFailed

    answer = ask(serve_api(Reranker(scorer=ScriptedScorer(judge=judge))), query="a", documents=[data_uri(b"1")] * 2)
    assert answer.status_code == 500
    assert answer.json() == {"detail": sentence(DeviceFailed(), "en")}


def test_documents_are_returned_on_request_and_without_one_their_texts(api_url: str, pictures: list[str]) -> None:
    titled = [{"image": picture, "text": f"number {index}"} for index, picture in enumerate(pictures)]
    none, texts, full = (
        ask(api_url, query="a red house", documents=titled, return_documents=each).json()
        for each in (False, None, True)
    )
    assert all("document" not in result for result in none["results"])
    assert [result["document"] for result in texts["results"]] == [
        {"text": titled[index]["text"]} for index in order(texts)
    ]
    assert [result["document"] for result in full["results"]] == [titled[index] for index in order(full)]


def test_text_parts_are_scored_with_their_picture(serve_api, pictures: list[str]) -> None:
    texts = []

    def read(candidate):
        texts.append(candidate.text)
        return content_of(candidate)

    url = serve_api(Reranker(scorer=ScriptedScorer(read=read)))
    parts = [{"type": "text", "text": "shoe"}, {"type": "image_url", "image_url": {"url": pictures[0]}}]
    ask(url, query="a", documents=[{"content": parts}])
    assert texts == ["shoe"]


def test_a_picture_that_cannot_be_read_fails_alone(api_url: str, pictures: list[str]) -> None:
    answer = ask(api_url, query="a red house", documents=[data_uri(b"no picture"), *pictures])
    assert answer.status_code == 200
    assert [failure["index"] for failure in answer.json()["failures"]] == [0]
    assert "documents[0]" in answer.json()["failures"][0]["detail"]
    assert sorted(indices(answer)) == [1, 2, 3, 4]
    none = ask(api_url, query="a red house", documents=[data_uri(b"no picture")])
    assert (none.status_code, "documents[0]" in none.json()["detail"]) == (422, True)


def test_the_description_names_the_endpoints(api_url: str) -> None:
    description = httpx.get(f"{api_url}v1/openapi.json").json()
    assert set(description["paths"]) == {
        *RERANK_PATHS,
        *SCORE_PATHS,
        "/v1/models",
        "/v1/search",
        "/v1/tag",
        "/v1/libraries",
    }
    responses = description["paths"]["/score"]["post"]["responses"]
    assert {"200", "422", "429", "503"} < set(responses)
    assert len({response["description"] for response in responses.values()}) == len(responses)
    assert httpx.get(f"{api_url}v1/models").json()["data"] == [{"id": "toybox", "object": "model"}]


# Errors


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.png", "https://example.org/a.png", "file:///etc/passwd"])
@pytest.mark.parametrize("form", [str, lambda url: {"image": url}])
def test_urls_are_refused_and_never_fetched(api_url: str, pictures: list[str], url: str, form) -> None:
    answer = ask(api_url, query="a", documents=[pictures[0], form(url)])
    assert answer.status_code == 400
    assert "documents[1] is an address" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"query": "a", "documents": ["PICTURE", "../../etc/passwd"]}, "documents[1] is text"),
        ({"query": "  ", "documents": ["PICTURE"]}, "sentence"),
        ({"query": "a" * 1001, "documents": ["PICTURE"]}, "1,001"),
        ({"documents": ["PICTURE"]}, "at “query”"),
        ([], "at “body”"),
    ],
)
def test_an_invalid_request_is_answered_with_the_field(
    api_url: str, pictures: list[str], body: object, detail: str
) -> None:
    sent = json.dumps(body).replace("PICTURE", pictures[0])
    answer = httpx.post(f"{api_url}v1/rerank", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"query": NaN}'])
def test_invalid_json_is_a_bad_request(api_url: str, content: bytes) -> None:
    answer = httpx.post(f"{api_url}v1/rerank", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_request_that_needs_no_preflight_is_refused(api_url: str, pictures: list[str]) -> None:
    """A page of another site can send text without a preflight request, and JSON only after one."""
    body = json.dumps({"query": "a", "documents": pictures})
    answer = httpx.post(f"{api_url}v1/rerank", content=body, headers={"content-type": "text/plain"})
    assert answer.status_code == 400


# Limits


def test_ten_thousand_documents_are_too_many(api_url: str) -> None:
    answer = ask(api_url, query="a", documents=["data:;base64,"] * 10_000)
    assert (answer.status_code, "10,000" in answer.json()["detail"]) == (413, True)


def test_a_request_is_not_read_beyond_its_limit(serve_api) -> None:
    url = serve_api(Reranker(settings=Settings.of(max_request_mb=1), scorer=ScriptedScorer()))
    answer = ask(url, query="a", documents=[data_uri(bytes(1_000_000))])
    assert (answer.status_code, "1 MB" in answer.json()["detail"]) == (413, True)


def test_a_decompression_bomb_fails_alone(api_url: str, pictures: list[str]) -> None:
    buffer = BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    answer = ask(api_url, query="a red house", documents=[data_uri(buffer.getvalue()), pictures[0]])
    assert "400.0 megapixels" in answer.json()["failures"][0]["detail"]
    assert indices(answer) == [1]


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        (Settings.of(api_key="k"), {}, 401),
        (Settings.of(api_key="k"), {"authorization": "Bearer no"}, 401),
        (Settings.of(api_key="k"), {"authorization": "Bearer k"}, 200),
        (Settings.of(auth="me:secret"), {}, 401),
        (Settings.of(auth="me:secret"), {"authorization": "Bearer secret"}, 401),
        (Settings.of(auth="me:secret", api_key="k"), {"authorization": "Bearer k"}, 200),
    ],
)
def test_a_key_is_required_if_there_is_one_or_the_page_has_a_login(
    serve_both, settings: Settings, headers: dict[str, str], status: int
) -> None:
    url = serve_both(Reranker(settings=settings, scorer=ScriptedScorer()))
    assert httpx.get(f"{url}v1/models", headers=headers).status_code == status
    assert httpx.get(f"{url}health").status_code == 200


def test_a_request_without_a_key_is_refused_before_its_body_is_read(serve_api) -> None:
    url = serve_api(Reranker(settings=Settings.of(api_key="k", max_request_mb=1), scorer=ScriptedScorer()))
    answer = ask(url, query="a", documents=[data_uri(bytes(500_000))] * 2)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_local_server_answers_to_loopback_names_only(serve_both) -> None:
    """A page of another site can make its own name resolve to this address."""
    url = serve_both(Reranker(scorer=ScriptedScorer()))
    for path in ("", "v1/models", "health"):
        assert httpx.get(f"{url}{path}", headers={"host": "evil.example"}).status_code == 400
    assert httpx.get(f"{url}health", headers={"host": "localhost:7860"}).status_code == 200


def test_a_server_on_the_network_answers_to_any_name(serve_both) -> None:
    url = serve_both(Reranker(scorer=ScriptedScorer(), settings=Settings.of(host="0.0.0.0")))
    assert httpx.get(f"{url}health", headers={"host": "studio.example"}).status_code == 200


# Load


def test_requests_at_once_are_ranked_or_refused_and_never_mixed_up(serve_api, pictures: list[str]) -> None:
    """50 requests at once for four pictures; the server reports its health meanwhile."""
    url = serve_api(Reranker("toybox"))
    best = {"a red house": 0, "a blue car": 1, "a black cat": 2, "a yellow ball": 3}
    queries = [list(best)[number % 4] for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answers = pool.map(lambda query: ask(url, query=query, documents=pictures), queries)
        assert httpx.get(f"{url}health", timeout=PATIENCE_S).json()["alive"]
        answers = list(answers)
    assert {answer.status_code for answer in answers} <= {200, 429}
    answered = [(query, answer) for query, answer in zip(queries, answers, strict=True) if answer.status_code == 200]
    assert len(answered) >= 20
    assert all(indices(answer)[0] == best[query] for query, answer in answered)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert all(answer.headers["retry-after"] for answer in refused)


def test_a_client_that_disconnects_stops_the_run_before_its_next_batch(serve_api) -> None:
    started, released = threading.Event(), threading.Event()

    def judge(*_: object) -> float:
        started.set()
        assert released.wait(PATIENCE_S)
        return 1.0

    scorer = ScriptedScorer(judge=judge, batch_tokens=1)
    reranker = RecordedStops(scorer=scorer)
    connection = HTTPConnection(urlsplit(serve_api(reranker)).netloc)
    body = json.dumps({"query": "a", "documents": [data_uri(b"%d" % number) for number in range(20)]})
    connection.request("POST", "/v1/rerank", body, {"content-type": "application/json"})
    assert started.wait(PATIENCE_S)
    connection.close()
    assert reranker.stops[0].wait(PATIENCE_S)
    released.set()
    until(lambda: "reranker-batches" not in {thread.name for thread in threading.enumerate()})
    assert len(scorer.batches) == 1
